"""What label values mean: names, colours and terminology codes."""

from __future__ import annotations

from dataclasses import dataclass

from MedSegDLLib.errors import ModelError


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

    Raises ModelError if a value or a name occurs twice, or a value is below 1.
    """

    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        values, names = [label.value for label in self.labels], [label.name for label in self.labels]
        if len(set(values)) < len(values) or len(set(names)) < len(names) or min(values, default=1) < 1:
            raise ModelError("A label table needs different names and different values from 1 up; this one repeats some.")
        object.__setattr__(self, "labels", tuple(sorted(self.labels, key=lambda label: label.value)))
