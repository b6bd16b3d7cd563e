"""Opens a module as the application does: its file is imported, its module object made, then its panel."""

from __future__ import annotations

import importlib
from typing import Any

import slicer

from . import driving
from .module_classes import qSlicerScriptedLoadableModule, qSlicerScriptedLoadableModuleWidget
from .wrappers import unwrap, wrap

WIDTH = 400  # pixels: the width of Slicer's module panel
_open: list[qSlicerScriptedLoadableModuleWidget] = []


def open_module(name: str) -> Any:
    """The module's widget object (class NAMEWidget), shown 400 pixels wide; its `.parent` is the panel."""
    panel = _make(name)
    _open.append(panel)
    panel.setup()
    panel.setMRMLScene(slicer.mrmlScene)  # after setup, as in the application
    panel.layout().setContentsMargins(0, 0, 0, 0)
    panel.resize(WIDTH, 900)
    panel.show()
    panel.activateWindow()
    panel.enter()
    driving.process_events()
    return panel.self()


def _make(name: str) -> qSlicerScriptedLoadableModuleWidget:
    python, manager = importlib.import_module(name), unwrap(slicer.app.moduleManager())
    module = qSlicerScriptedLoadableModule(name, python.__file__, manager)
    manager.known[name] = module
    setattr(slicer.modules, name.lower(), wrap(module))
    getattr(python, name)(wrap(module))
    panel = qSlicerScriptedLoadableModuleWidget(name)
    module.setWidget(panel)
    panel.instantiate()
    return panel


def close_modules() -> None:
    """Leave and clean up each open panel, as the application does when it ends."""
    manager = unwrap(slicer.app.moduleManager())
    while _open:
        panel = _open.pop()
        panel.exit()
        manager.moduleAboutToBeUnloaded.emit(panel.moduleName)
        manager.known.pop(panel.moduleName)
        panel.close()
        panel.deleteLater()
    driving.process_events()
