"""What label values mean: names, colours and terminology codes, kept in files that Slicer reads as colour tables."""

from __future__ import annotations

import csv
import difflib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.errors import InputError, ModelError, OutputError

LARGEST_VALUE = 65535  # label maps hold 16 bits a voxel

# The vocabularies that Slicer's serialised terminology names; all our codes are in these lists that come with Slicer.
_TYPE_CONTEXT = "Segmentation category and type - DICOM master list"
_REGION_CONTEXT = "Anatomic codes - DICOM master list"

# Columns of Slicer's colour table (vtkMRMLColorTableStorageNode), in its order.
_BASIC_COLUMNS = ("LabelValue", "Name", "Color_R", "Color_G", "Color_B", "Color_A")
_CODE_NAMES = ("Category", "Type", "TypeModifier", "Region", "RegionModifier")
_CODE_PARTS = ("CodingScheme", "CodeValue", "CodeMeaning")
_COLUMNS = _BASIC_COLUMNS + tuple(f"{name}_{part}" for name in _CODE_NAMES for part in _CODE_PARTS)
_REQUIRED_COLUMNS = _BASIC_COLUMNS[:5]


@dataclass(frozen=True)
class Code:
    """A coded concept as DICOM has it, for example Code("SCT", "80891009", "Heart")."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Terminology:
    """What a segment is, in Slicer's five parts; modifiers and region are None where there is nothing to say."""

    category: Code
    type: Code
    type_modifier: Code | None = None
    region: Code | None = None
    region_modifier: Code | None = None


@dataclass(frozen=True)
class Label:
    """One row of a label table: `colour` is red, green, blue in 0…255."""

    value: int
    name: str
    colour: tuple[int, int, int]
    terminology: Terminology | None = None


@dataclass(frozen=True)
class LabelTable:
    """The labels of a model or file in order of their values, background (0) left out.

    Raises ModelError if a value or a name occurs twice, or a value is outside of 1…65535.
    """

    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        values, names = [label.value for label in self.labels], [label.name for label in self.labels]
        for what, items in (("value", values), ("name", names)):
            if repeated := _repeated(items):
                raise ModelError(f"A label table needs different {what}s, but this one has {repeated[0]!r} twice.")
        if wrong := [value for value in values if not 1 <= value <= LARGEST_VALUE]:
            raise ModelError(f"Label values are 1…{LARGEST_VALUE} (0 is background), but one is {wrong[0]}.")
        object.__setattr__(self, "labels", tuple(sorted(self.labels, key=lambda label: label.value)))

    def named(self, names: Sequence[str]) -> LabelTable:
        """Only the labels called `names`; raises InputError for a name that is not in the table."""
        known = [label.name for label in self.labels]
        for name in names:
            if name not in known:
                likely = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known
                raise InputError(f"There is no label '{name}'; did you mean {' or '.join(map(repr, likely))}?")
        return LabelTable(tuple(label for label in self.labels if label.name in names))


def read_label_table(path: Path) -> LabelTable:
    """The labels of a colour table in Slicer's CSV form; a row for the background (0) is skipped.

    Colours are 0…255, terminology columns may be absent. Raises ModelError with a sentence that names file and line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            _check_columns(rows.fieldnames or (), path)
            labels = [_label(row, f"{path}, line {rows.line_num}") for row in rows]
    except OSError as reason:
        raise ModelError(f"The label table {path} cannot be read: {reason.strerror}.") from reason
    except (csv.Error, UnicodeDecodeError) as reason:
        raise ModelError(f"The label table {path} is not a CSV file in UTF-8: {reason}.") from reason
    return LabelTable(tuple(label for label in labels if label.value != 0))


def write_label_table(table: LabelTable, path: Path) -> None:
    """Write `table` as a colour table that Slicer loads with names, colours and terminology.

    Raises OutputError if the file cannot be written or a text has a quotation mark or line break, which Slicer cannot read.
    """
    rows = [_row(label) for label in table.labels]
    for text in (cell for row in rows for cell in row if isinstance(cell, str)):
        if '"' in text or has_control_characters(text):
            raise OutputError(f"{text!r} cannot be written into a label table: take out quotation marks and line breaks.")
    with written_beside(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerows([_COLUMNS, *rows])


def terminology_to_text(terminology: Terminology) -> str:
    """`terminology` as Slicer serialises it in a segment's tag: parts between ~, scheme, value and meaning between ^."""
    parts = [_code_to_text(code) for code in _codes(terminology)]
    return "~".join([_TYPE_CONTEXT, *parts[:3], _REGION_CONTEXT, *parts[3:]])


