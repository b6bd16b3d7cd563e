"""Dataclasses from and to JSON, strictly: unknown keys, missing keys and wrong types are errors that say where.

One dataclass is the single definition of a document (a model card, a training job): its fields are the keys, its
annotations the value types, `metadata={"help": …, "choices": (…)}` the descriptions and the values allowed; the JSON
schema is made from it. Supported annotations: bool, int, float, str, tuple[X, ...], tuple[X, Y, Z], dict[str, X],
X | Y, X | None and other dataclasses; outside of dataclasses also Sequence[X], read as tuple[X, ...].
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.errors import MedSegDLError

_SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string"}
_EXPECTED = {bool: "true or false", int: "a whole number", float: "a finite number", str: "a text"}
_MANY = {bool: "true or false", int: "whole numbers", float: "finite numbers", str: "texts"}
_UNIONS = (types.UnionType, typing.Union)


def read_json(cls: type, path: Path, error: type[MedSegDLError]) -> Any:
    """The document of dataclass `cls` in the file `path`; anything wrong is raised as `error`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as reason:
        raise error(f"{path} cannot be read: {reason.strerror}.") from reason
    except ValueError as reason:
        raise error(f"{path} is not a JSON file: {reason}.") from reason
    return parse_json(cls, text, str(path), error)


def parse_json(cls: type, text: str, where: str, error: type[MedSegDLError]) -> Any:
    """The document of dataclass `cls` in a text; `where` names it in the sentences of `error`."""
    try:
        document = json.loads(text, object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as reason:
        raise error(f"{where} is not a JSON file: {reason}.") from reason
    return from_json(cls, document, where, error)


def from_json(cls: Any, document: Any, where: str, error: type[MedSegDLError]) -> Any:
    """An instance of dataclass `cls` from parsed JSON, or a value of another supported annotation.

    `where` names the document, or the value, in the sentences of `error`.
    """
    try:
        return _value(cls, document, where)
    except _Mismatch as reason:
        raise error(str(reason)) from None


def to_json(instance: Any) -> Any:
    """Parsed JSON of a dataclass instance: what `from_json` reads back."""
    return json.loads(json.dumps(dataclasses.asdict(instance)))


def write_json(document: Any, path: Path) -> None:
    """Write a dataclass instance, or parsed JSON, whole or not at all, as people read it; raises OutputError."""
    parsed = to_json(document) if dataclasses.is_dataclass(document) else document
    with written_beside(path) as beside:
        beside.write_text(json.dumps(parsed, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def schema_of(cls: type, title: str) -> dict:
    """The JSON schema (draft 2020-12) of dataclass `cls`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **_schema(cls)}


class _Mismatch(ValueError):
    pass


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"the key {key!r} stands there twice")
        document[key] = value
    return document


def _value(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _instance(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in _UNIONS:
        return _one_of(arguments, value, where)
    if origin is Sequence:
        return _tuple((*arguments, ...), value, where)
    if origin is tuple:
        return _tuple(arguments, value, where)
    if origin is dict:
        _expect(isinstance(value, dict), where, "an object", value)
        return {key: _value(arguments[1], item, f"{where}: {key}") for key, item in value.items()}
    return _scalar(kind, value, where)


def _instance(cls: type, value: Any, where: str) -> Any:
    _expect(isinstance(value, dict), where, "an object", value)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if unknown := sorted(set(value) - set(fields)):
        raise _Mismatch(f"{where} has unknown keys: {', '.join(unknown)}. Known are {', '.join(fields)}.")
    if missing := [name for name, field in fields.items() if _required(field) and name not in value]:
        raise _Mismatch(f"{where} lacks the keys {', '.join(missing)}: add them.")
    kinds = _kinds(cls)
    read = {name: _value(kinds[name], item, f"{where}: {name}") for name, item in value.items()}
    for name, item in read.items():
        choices = fields[name].metadata.get("choices")
        if choices and item not in choices:
            raise _Mismatch(f"{where}: {name} is {item!r}, but must be one of {', '.join(map(repr, choices))}.")
    return cls(**read)


@functools.cache
def _kinds(cls: type) -> dict[str, Any]:
    """The type of each field; names mean what they mean where `cls` stands, also after Slicer's Reload dropped that module."""
    return typing.get_type_hints(cls, cls.__init__.__globals__)


def _one_of(kinds: tuple, value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    kinds = tuple(kind for kind in kinds if kind is not type(None))
    for kind in kinds:
        try:
            return _value(kind, value, where)
        except _Mismatch:
            if len(kinds) == 1:
                raise
    *others, last = dict.fromkeys(_named(kind) for kind in kinds)
    expected = f"{', '.join(others)} or {last}" if others else last
    raise _Mismatch(f"{where} must be {expected}, but is {value!r}.")


def _named(kind: Any) -> str:
    """What a value of one of several kinds is, for a sentence."""
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is not tuple:
        return "an object"
    return f"a list of {_MANY[arguments[0]]}" if arguments[0] in _MANY else "a list"


def _tuple(kinds: tuple, value: Any, where: str) -> tuple:
    _expect(isinstance(value, list | tuple), where, "a list", value)
    if kinds[-1] is ...:
        kinds = kinds[:1] * len(value)
    _expect(len(value) == len(kinds), where, f"a list of {len(kinds)}", value)
    return tuple(_value(kind, item, f"{where}[{n}]") for n, (kind, item) in enumerate(zip(kinds, value, strict=True)))


def _scalar(kind: type, value: Any, where: str) -> Any:
    accepted = (int, float) if kind is float else kind
    fits = isinstance(value, accepted) and (kind is bool or not isinstance(value, bool))
    # NaN and infinity, which Python's json reads, and whole numbers beyond what a float holds fail the comparison.
    fits = fits and (kind is not float or abs(value) <= sys.float_info.max)
    _expect(fits, where, _EXPECTED[kind], value)
    return kind(value)


def _expect(fits: bool, where: str, expected: str, value: Any) -> None:
    if not fits:
        raise _Mismatch(f"{where} must be {expected}, but is {value!r}.")


def _required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _schema(kind: Any) -> dict:
    if dataclasses.is_dataclass(kind):
        return _object_schema(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in _UNIONS:
        return {"anyOf": [{"type": "null"} if item is type(None) else _schema(item) for item in arguments]}
    if origin is tuple and arguments[-1] is ...:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is tuple:
        items = [_schema(item) for item in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    return {"type": _SCALARS[kind]}


def _object_schema(cls: type) -> dict:
    kinds = _kinds(cls)
    properties = {}
    for field in dataclasses.fields(cls):
        properties[field.name] = _schema(kinds[field.name])
        if "help" in field.metadata:
            properties[field.name]["description"] = field.metadata["help"]
        if "choices" in field.metadata:
            properties[field.name]["enum"] = list(field.metadata["choices"])
    required = [field.name for field in dataclasses.fields(cls) if _required(field)]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
