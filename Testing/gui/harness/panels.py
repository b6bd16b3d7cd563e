"""Opens a module as the application does: its file is imported, its module object made, then its panel."""

from __future__ import annotations

import importlib
from typing import Any

import slicer
from PySide6 import QtWidgets

from . import driving
from .application import qSlicerScriptedLoadableModule
from .mrml_widgets import qMRMLWidget
from .wrappers import wrap

WIDTH = 400  # pixels: the width of Slicer's module panel
_open: list[Any] = []


def open_module(name: str) -> Any:
    """The module's widget object (class NAMEWidget), shown 400 pixels wide; its `.parent` is the panel."""
    python = importlib.import_module(name)
    manager = slicer.app.moduleManager()._qt
    module = qSlicerScriptedLoadableModule(name, python.__file__, manager)
    manager.known[name] = module
    setattr(slicer.modules, name.lower(), wrap(module))
    getattr(python, name)(wrap(module))
    panel = qMRMLWidget()
    panel.setLayout(QtWidgets.QVBoxLayout())
    panel.setMRMLScene(slicer.mrmlScene)
    panel.resize(WIDTH, 900)
    widget = getattr(python, f"{name}Widget")(wrap(panel))
    widget.setup()
    setattr(slicer.modules, f"{name}Widget", widget)
    panel.show()
    if hasattr(widget, "enter"):
        widget.enter()
    _open.append((widget, panel, module))
    driving.process_events()
    return widget


def close_modules() -> None:
    """Leave and clean up each open panel, as the application does when it closes."""
    while _open:
        widget, panel, module = _open.pop()
        if hasattr(widget, "exit"):
            widget.exit()
        slicer.app.moduleManager()._qt.moduleAboutToBeUnloaded.emit(module.property("name"))
        panel.close()
        panel.deleteLater()
    driving.process_events()
