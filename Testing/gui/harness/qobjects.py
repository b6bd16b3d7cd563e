"""What PythonQt adds to every QObject: connect, disconnect, findChild, findChildren."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

from . import signals
from .wrappers import ClassWrapper, guarded, onWrappers, unwrap, wrap


def connect(sender: QtCore.QObject, signal: str, receiver: Any, slot: str | None = None, *_: Any) -> bool:
    """`w.connect("clicked(bool)", f)` or `w.connect("toggled(bool)", other, "setEnabled(bool)")`."""
    function = receiver if slot is None else getattr(receiver, slot.partition("(")[0])
    if not callable(function):
        raise ValueError(f"Called connect with wrong arguments: {function!r} cannot be called")
    return signals.connect(sender, signal, function, guarded(function))


def disconnect(sender: QtCore.QObject, signal: str, receiver: Any = None, slot: str | None = None) -> bool:
    function = receiver if slot is None else getattr(receiver, slot.partition("(")[0])
    return signals.disconnect(sender, signal, function)


def findChildren(parent: QtCore.QObject, kind: Any = "QObject", name: str | None = None) -> tuple:
    """All below `parent` of a class (or of the name of a class), each before what lies in it."""
    found = []
    for child in parent.children():
        if (name is None or child.objectName() == name) and _isA(child, kind):
            found.append(wrap(child))
        found += findChildren(child, kind, name) if name is None or child.objectName() == name else ()
    return tuple(found)


def findChild(parent: QtCore.QObject, kind: Any, name: str | None = None) -> Any:
    """The nearest one: children first, then theirs."""
    for child in parent.children():
        if (name is None or child.objectName() == name) and _isA(child, kind):
            return wrap(child)
    found = (findChild(child, kind, name) for child in parent.children())
    return next((one for one in found if one is not None), None)


def _isA(child: QtCore.QObject, kind: Any) -> bool:
    return isinstance(child, unwrap(kind)) if isinstance(kind, ClassWrapper) else child.inherits(str(kind))


def take_over() -> None:
    functions: tuple[Callable, ...] = (connect, disconnect, findChild, findChildren)
    onWrappers.update({f"QObject.{function.__name__}": function for function in functions})
