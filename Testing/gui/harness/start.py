"""Gives this process the modules that Slicer's Python has: qt, ctk, and what slicer lacks outside the application."""

from __future__ import annotations

import importlib
import os
import sys
import types
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from Testing.scene import headless

from . import (
    application,
    ctk_widgets,
    dialogs,
    failures,
    module_classes,
    mrml_widgets,
    node_combo_box,
    palettes,
    qobjects,
    ui_files,
)
from .scene_watch import forgetScenes
from .wrappers import guarded, wrap, wrapperFor

ROOT = Path(__file__).parents[3]
MODULE_FOLDERS = (ROOT / "MedSegDL", ROOT / "MedSegDLTrain")
_QT_MODULES = (QtCore, QtGui, QtWidgets)
_MRML_WIDGETS = (mrml_widgets.qMRMLWidget, node_combo_box.qMRMLNodeComboBox)
_MODULE_CLASSES = (module_classes.qSlicerScriptedLoadableModule, module_classes.qSlicerScriptedLoadableModuleWidget)
_kept: dict[str, object] = {}


def start() -> None:
    """Install qt, ctk, slicer.app and the rest; a second call does nothing."""
    if "qt" in sys.modules:
        return
    headless.start()
    app = QtWidgets.QApplication.instance() or application.qSlicerApplication(["Slicer"])
    app.use(slicer.mrmlScene, slicer.app.applicationLogic())
    failures.listen()
    dialogs.take_over()
    qobjects.take_over()
    palettes.apply(dark=False)
    ui_files.customWidgets.update({cls.__name__: cls for cls in (*ctk_widgets.CLASSES, *_MRML_WIDGETS)})
    sys.modules["qt"] = _qtModule()
    sys.modules["ctk"] = _module("ctk", {cls.__name__: wrapperFor(cls) for cls in ctk_widgets.CLASSES})
    _extendSlicer(app)
    for folder in MODULE_FOLDERS:
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))


def stop() -> None:
    """Take away again what start() installed, for tests that run without a window."""
    for name in ("qt", "ctk", "slicer.i18n", "slicer.ScriptedLoadableModule", "slicer.parameterNodeWrapper"):
        sys.modules.pop(name, None)
    failures.listen_no_more()
    forgetScenes()
    if "outside" in _kept:
        slicer.app = _kept.pop("outside")


def _module(name: str, content: dict[str, object]) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(content)
    return module


def _qtModule() -> types.ModuleType:
    """`qt`: every class of Qt's Core, Gui and Widgets, wrapped when it is first asked for."""

    def find(name: str) -> object:
        for module in _QT_MODULES:
            found = getattr(module, name, None)
            if isinstance(found, type):
                return wrapperFor(found)
        raise AttributeError(f"module 'qt' has no attribute '{name}'")

    return _module("qt", {"__getattr__": find, "QUiLoader": wrapperFor(ui_files.QUiLoader)})


def _extendSlicer(app: application.qSlicerApplication) -> None:
    if "window" not in _kept:
        _kept["window"] = window = application.qSlicerMainWindow()
        window.moduleSelector().moduleSelected.connect(guarded(_onSelected))
    _kept["app"], _kept["outside"] = app, slicer.app
    slicer.app = wrap(app)
    for cls in (*_MRML_WIDGETS, *_MODULE_CLASSES):
        setattr(slicer, cls.__name__, wrapperFor(cls))
    sys.modules["slicer.i18n"] = slicer.i18n = _module(
        "slicer.i18n", {"tr": lambda text: text, "translate": lambda _, text: text}
    )
    for name, own in (("ScriptedLoadableModule", "scripted_module"), ("parameterNodeWrapper", "parameter_node")):
        module = importlib.import_module(f".{own}", __package__)
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)


def _onSelected(name: str) -> None:
    from .panels import on_selected  # its classes need what this module installs

    on_selected(name)


def dark(on: bool = True) -> None:
    """Slicer's dark palette for everything that is open, or the light one."""
    palettes.apply(on)


__all__ = ["dark", "start", "stop"]
