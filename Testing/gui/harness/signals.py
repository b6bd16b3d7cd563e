"""Signals as PythonQt has them: `w.connect("clicked(bool)", f)`, `w.clicked.connect(f)`, `w.clicked.emit(True)`.

A signature that the meta object does not know connects nothing: PythonQt prints that and returns False; here the test fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6 import QtCore

from . import failures
from .newer_than_qt5 import isNewer

# By the C++ address of the sender: (signature, callable, what Qt calls). Gone when the sender is destroyed.
_targets: dict[int, list[tuple[str, Callable, Callable]]] = {}


def _address(sender: QtCore.QObject) -> int:
    return shiboken6.getCppPointer(sender)[0]


def pySideSignature(sender: QtCore.QObject, signature: str) -> str | None:
    """The signature in PySide6's words, None where the sender has no such signal.

    Signals of the harness's own classes carry MRML nodes as Python objects; `cppSignatures` has what they stand for.
    """
    normalized = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
    named = getattr(type(sender), "cppSignatures", {})
    if "PyObject" in normalized or isNewer(type(sender), normalized.partition("(")[0]):  # only PySide6 knows it
        return None
    normalized = named.get(normalized, normalized)
    return normalized if sender.metaObject().indexOfSignal(normalized) >= 0 else None


def firstSignature(sender: QtCore.QObject, name: str) -> str:
    """The overload that `w.name` stands for: the first one declared."""
    meta = sender.metaObject()
    all_ = [meta.method(i) for i in range(meta.methodCount())]
    names = [bytes(m.methodSignature().data()).decode() for m in all_ if bytes(m.name().data()).decode() == name]
    return names[0]


def connect(sender: QtCore.QObject, signature: str, function: Callable, target: Callable) -> bool:
    """Have `target` called at the signal; `function` is what disconnect will be asked with."""
    known = pySideSignature(sender, signature)
    if known is None:
        failures.keep(f"PythonQt: QObject::connect() signal '{signature}' does not exist on {sender.metaObject().className()}")
        return False
    kept = _targets.get(_address(sender))
    if kept is None:
        address = _address(sender)
        kept = _targets[address] = []
        sender.destroyed.connect(lambda *_: _targets.pop(address, None))
    kept.append((known, function, target))
    QtCore.QObject.connect(sender, QtCore.SIGNAL(known), target)
    return True


def disconnect(sender: QtCore.QObject, signature: str, function: Callable | None) -> bool:
    """Undo one connection with `function`, or all without; False where there was none."""
    known = pySideSignature(sender, signature)
    if known is None:
        failures.keep(
            f"PythonQt: QObject::disconnect() signal '{signature}' does not exist on {sender.metaObject().className()}"
        )
        return False
    kept = _targets.get(_address(sender), [])
    found = [entry for entry in kept if entry[0] == known and (function is None or entry[1] == function)]
    for entry in found[:1] if function is not None else found:
        QtCore.QObject.disconnect(sender, QtCore.SIGNAL(known), entry[2])
        kept.remove(entry)
    return bool(found)


class SignalFunction:
    """`w.clicked`: connect, disconnect, emit, or call it to emit."""

    def __init__(self, sender: QtCore.QObject, name: str, guard: Callable, wrap: Callable) -> None:
        self._sender, self._name, self._guard = sender, name, guard

    def connect(self, function: Callable) -> bool:
        return connect(self._sender, self._signature(), function, self._guard(function))

    def disconnect(self, function: Callable | None = None) -> bool:
        return disconnect(self._sender, self._signature(), function)

    def _signature(self) -> str:
        first = firstSignature(self._sender, self._name)
        named = {value: key for key, value in getattr(type(self._sender), "cppSignatures", {}).items()}
        return named.get(first, first)

    def emit(self, *arguments: Any) -> None:
        from .wrappers import unwrap

        getattr(self._sender, self._name).emit(*[unwrap(argument) for argument in arguments])

    __call__ = emit
