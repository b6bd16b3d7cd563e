"""Enums as PythonQt has them: whole numbers, found at class scope (`qt.Qt.AlignRight`, `qt.QMessageBox.Yes`)."""

from __future__ import annotations

import enum
import functools


class EnumValue(int):
    """A value of one of Qt's enums; each enum has a subclass of its own, as in PythonQt.

    `|` and `&` keep the enum (in PythonQt the result is a plain int), so that PySide6 takes the result again.
    """

    pySideEnum: type[enum.Enum]

    def __or__(self, other: int) -> int:
        return _combined(self, other, int(self) | int(other))

    def __and__(self, other: int) -> int:
        return _combined(self, other, int(self) & int(other))

    __ror__, __rand__ = __or__, __and__

    def toPySide(self) -> enum.Enum:
        return self.pySideEnum(int(self))


def _combined(value: EnumValue, other: int, number: int) -> int:
    return type(value)(number) if type(other) in (type(value), int) else number


@functools.cache
def enumWrapper(pySideEnum: type[enum.Enum]) -> type[EnumValue]:
    """The class of an enum's values, which has them as attributes too."""
    wrapper = type(pySideEnum.__name__, (EnumValue,), {"pySideEnum": pySideEnum})
    for name, member in pySideEnum.__members__.items():
        setattr(wrapper, name, wrapper(member.value))
    return wrapper


def wrapEnum(value: enum.Enum) -> EnumValue:
    return enumWrapper(type(value))(value.value)


@functools.cache
def enumsOf(pySideClass: type) -> tuple[type[enum.Enum], ...]:
    """The enums that a class and its parents define."""
    found = (item for parent in pySideClass.__mro__ for item in vars(parent).values())
    return tuple(item for item in found if isinstance(item, enum.EnumMeta))


def enumMember(pySideClass: type, name: str) -> EnumValue | type[EnumValue] | None:
    """What `name` means among the class's enums: a value, an enum, or nothing."""
    for pySideEnum in enumsOf(pySideClass):
        if name in pySideEnum.__members__:
            return wrapEnum(pySideEnum[name])
        if name == pySideEnum.__name__:
            return enumWrapper(pySideEnum)
    return None
