"""PythonQt's wrappers over PySide6: properties are attributes, what is unknown is refused, classes have no Python parents.

Each wrapper holds one PySide6 object in `_qt`. What an attribute means is looked up in PythonQt's order: property, method or
signal, enum, dynamic property, child by its name. The page Testing/gui/README.md cites PythonQt for each of these.
"""

from __future__ import annotations

import enum
import functools
import types
import weakref
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6 import QtCore

from . import failures, members, signals
from .enums import EnumValue, enumMember, wrapEnum
from .newer_than_qt5 import isNewer

# Methods that take and return what Python code in Slicer sees, "QObject.connect" and the like; qobjects.py fills it.
onWrappers: dict[str, Callable] = {}


class ClassWrapper(type):
    """The class of the wrapper classes: enums, static and unbound methods are found on the class itself."""

    pySideClass: type

    def __init__(cls, name: str, bases: tuple, namespace: dict) -> None:
        super().__init__(name, bases, namespace)
        if "pySideClass" not in namespace:  # written in Python: Qt calls what it overrides
            cls.pySideClass = _shell(cls, bases[0].pySideClass)

    def __getattr__(cls, name: str) -> Any:
        pySideClass = cls.pySideClass
        _refuseNewer(pySideClass, name)
        member = enumMember(pySideClass, name)
        if member is not None:
            return member
        function = members.method(pySideClass, name)
        if function is None:
            raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")
        return SlotFunction(f"{cls.__name__}.{name}", function)


class InstanceWrapper(metaclass=ClassWrapper):
    """PythonQt.PythonQtInstanceWrapper: the only parent of every wrapper class."""

    __slots__ = ("__weakref__", "_qt")
    pySideClass: type = object

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        if keywords:
            raise ValueError(f"Called {type(self).__name__} with keyword arguments, but called slot does not support kwargs.")
        created = _call(f"{type(self).__name__}()", self.pySideClass, arguments)
        object.__setattr__(self, "_qt", created)
        _remember(created, self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _read(self, _living(self, name), name)

    def __setattr__(self, name: str, value: Any) -> None:
        _write(self, _living(self, name), name, value)

    def className(self) -> str:
        return type(self).__name__ if not isinstance(self._qt, QtCore.QObject) else self._qt.metaObject().className()

    def delete(self) -> None:
        shiboken6.delete(self._qt)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, InstanceWrapper):
            return self._qt is other._qt or (not isinstance(self._qt, QtCore.QObject) and self._qt == other._qt)
        return False

    def __hash__(self) -> int:
        return hash(self._qt)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"{type(self).__name__} ({object.__repr__(self._qt)})"


def _shell(cls: ClassWrapper, base: type) -> type:
    """A PySide6 class whose overridden virtual methods call those of a class written in Python, as PythonQt's shells do."""

    def forwarded(name: str) -> Callable:
        def called(qt: Any, *arguments: Any) -> Any:
            return guarded(getattr(wrap(qt), name))(*arguments)

        return called

    names = [name for name, item in vars(cls).items() if isinstance(item, types.FunctionType) and members.method(base, name)]
    return type(base)(cls.__name__, (base,), {name: forwarded(name) for name in names} | {"_wrapperClass": cls})


def _living(wrapper: InstanceWrapper, name: str) -> Any:
    qt = wrapper._qt
    if isinstance(qt, shiboken6.Object) and not shiboken6.isValid(qt):
        raise ValueError(f"Trying to use '{name}' of a destroyed {type(wrapper).__name__} object")
    return qt


def _read(wrapper: InstanceWrapper, qt: Any, name: str) -> Any:
    name = members.spelled(type(qt), name)
    _refuseNewer(type(qt), name)
    if isinstance(qt, QtCore.QObject) and members.isProperty(qt, name):
        return wrap(members.readProperty(qt, name))
    if members.isSignal(qt, name):
        return signals.SignalFunction(qt, name, guarded, wrap)
    if isinstance(qt, QtCore.QObject) and (function := onWrappers.get(f"QObject.{name}")) is not None:
        return functools.partial(function, qt)
    if (function := members.method(type(qt), name)) is not None:
        return SlotFunction(f"{type(wrapper).__name__}.{name}", function, qt)
    if (member := enumMember(type(qt), name)) is not None:
        return member
    if isinstance(qt, QtCore.QObject):
        if name in members.dynamicProperties(qt):
            return wrap(qt.property(name))
        for child in qt.children():
            if child.objectName() == name:
                return wrap(child)
    raise AttributeError(f"{type(wrapper).__name__} has no attribute named '{name}'")


def _refuseNewer(pySideClass: type, name: str) -> None:
    if isNewer(pySideClass, name):
        raise AttributeError(f"{pySideClass.__name__}.{name} came with Qt 6, or was something else in Qt 5.15: Slicer has both")


