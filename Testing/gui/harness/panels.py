"""Loads and opens modules as the application does: file, module object, panel; one panel is open at a time."""

from __future__ import annotations

import importlib
from typing import Any

import slicer

from . import driving
from .module_classes import qSlicerScriptedLoadableModule, qSlicerScriptedLoadableModuleWidget
from .wrappers import unwrap, wrap

WIDTH = 400  # pixels: the width of Slicer's module panel
_panels: dict[str, qSlicerScriptedLoadableModuleWidget] = {}
_current: list[qSlicerScriptedLoadableModuleWidget] = []


def load_module(name: str) -> None:
    """Make the module known (slicer.modules.<name>), as the application does with all modules when it starts."""
    python, manager = importlib.import_module(name), unwrap(slicer.app.moduleManager())
    if name in manager.known:
        return
    module = qSlicerScriptedLoadableModule(name, python.__file__, manager)
    manager.known[name] = module
    setattr(slicer.modules, name.lower(), wrap(module))
    getattr(python, name)(wrap(module))


def open_module(name: str) -> Any:
    """The module's widget object (class NAMEWidget), shown 400 pixels wide; its `.parent` is the panel.

    The panel that was open before is left and hidden, and can be opened again: it is the same one then.
    """
    load_module(name)
    panel = _panels.get(name) or _make(name)
    while _current:
        left = _current.pop()
        left.exit()
        left.hide()
    _current.append(panel)
    panel.show()
    panel.activateWindow()
    panel.enter()
    driving.process_events()
    return panel.self()


def _make(name: str) -> qSlicerScriptedLoadableModuleWidget:
    panel = _panels[name] = qSlicerScriptedLoadableModuleWidget(name)
    unwrap(slicer.app.moduleManager()).known[name].setWidget(panel)
    panel.instantiate()
    panel.setup()
    panel.setMRMLScene(slicer.mrmlScene)  # after setup, as in the application
    panel.layout().setContentsMargins(0, 0, 0, 0)
    panel.resize(WIDTH, 900)
    return panel


def on_selected(name: str) -> None:
    """What slicer.util.selectModule leads to; a module that is not loaded here is only remembered as selected."""
    if name in unwrap(slicer.app.moduleManager()).known:
        open_module(name)


def close_modules() -> None:
    """Leave the open panel and clean up all, as the application does when it ends."""
    manager = unwrap(slicer.app.moduleManager())
    while _current:
        _current.pop().exit()
    for name in list(manager.known):
        manager.moduleAboutToBeUnloaded.emit(name)
        delattr(slicer.modules, name.lower())
        manager.known.pop(name).deleteLater()
    while _panels:
        name, panel = _panels.popitem()
        vars(slicer.modules).pop(f"{name}Widget", None)
        panel.close()
        panel.deleteLater()
    driving.process_events()
