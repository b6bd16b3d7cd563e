"""Which slices of a segmentation somebody looked at; what lies in the others is unknown, not background (no slicer)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import permutations

import numpy as np

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.views import view_of
from MedSegDLScene.steps import slabs
from MedSegDLTrainLib.cases import IGNORE
from MedSegDLTrainLib.slice_numbers import numbers_of

_NORMALS = ("sagittal", "coronal", "axial")  # slices across left-right, front-back, head-feet


class Which(Enum):
    """How the annotated slices are told."""

    ALL = "all"
    WITH_SEGMENTS = "with segments"
    LISTED = "listed"


@dataclass(frozen=True)
class AnnotatedSlices:
    """`axis`: axial, coronal or sagittal, "" for the image's own slices; `numbers` like "3-7, 12", from 0, if LISTED."""

    which: Which = Which.ALL
    axis: str = ""
    numbers: str = ""


def slice_axes(geometry: Geometry) -> tuple[str, ...]:
    """What slices across each of the grid's axes are called (by what is nearest), the image's own slices first."""
    names = _names(geometry)
    own = view_of(geometry).across
    return (names[own], *(names[axis] for axis in range(3) if axis != own))


def with_ignored(labelmap: LabelMap, annotated: AnnotatedSlices) -> LabelMap:
    """The label map with IGNORE in all slices that nobody annotated.

    Raises InputError for slices that there are not, a list that cannot be read, and where no slice is left.
    """
    if annotated.which is Which.ALL:
        return labelmap
    axis, numbers = _chosen(labelmap, annotated)
    ignored = np.ones(labelmap.array.shape[axis], bool)
    ignored[numbers] = False
    array = labelmap.array.astype(np.uint8 if labelmap.array.max() <= IGNORE else labelmap.array.dtype)
    np.moveaxis(array, axis, 0)[ignored] = IGNORE
    return LabelMap(array, labelmap.geometry, labelmap.name)


def sentence_of(labelmap: LabelMap | None, annotated: AnnotatedSlices) -> str:
    """Which slices will count as annotated, for a person; nobody looks at the labels for ALL.

    Raises InputError as `with_ignored`.
    """
    if annotated.which is Which.ALL:
        return "All slices count as annotated: where there is no segment, there is background."
    axis, numbers = _chosen(labelmap, annotated)
    name = annotated.axis or slice_axes(labelmap.geometry)[0]
    plural = "s" if len(numbers) > 1 else ""
    verb = "count" if len(numbers) > 1 else "counts"
    return (
        f"Slice{plural} {ranges_of(numbers)} of 0–{labelmap.array.shape[axis] - 1} ({name}) {verb} as annotated; "
        "the others take no part."
    )


def ranges_of(numbers: Sequence[int]) -> str:
    """(3, 4, 5, 12) as "3–5, 12"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def _chosen(labelmap: LabelMap, annotated: AnnotatedSlices) -> tuple[int, list[int]]:
    """The array's axis across the slices, and which of them are annotated."""
    axis = 2 - _grid_axis(labelmap.geometry, annotated.axis)
    if annotated.which is Which.LISTED:
        return axis, _listed(annotated.numbers, labelmap.array.shape[axis])
    numbers = np.flatnonzero(_marked(labelmap.array, axis)).tolist()
    if not numbers:
        raise InputError("No slice has a segment: draw something, or say which slices you have looked at.")
    return axis, numbers


def _marked(array: np.ndarray, axis: int) -> np.ndarray:
    """Which slices across the array's `axis` have a label; a part at a time, which is several times as fast."""
    others, marked = tuple({0, 1, 2} - {axis}), np.zeros(array.shape[axis], bool)
    for part in slabs(array.shape):
        here = ((array[part] > 0) & (array[part] != IGNORE)).any(axis=others)
        marked[part if axis == 0 else slice(None)] |= here
    return marked


def _listed(text: str, count: int) -> list[int]:
    if not text.strip():
        raise InputError("No slices are listed: write them like 3-7, 12.")
    numbers = list(numbers_of(text.replace("–", "-")))
    if wrong := [number for number in numbers if number >= count]:
        raise InputError(f"There is no slice {wrong[0]}: the image has slices 0–{count - 1}.")
    return numbers


def _grid_axis(geometry: Geometry, name: str) -> int:
    """Which of i, j, k (0, 1, 2) goes across the slices of that name."""
    if not name:
        return view_of(geometry).across
    names = _names(geometry)
    if name not in names:
        raise InputError(f"Slices are axial, coronal or sagittal, not '{name}'.")
    return names.index(name)


def _names(geometry: Geometry) -> list[str]:
    """For each axis of the grid the name of the slices across it, each name once."""
    along = np.abs(geometry.axes)  # rows: left-right, front-back, head-feet; columns: i, j, k
    best = max(permutations(range(3)), key=lambda normals: sum(along[normals[axis], axis] for axis in range(3)))
    return [_NORMALS[normal] for normal in best]