def _write(wrapper: InstanceWrapper, qt: Any, name: str, value: Any) -> None:
    name = members.spelled(type(qt), name)
    owner = type(wrapper).__name__
    _refuseNewer(type(qt), name)
    if isinstance(qt, QtCore.QObject) and members.isProperty(qt, name):
        members.writeProperty(qt, name, unwrap(value), owner)
    elif members.isSignal(qt, name):
        raise AttributeError(f"Signal '{name}' can not be overwritten on {owner} object")
    elif members.method(type(qt), name) is not None:
        raise AttributeError(f"Slot '{name}' can not be overwritten on {owner} object")
    elif enumMember(type(qt), name) is not None:
        raise AttributeError(f"Enum '{name}' can not be overwritten on {owner} object")
    elif isinstance(qt, QtCore.QObject) and name in members.dynamicProperties(qt):
        qt.setProperty(name, unwrap(value))
    elif type(wrapper).__dictoffset__:  # a class written in Python
        object.__setattr__(wrapper, name, value)
    else:
        raise AttributeError(f"'{name}' does not exist on {owner} and creating new attributes on C++ objects is not allowed")


class SlotFunction:
    """A method of a wrapped object, or an unbound or static one of its class."""

    def __init__(self, name: str, function: Callable, owner: Any = None) -> None:
        self._name, self._function, self._owner = name, function, owner

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if keywords:
            raise ValueError(f"Called {self._name} with keyword arguments, but called slot does not support kwargs.")
        return wrap(_call(self._name, self._bound(), arguments))

    def _bound(self) -> Callable:
        if self._owner is None:
            return self._function
        if isinstance(self._function, types.BuiltinFunctionType):  # static, or static and not, as QFile.exists is
            return getattr(self._owner, self._function.__name__)
        return self._function.__get__(self._owner)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SlotFunction) and (self._name, self._owner) == (other._name, other._owner)

    def __hash__(self) -> int:
        return hash((self._name, id(self._owner)))

    def __repr__(self) -> str:
        return f"<qt slot {self._name}>"


def _call(name: str, function: Callable, arguments: tuple) -> Any:
    try:
        return function(*[unwrap(argument) for argument in arguments])
    except (TypeError, NotImplementedError) as error:
        raise ValueError(f"Called {name} with wrong arguments: {arguments} ({error})") from error


def guarded(function: Callable, limited: bool = True) -> Callable:
    """`function` for Qt to call: arguments wrapped, as many as it takes, and an exception kept as the test's failure."""
    count = members.argumentCount(function) if limited else None

    @functools.wraps(function, updated=())
    def called(*arguments: Any) -> Any:
        try:
            return unwrap(function(*[wrap(argument) for argument in arguments[:count]]))
        except Exception:
            failures.keep_exception(f"the slot {getattr(function, '__qualname__', function)}")

    return called


def wrap(value: Any) -> Any:
    """What Python code in Slicer would see of a PySide6 value."""
    if isinstance(value, enum.Enum):
        return wrapEnum(value)
    if isinstance(value, shiboken6.Object):
        return _wrapObject(value)
    if isinstance(value, (list, tuple)):
        return tuple(wrap(item) for item in value)
    if isinstance(value, dict):
        return {key: wrap(item) for key, item in value.items()}
    return value


def unwrap(value: Any) -> Any:
    """What PySide6 takes for a value of Python code in Slicer."""
    if isinstance(value, InstanceWrapper):
        return _living(value, "self")
    if isinstance(value, EnumValue):
        return value.toPySide()
    if isinstance(value, ClassWrapper):
        return value.pySideClass
    if isinstance(value, (list, tuple)):
        return [unwrap(item) for item in value]
    if isinstance(value, dict):
        return {key: unwrap(item) for key, item in value.items()}
    if isinstance(value, (types.FunctionType, types.MethodType, SlotFunction, functools.partial)):
        return guarded(value)
    return value


def _wrapObject(value: Any) -> InstanceWrapper:
    known = getattr(value, "_wrapper", None)
    wrapper = known() if known is not None else None
    if wrapper is None:
        wrapperClass = getattr(type(value), "_wrapperClass", None) or wrapperFor(type(value))
        wrapper = wrapperClass.__new__(wrapperClass)
        object.__setattr__(wrapper, "_qt", value)
        _remember(value, wrapper)
    return wrapper


def _remember(value: Any, wrapper: InstanceWrapper) -> None:
    written = hasattr(type(value), "_wrapperClass")  # in Python: its attributes must last as long as the object
    value._wrapper = (lambda: wrapper) if written else weakref.ref(wrapper)


@functools.cache
def wrapperFor(pySideClass: type) -> ClassWrapper:
    """The wrapper class of a PySide6 class; as in PythonQt its only parent is InstanceWrapper."""
    return ClassWrapper(pySideClass.__name__, (InstanceWrapper,), {"pySideClass": pySideClass, "__slots__": ()})
