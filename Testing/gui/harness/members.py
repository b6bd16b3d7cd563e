"""What a name means on a PySide6 object, by its QMetaObject, and how a property is read and written."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

# Methods that open a dialog, answered by the test: "QMessageBox.question" and the like, filled by dialogs.py.
instead: dict[str, Callable] = {}


def spelled(pySideClass: type, name: str) -> str:
    """PythonQt's other spellings: `name` is objectName, a single underscore at the end is dropped (exec_)."""
    if name == "name" and issubclass(pySideClass, QtCore.QObject):
        return "objectName"
    if len(name) > 2 and name.endswith("_") and not name.endswith("__"):
        return name[:-1]
    return name


def isProperty(qt: QtCore.QObject, name: str) -> bool:
    if name == "singleShot" and isinstance(qt, QtCore.QTimer):  # PythonQt leaves this one out, for the static method
        return False
    return qt.metaObject().indexOfProperty(name) >= 0


def dynamicProperties(qt: QtCore.QObject) -> tuple[str, ...]:
    return tuple(bytes(name.data()).decode() for name in qt.dynamicPropertyNames())


def isSignal(qt: Any, name: str) -> bool:
    return isinstance(qt, QtCore.QObject) and isinstance(inspect.getattr_static(type(qt), name, None), QtCore.Signal)


def method(pySideClass: type, name: str) -> Callable | None:
    """The public method `name`, bound to nothing; of the harness's own classes only what Qt's meta object knows."""
    if name.startswith("_"):
        return None
    overriding = None
    for parent in pySideClass.__mro__:
        if (function := instead.get(f"{parent.__name__}.{name}")) is not None:
            return function
        if name not in vars(parent):
            continue
        found = overriding or getattr(parent, name)
        if _isOwn(parent) and not hasattr(vars(parent)[name], "_slots"):  # PySide6's mark of a slot
            overriding = found  # public if a class of Qt's that it inherits says so
            continue
        return found if isinstance(found, _METHODS) or _isStatic(found) else None
    return None


_METHODS = (types.FunctionType, types.MethodDescriptorType)


def _isStatic(found: Any) -> bool:
    return isinstance(found, types.BuiltinFunctionType)


def _isOwn(pySideClass: type) -> bool:
    return pySideClass.__module__.startswith("Testing.")


def readProperty(qt: QtCore.QObject, name: str) -> Any:
    try:
        return qt.property(name)
    except RuntimeError:  # PySide6 converts no enums here
        return getattr(qt, name)()


def writeProperty(qt: QtCore.QObject, name: str, value: Any, owner: str) -> None:
    """Write as PythonQt does: texts, numbers and truth values are converted, anything else must fit."""
    meta = qt.metaObject().property(qt.metaObject().indexOfProperty(name))
    if not meta.isWritable():
        raise AttributeError(f"Property '{name}' of {owner} object is not writable")
    if not _written(qt, name, value, meta):
        given = f"{type(value).__name__} ({value!r})"
        raise AttributeError(f"Property '{name}' of type '{meta.typeName()}' does not accept an object of type {given}")


def _written(qt: QtCore.QObject, name: str, value: Any, meta: QtCore.QMetaProperty) -> bool:
    if meta.isEnumType():
        return _writeEnum(qt, name, value)
    conversion = _CONVERSIONS.get(meta.typeName())
    try:
        return qt.setProperty(name, conversion(value) if conversion else value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return False


def _writeEnum(qt: QtCore.QObject, name: str, value: Any) -> bool:
    enumClass = type(getattr(qt, name)())
    if not isinstance(value, (int, enumClass)):
        return False
    getattr(qt, f"set{name[0].upper()}{name[1:]}")(enumClass(value))
    return True


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        raise TypeError(value)
    return [str(item) for item in value]


_CONVERSIONS: dict[str, Callable] = {
    "QString": str,
    "bool": bool,
    "int": int,
    "double": float,
    "QStringList": _strings,
}


def argumentCount(function: Callable) -> int | None:
    """How many of a signal's arguments PythonQt passes on; None: all of them."""
    bound = isinstance(function, types.MethodType)
    plain = function.__func__ if bound else function
    if not isinstance(plain, types.FunctionType) or plain.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return plain.__code__.co_argcount - bound
