"""Which widgets a parameter may be bound to, by the exact classes that upstream's guiConnectors.py names."""

from __future__ import annotations

import enum
import pathlib
from collections.abc import Callable
from typing import Any

import ctk
import qt
import slicer

from .parameter_values import Decimals, Maximum, Minimum, SingleStep, WithinRange, firstOf, splitAnnotations


class Connector:
    """Reads and writes a widget's value; `changed` is the signal that says the person changed it."""

    def __init__(self, widget: Any, signal: str | None, read: Callable[[], Any], write: Callable[[Any], None]) -> None:
        self.read, self.write = read, write
        self._signal = getattr(widget, signal) if signal else None
        self._callback: Callable | None = None

    def onChanged(self, callback: Callable | None) -> None:
        if callback is None:
            if self._signal is not None:
                self._signal.disconnect(self._changed)
        elif self._signal is not None:
            self._signal.connect(self._changed)
        self._callback = callback

    def _changed(self) -> None:
        if self._callback:
            self._callback()


def createConnector(widget: Any, datatype: Any) -> Connector:
    """The connector for a widget and a type; RuntimeError where upstream has none."""
    kind, annotations = splitAnnotations(datatype)
    for fits, make in _TABLE:
        if fits(type(widget), kind):
            return make(widget, kind, annotations)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{datatype}' to widget type '{type(widget)}'.")


def _property(widget: Any, name: str, signal: str | None, convert: Callable = lambda value: value) -> Connector:
    return Connector(widget, signal, lambda: convert(getattr(widget, name)), lambda value: setattr(widget, name, value))


def _button(widget: Any, kind: type, annotations: tuple) -> Connector:
    widget.checkable = True
    return _property(widget, "checked", "toggled")


def _limits(annotations: tuple, lowest: float, highest: float) -> tuple[float, float, bool]:
    """Minimum, maximum, and whether both are given."""
    both, low, high = (firstOf(annotations, one) for one in (WithinRange, Minimum, Maximum))
    if both is not None:
        return both.minimum, both.maximum, True
    return low.minimum if low else lowest, high.maximum if high else highest, bool(low and high)


def _whole(widget: Any, kind: type, annotations: tuple) -> Connector:
    if step := firstOf(annotations, SingleStep):
        widget.singleStep = step.value
    low, high, bounded = _limits(annotations, -(2**31), 2**31 - 1)
    if isinstance(widget, qt.QSlider) and not bounded:
        raise RuntimeError("Cannot have a connection to QSlider where the int type is unbounded.")
    widget.setMinimum(low)
    widget.setMaximum(high)
    return _property(widget, "value", "valueChanged")


def _number(widget: Any, kind: type, annotations: tuple) -> Connector:
    decimals = firstOf(annotations, Decimals)
    if kind is int or decimals is not None:
        widget.decimals = 0 if kind is int else decimals.value
    if step := firstOf(annotations, SingleStep):
        widget.singleStep = step.value
    low, high, bounded = _limits(annotations, float("-inf"), float("inf"))
    if type(widget) is ctk.ctkSliderWidget and not bounded:
        raise RuntimeError("Cannot have a connection to ctkSliderWidget where the float types is unbounded.")
    widget.minimum, widget.maximum = low, high
    return _property(widget, "value", "valueChanged", kind)


def _choice(widget: Any, kind: type[enum.Enum], annotations: tuple) -> Connector:
    members = list(kind)
    index = widget.currentIndex
    widget.clear()
    for member in members:
        widget.addItem(getattr(kind, "label", lambda one: one.name)(member))
    widget.currentIndex = max(0, index)
    write = lambda value: setattr(widget, "currentIndex", members.index(value))  # noqa: E731
    return Connector(widget, "currentIndexChanged", lambda: members[widget.currentIndex], write)


def _line(widget: Any, kind: type, annotations: tuple) -> Connector:
    """A line edit's cursor stays where it is while the text is the same."""
    write = lambda value: None if value == widget.text else setattr(widget, "text", value)  # noqa: E731
    return Connector(widget, "textChanged", lambda: widget.text, write)


def _path(widget: Any, kind: type, annotations: tuple) -> Connector:
    write = lambda value: setattr(widget, "currentPath", str(value))  # noqa: E731
    return Connector(widget, "currentPathChanged", lambda: kind(widget.currentPath), write)


def _node(widget: Any, kind: type, annotations: tuple) -> Connector:
    widget.nodeTypes = (kind().GetClassName(),)
    return Connector(widget, "currentNodeChanged", widget.currentNode, widget.setCurrentNode)


_TABLE = (
    (lambda widget, kind: kind is bool and widget is qt.QCheckBox, lambda w, k, a: _property(w, "checked", "stateChanged")),
    (lambda widget, kind: kind is bool and widget is qt.QPushButton, _button),
    (lambda widget, kind: kind is int and widget in (qt.QSlider, qt.QSpinBox), _whole),
    (lambda widget, kind: kind in (float, int) and widget in (qt.QDoubleSpinBox, ctk.ctkSliderWidget), _number),
    (lambda widget, kind: widget is qt.QComboBox and issubclass(kind, enum.Enum), _choice),
    (lambda widget, kind: kind is str and widget is qt.QLineEdit, _line),
    (lambda widget, kind: kind is str and widget is qt.QLabel, lambda w, k, a: _property(w, "text", None)),
    (lambda widget, kind: widget is ctk.ctkPathLineEdit and issubclass(kind, pathlib.PurePath), _path),
    (lambda widget, kind: widget is slicer.qMRMLNodeComboBox and issubclass(kind, slicer.vtkMRMLNode), _node),
)