def terminology_from_text(text: str) -> Terminology | None:
    """What `terminology_to_text` wrote, or Slicer; None for a text that does not name a category and a type."""
    parts = text.split("~")
    if len(parts) not in (7, 8):  # vtkMRMLColorNode ends its texts with one ~ too many
        return None
    category, kind, *further = [_code_from_text(parts[n]) for n in (1, 2, 3, 5, 6)]
    return Terminology(category, kind, *further) if category and kind else None


def has_control_characters(text: str) -> bool:
    """Whether `text` has line breaks, control or direction characters, with which a name could pretend to be another."""
    return any(unicodedata.category(character).startswith("C") for character in text)


def _codes(terminology: Terminology) -> tuple[Code | None, ...]:
    """The five codes in Slicer's order, that of `_CODE_NAMES`."""
    kind = (terminology.category, terminology.type, terminology.type_modifier)
    return (*kind, terminology.region, terminology.region_modifier)


def _code_to_text(code: Code | None) -> str:
    return "^".join((code.scheme, code.value, code.meaning)) if code else "^^"


def _code_from_text(text: str) -> Code | None:
    parts = text.split("^")
    return Code(*parts) if len(parts) == 3 and all(parts) else None


def _row(label: Label) -> list[int | str]:
    codes = _codes(label.terminology) if label.terminology else (None,) * len(_CODE_NAMES)
    cells = [cell for code in codes for cell in ((code.scheme, code.value, code.meaning) if code else ("", "", ""))]
    return [label.value, label.name, *label.colour, 255, *cells]


def _repeated(items: Sequence) -> list:
    return [item for item, times in Counter(items).items() if times > 1]


def _check_columns(columns: Sequence[str], path: Path) -> None:
    if missing := [column for column in _REQUIRED_COLUMNS if column not in columns]:
        raise ModelError(f"The label table {path} lacks the columns {', '.join(missing)}: separate columns with commas.")
    if wrong := sorted({column for column in columns if column not in _COLUMNS}.union(_repeated(columns))):
        raise ModelError(
            f"The label table {path} has unknown or repeated columns: {', '.join(wrong)}. Known are {', '.join(_COLUMNS)}."
        )


def _label(row: dict[str, str], where: str) -> Label:
    if None in row or None in row.values():
        raise ModelError(f"{where}: the line has more or fewer cells than the header.")
    if any(map(has_control_characters, row.values())):
        raise ModelError(f"{where}: a cell has line breaks or control characters.")
    if not row["Name"].strip():
        raise ModelError(f"{where}: the label has no name.")
    value = _whole_number(row["LabelValue"], LARGEST_VALUE, f"{where}: LabelValue")
    colour = tuple(_whole_number(row[f"Color_{part}"], 255, f"{where}: Color_{part}") for part in "RGB")
    return Label(value, row["Name"], colour, _terminology(row, where))


def _whole_number(text: str, largest: int, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= largest):
        raise ModelError(f"{where} must be a whole number from 0 to {largest}, but is '{text}'.")
    return int(text)


def _terminology(row: dict[str, str], where: str) -> Terminology | None:
    category, kind, *further = [_code(row, name, where) for name in _CODE_NAMES]
    if bool(category) != bool(kind) or (any(further) and not kind):
        raise ModelError(f"{where}: a terminology needs both a category and a type.")
    return Terminology(category, kind, *further) if category and kind else None


def _code(row: dict[str, str], name: str, where: str) -> Code | None:
    parts = [row.get(f"{name}_{part}", "") for part in _CODE_PARTS]
    if (any(parts) and not all(parts)) or any(mark in part for part in parts for mark in "~^"):
        raise ModelError(f"{where}: {name} needs coding scheme, code value and code meaning, none of them with ~ or ^.")
    return Code(*parts) if all(parts) else None
