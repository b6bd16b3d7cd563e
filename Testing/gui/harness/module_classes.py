"""Stand-ins for a scripted module and its panel, the C++ side of the Python classes that a module's file defines."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Slot

from .mrml_widgets import qMRMLWidget
from .wrappers import wrap


class qSlicerScriptedLoadableModule(QtCore.QObject):
    """`parent` of a ScriptedLoadableModule: title, texts and path; and the module's widget, once it is opened."""

    def __init__(self, name: str, path: str, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._values = {"name": name, "path": path, "title": "", "helpText": "", "acknowledgementText": ""}
        self._lists: dict[str, list[str]] = {
            "categories": [],
            "dependencies": [],
            "contributors": [],
            "associatedNodeTypes": [],
        }
        self._icon, self._hidden, self._widget = QtGui.QIcon(), False, None

    def _value(name: str) -> Property:
        return Property(str, lambda self: self._values[name], lambda self, value: self._values.__setitem__(name, value))

    def _list(name: str) -> Property:
        return Property("QStringList", lambda self: self._lists[name], lambda self, value: self._lists.__setitem__(name, value))

    name, path = Property(str, lambda self: self._values["name"]), Property(str, lambda self: self._values["path"])
    title, helpText, acknowledgementText = _value("title"), _value("helpText"), _value("acknowledgementText")
    categories, dependencies, contributors = _list("categories"), _list("dependencies"), _list("contributors")
    associatedNodeTypes = _list("associatedNodeTypes")

    def _setIcon(self, icon: QtGui.QIcon) -> None:
        self._icon = icon

    def _setHidden(self, hidden: bool) -> None:
        self._hidden = hidden

    icon = Property(QtGui.QIcon, lambda self: self._icon, _setIcon)
    hidden = Property(bool, lambda self: self._hidden, _setHidden)

    def setWidget(self, widget: QtCore.QObject) -> None:
        self._widget = widget

    @Slot(result=QtCore.QObject)
    def widgetRepresentation(self) -> QtCore.QObject | None:
        return self._widget


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """`parent` of a ScriptedLoadableModuleWidget: the panel, which calls that object's setup, enter and exit."""

    def __init__(self, name: str) -> None:
        super().__init__()
        QtWidgets.QVBoxLayout(self)
        self._name, self._python, self._entered = name, None, False

    moduleName = Property(str, lambda self: self._name)
    isEntered = Property(bool, lambda self: self._entered)

    def instantiate(self) -> None:
        """Make the object of class NAMEWidget, which slicer.modules then knows."""
        className = f"{self._name}Widget"
        self._python = getattr(sys.modules.get(self._name) or importlib.import_module(self._name), className)(wrap(self))
        setattr(slicer.modules, className, self._python)

    @Slot(result=object)
    def self(self) -> Any:
        return self._python

    def setup(self) -> None:
        self._python.setup()

    @Slot()
    def enter(self) -> None:
        self._entered = True
        self._call("enter")

    @Slot()
    def exit(self) -> None:
        self._entered = False
        self._call("exit")

    def _call(self, method: str) -> None:
        if hasattr(self._python, method):
            getattr(self._python, method)()

    @Slot()
    def reload(self) -> None:
        """As slicer.util.reloadScriptedModule asks for it, after it has loaded the module's file again."""
        self.instantiate()
        self.setup()
