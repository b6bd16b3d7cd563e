"""Stand-in for slicer.parameterNodeWrapper: typed attributes that live in a vtkMRMLScriptedModuleNode and in widgets."""

from __future__ import annotations

import typing
import weakref
from collections.abc import Mapping
from typing import Any

import qt
import slicer
import vtk

from .parameter_values import Decimals, Default, Maximum, Minimum, Parameter, SingleStep, WithinRange
from .parameter_widgets import Connector, createConnector

__all__ = ["Decimals", "Default", "Maximum", "Minimum", "SingleStep", "WithinRange", "parameterNodeWrapper"]

_PROPERTY = "SlicerParameterName"


class _Values:
    """What upstream's _CachedParameterWrapper keeps: values, nodes among them, as they were when the node last changed."""

    def __init__(self, parameters: Mapping[str, Parameter], node: slicer.vtkMRMLScriptedModuleNode) -> None:
        self._parameters, self._node = parameters, node
        self._known: dict[str, Any] = {}
        self._readAll()
        own = weakref.ref(self)
        self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: own()._readAll())

    def __del__(self) -> None:
        self._node.RemoveObserver(self._tag)

    def __getitem__(self, name: str) -> Any:
        return self._known[name]

    def __setitem__(self, name: str, value: Any) -> None:
        with slicer.util.NodeModify(self._node):
            self._parameters[name].write(self._node, value)
            self._known[name] = self._parameters[name].read(self._node)

    def _readAll(self) -> None:
        self._known = {name: parameter.read(self._node) for name, parameter in self._parameters.items()}


class _Wrapper:
    """What the decorator adds to a class."""

    allParameters: typing.ClassVar[dict[str, Parameter]]

    def __init__(self, parameterNode: slicer.vtkMRMLScriptedModuleNode) -> None:
        self.parameterNode = parameterNode
        self._guis: dict[int, dict[str, Connector]] = {}
        self._updating = False
        for parameter in self.allParameters.values():
            if not parameter.isIn(parameterNode):
                parameter.write(parameterNode, parameter.default.value)
        self._values = _Values(self.allParameters, parameterNode)

    def getValue(self, name: str) -> Any:
        return self._values[self._parameter(name).name]

    def setValue(self, name: str, value: Any) -> None:
        self._values[self._parameter(name).name] = value

    def default(self, name: str) -> Any:
        return self._parameter(name).default

    def dataType(self, name: str) -> Any:
        return self._parameter(name).datatype

    def _parameter(self, name: str) -> Parameter:
        if name not in self.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}, found {list(self.allParameters)}")
        return self.allParameters[name]

    def connectGui(self, gui: Any) -> int:
        """Bind each widget below `gui` that has the property SlicerParameterName; a number for disconnectGui."""
        widgets = gui.findChildren(qt.QWidget) if hasattr(gui, "isWidgetType") else vars(gui).values()
        named = {widget.property(_PROPERTY): widget for widget in widgets if widget.property(_PROPERTY)}
        return self.connectParametersToGui(named)

    def connectParametersToGui(self, mapping: Mapping[str, Any]) -> int:
        connectors = {name: createConnector(widget, self._parameter(name).datatype) for name, widget in mapping.items()}
        tag = max(self._guis, default=-1) + 1
        self._guis[tag] = connectors
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.onChanged(lambda name=name, connector=connector: self._onWidget(name, connector))
        self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._onNode())
        return tag

    def disconnectGui(self, tag: int) -> None:
        """The observer stays at the node, as in Slicer 5.10."""
        for connector in self._guis.pop(tag, {}).values():
            connector.onChanged(None)

    def _onWidget(self, name: str, connector: Connector) -> None:
        if not self._updating:
            self.setValue(name, connector.read())

    def _onNode(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            for connectors in self._guis.values():
                for name, connector in connectors.items():
                    connector.write(self.getValue(name))
        finally:
            self._updating = False

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified: int) -> None:
        self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event: int | str, callback: Any, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()


def parameterNodeWrapper(classtype: type | None = None) -> Any:
    """Class decorator: each annotated member becomes a parameter."""
    if classtype is None:
        return _wrapped
    return _wrapped(classtype)


def _wrapped(classtype: type) -> type:
    parameters = {}
    for name, datatype in typing.get_type_hints(classtype, include_extras=True).items():
        default = Default(getattr(classtype, name)) if hasattr(classtype, name) else None
        parameters[name] = Parameter(name, datatype, default)
    for name, method in vars(_Wrapper).items():
        if name in parameters or (name in vars(classtype) and not name.startswith("__")):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        if callable(method) and (name == "__init__" or not name.startswith("__")):
            setattr(classtype, name, method)
    for name in parameters:
        setattr(classtype, name, _attribute(name))
    classtype.allParameters = parameters
    return classtype


def _attribute(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))
