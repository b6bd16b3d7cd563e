"""How values stand in a parameter node: as upstream's serializers write them, so that scenes survive saving and loading."""

from __future__ import annotations

import enum
import pathlib
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import slicer

_PATHS = (pathlib.Path, pathlib.PurePath, pathlib.PosixPath, pathlib.PurePosixPath)


class Default:
    """Annotation: the value of a parameter that nobody has set."""

    def __init__(self, value: Any = None) -> None:
        self.value = value


@dataclass
class WithinRange:
    """Annotation: both ends belong to it."""

    minimum: float
    maximum: float

    def validate(self, value: float) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


@dataclass
class Minimum:
    """Annotation: the smallest value."""

    minimum: float

    def validate(self, value: float) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be greater than {self.minimum}, is {value}")


@dataclass
class Maximum:
    """Annotation: the largest value."""

    maximum: float

    def validate(self, value: float) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must be less than {self.maximum}, is {value}")


@dataclass
class Decimals:
    """Annotation: digits behind the point, in a widget."""

    value: int


@dataclass
class SingleStep:
    """Annotation: a widget's step."""

    value: float


def splitAnnotations(datatype: Any) -> tuple[Any, tuple]:
    """The type itself, and what Annotated[…] adds to it."""
    if get_origin(datatype) is Annotated:
        kind, *annotations = get_args(datatype)
        return kind, tuple(annotations)
    return datatype, ()


def firstOf(annotations: tuple, kind: type) -> Any:
    return next((annotation for annotation in annotations if isinstance(annotation, kind)), None)


class Parameter:
    """One parameter: its name, type, default and checks; reads and writes it in a node."""

    def __init__(self, name: str, datatype: Any, default: Default | None) -> None:
        self.name, self.datatype = name, datatype
        self.kind, annotations = splitAnnotations(datatype)
        if not _isSupported(self.kind):
            raise Exception(f"Unable to create serializer for type: {self.kind}")
        self._checks = [one for one in annotations if hasattr(one, "validate")]
        self.default = default or firstOf(annotations, Default) or Default(_defaultOf(self.kind))

    def isIn(self, node: slicer.vtkMRMLScriptedModuleNode) -> bool:
        return bool(node.HasParameter(self.name))

    def write(self, node: slicer.vtkMRMLScriptedModuleNode, value: Any) -> None:
        self._check(value)
        if self._isNode:
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
        elif isinstance(value, bool):
            node.SetParameter(self.name, "True" if value else "False")
        else:
            node.SetParameter(self.name, value.name if isinstance(value, enum.Enum) else str(value))

    def read(self, node: slicer.vtkMRMLScriptedModuleNode) -> Any:
        if not self.isIn(node):
            self.write(node, self.default.value)
        if self._isNode:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if self.kind is bool:
            return text == "True"
        if issubclass(self.kind, enum.Enum):
            return _enumNamed(self.kind, text)
        return self.kind(text)

    @property
    def _isNode(self) -> bool:
        return issubclass(self.kind, slicer.vtkMRMLNode)

    def _check(self, value: Any) -> None:
        if value is None and not (self._isNode or issubclass(self.kind, enum.Enum)):
            raise ValueError("Value must not be None")
        allowed = (int, float) if self.kind is float else self.kind
        if value is not None and not isinstance(value, allowed):
            raise TypeError(f"Value must be of type '{allowed}', is type '{type(value)}' value '{value}'")
        for check in self._checks:
            check.validate(value)


def _isSupported(kind: Any) -> bool:
    if not isinstance(kind, type):
        return False
    return kind in (bool, int, float, str, *_PATHS) or issubclass(kind, (enum.Enum, slicer.vtkMRMLNode))


def _defaultOf(kind: type) -> Any:
    if issubclass(kind, slicer.vtkMRMLNode):
        return None
    if issubclass(kind, enum.Enum):
        return next(iter(kind))
    return 0 if kind in (int, float) else kind()


def _enumNamed(kind: type[enum.Enum], name: str) -> enum.Enum:
    try:
        return kind[name]
    except KeyError as error:
        raise ValueError(f"Found {name!r} in parameter node but it is not a name in {kind!r}") from error
