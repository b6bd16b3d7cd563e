"""Dataclasses from and to JSON: what fits, and where and how the rest is refused."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import jsonschema
import pytest

from MedSegDLLib.errors import InputError, ModelError
from MedSegDLLib.strict_json import from_json, read_json, schema_of, to_json, write_json


@dataclass(frozen=True)
class Part:
    name: str
    weight: float = 1.0


@dataclass(frozen=True)
class Document:
    count: int
    on: bool
    parts: tuple[Part, ...] = ()
    size: tuple[int, int, float] = (1, 2, 0.5)
    numbers: dict[str, int | float | str | tuple[str, ...]] = field(default_factory=dict)
    limit: float | None = None
    colour: str = field(default="red", metadata={"help": "One of two.", "choices": ("red", "blue")})


FULL = {
    "count": 3,
    "on": True,
    "parts": [{"name": "a", "weight": 2}, {"name": "b"}],
    "size": [4, 5, 6.5],
    "numbers": {"a": 1, "b": 1.5, "c": "x"},
    "limit": 0.25,
    "colour": "blue",
}


def test_a_full_document():
    document = from_json(Document, FULL, "here", InputError)
    numbers = {"a": 1, "b": 1.5, "c": "x"}
    assert document == Document(3, True, (Part("a", 2.0), Part("b")), (4, 5, 6.5), numbers, 0.25, "blue")


def test_a_whole_number_becomes_a_float_where_one_is_declared_and_stays_one_in_a_union():
    document = from_json(Document, FULL, "here", InputError)
    assert type(document.parts[0].weight) is float
    assert [type(value) for value in document.numbers.values()] == [int, float, str]


def test_what_is_absent_takes_its_default():
    assert from_json(Document, {"count": 3, "on": False}, "here", InputError) == Document(3, False)


def test_a_single_value_of_any_kind_is_read_too():
    assert from_json(Sequence[int], [4, 8], "stages", InputError) == (4, 8)
    for value, sentence in (
        ("a", "stages must be a list, but is 'a'."),
        ([4, "b"], "stages[1] must be a whole number, but is"),
    ):
        with pytest.raises(InputError) as caught:
            from_json(Sequence[int], value, "stages", InputError)
        assert sentence in str(caught.value)


def test_to_json_and_back():
    document = from_json(Document, FULL, "here", InputError)
    assert from_json(Document, json.loads(json.dumps(to_json(document))), "here", InputError) == document


WRONG = [
    ({"size": [4, 5]}, "here: size must be a list of 3, but is [4, 5]"),
    ({"size": [4, 5.5, 6]}, "here: size[1] must be a whole number, but is 5.5"),
    ({"size": "456"}, "here: size must be a list, but is '456'"),
    ({"count": True}, "here: count must be a whole number, but is True"),
    ({"count": 3.0}, "here: count must be a whole number, but is 3.0"),
    ({"count": None}, "here: count must be a whole number, but is None"),
    ({"on": 1}, "here: on must be true or false, but is 1"),
    ({"parts": [{"name": 5}]}, "here: parts[0]: name must be a text, but is 5"),
    ({"parts": [{"name": "a", "wieght": 5}]}, "here: parts[0] has unknown keys: wieght. Known are name, weight."),
    ({"parts": [{}]}, "here: parts[0] lacks the keys name: add them."),
    ({"parts": [[]]}, "here: parts[0] must be an object, but is []"),
    (
        {"numbers": {"a": None}},
        "here: numbers: a must be a whole number, a finite number, a text or a list of texts, but is None.",
    ),
    ({"numbers": []}, "here: numbers must be an object"),
    ({"limit": "5"}, "here: limit must be a finite number, but is '5'"),
    ({"colour": "green"}, "here: colour is 'green', but must be one of 'red', 'blue'."),
    ({"extra": 1}, "here has unknown keys: extra."),
]


@pytest.mark.parametrize(("changed", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_what_does_not_fit_is_refused_and_named(changed, sentence):
    with pytest.raises(InputError) as caught:
        from_json(Document, FULL | changed, "here", InputError)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "1" + 400 * "0"])
def test_numbers_that_no_float_holds_are_refused(text):
    with pytest.raises(InputError, match="limit must be a finite number"):
        from_json(Document, FULL | {"limit": json.loads(text)}, "here", InputError)


def test_the_schema_agrees_with_the_reader():
    validator = jsonschema.Draft202012Validator(schema_of(Document, "A document"))
    validator.check_schema(validator.schema)
    assert validator.is_valid(FULL)
    disagreeing = [changed for changed, _ in WRONG if validator.is_valid(FULL | changed)]
    assert disagreeing == [{"count": 3.0}]  # a JSON schema's integer may be written as 3.0


def test_the_schema_carries_help_and_choices():
    assert schema_of(Document, "A document")["properties"]["colour"] == {
        "type": "string",
        "description": "One of two.",
        "enum": ["red", "blue"],
    }


def test_reading_a_file(tmp_path):
    path = tmp_path / "document.json"
    path.write_text(json.dumps(FULL), encoding="utf-8")
    assert read_json(Document, path, ModelError) == from_json(Document, FULL, "here", ModelError)


def test_writing_a_file_that_a_person_can_read(tmp_path):
    path = tmp_path / "part.json"
    write_json(Part("größer", 2.0), path)
    assert path.read_bytes() == '{\n  "name": "größer",\n  "weight": 2.0\n}\n'.encode()
    assert read_json(Part, path, InputError) == Part("größer", 2.0)
    write_json([1], path)
    assert path.read_bytes() == b"[\n  1\n]\n"
    with pytest.raises(TypeError):
        write_json({"not JSON": {1, 2}}, path)
    assert path.read_bytes() == b"[\n  1\n]\n" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{", 5000 * b"["], ids=["empty", "cut", "not UTF-8", "too deep"])
def test_what_is_no_json_file_is_refused(tmp_path, content):
    path = tmp_path / "document.json"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"document\.json is not a JSON file"):
        read_json(Document, path, ModelError)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"missing\.json cannot be read"):
        read_json(Document, tmp_path / "missing.json", ModelError)
