"""DICOM slices put in order: onto one regular grid, or an error that names the slices that do not fit.

Nothing is resampled here, and no gap, tilt or second orientation is passed over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry

# Decimal strings round positions: what is closer than this, in mm, lies in one plane.
_SAME_PLANE_MM = 0.02
_GAP_TOLERANCE = 0.02
_SIDEWAYS_TOLERANCE = 0.25
_SAME_DIRECTION = 1e-3


@dataclass(frozen=True)
class Slice:
    """One plane of pixels: frame `index` of a DICOM file, and where and when it was taken.

    `position` LPS mm of the first pixel; `orientation` the directions of rows and columns (six cosines); `spacing`
    (x, y) mm; `size` (columns, rows); `thickness` mm or None; `order` numbers that tell frames of one place apart, the
    most trustworthy first, NaN where unknown; `time_ms` NaN where unknown.
    """

    file: Path
    index: int
    position: tuple[float, float, float]
    orientation: tuple[float, ...]
    spacing: tuple[float, float]
    size: tuple[int, int]
    thickness: float | None = None
    order: tuple[float, ...] = ()
    time_ms: float = math.nan

    @property
    def label(self) -> str:
        return f"{self.file.name}, frame {self.index + 1}" if self.index else self.file.name


def arranged(slices: list[Slice]) -> tuple[list[list[Slice]], Geometry, tuple[float, ...]]:
    """Slices as [frame][place], places along the normal; the grid of a frame; the frames' times in ms, if known.

    Raises InputError for several orientations or pixel grids, a tilted gantry, slices shifted sideways, uneven spacing,
    missing slices, and frames missing at some places.
    """
    _check_alike(slices)
    normal = _normal(slices[0])
    places = _places(slices, normal)
    _check_equal_counts(places, normal)
    places = [_in_order(place, places) for place in places]
    geometry = _geometry([place[0] for place in places], normal)
    frames = [list(frame) for frame in zip(*places, strict=True)]
    return frames, geometry, _times(frames)


def place_count(slices: list[Slice]) -> int:
    """At how many different places along their normal the slices lie."""
    return len(_places(slices, _normal(slices[0])))


def _normal(one: Slice) -> np.ndarray:
    normal = np.cross(one.orientation[:3], one.orientation[3:])
    return normal / (np.linalg.norm(normal) or 1.0)


def _check_alike(slices: list[Slice]) -> None:
    directions: list[tuple[float, ...]] = []
    counts: list[int] = []
    for one in slices:
        match = (n for n, known in enumerate(directions) if np.allclose(known, one.orientation, atol=_SAME_DIRECTION))
        if (n := next(match, None)) is None:
            directions.append(one.orientation)
            counts.append(1)
        else:
            counts[n] += 1
    if len(directions) > 1:
        raise InputError(
            f"The series mixes {len(directions)} slice orientations ({' + '.join(map(str, counts))} images, a scout "
            "among them perhaps): put those that belong together into a folder of their own."
        )
    spacings = {tuple(round(edge, 3) for edge in one.spacing) for one in slices}
    for name, values in (("pixel sizes", spacings), ("image sizes", {one.size for one in slices})):
        if len(values) > 1:
            raise InputError(f"The series mixes {name} ({_pairs(values)}): put those that belong together into a folder.")


def _places(slices: list[Slice], normal: np.ndarray) -> list[list[Slice]]:
    places: list[list[Slice]] = []
    reached = -math.inf
    for one in sorted(slices, key=lambda one: float(normal @ one.position)):
        depth = float(normal @ one.position)
        if depth - reached > _SAME_PLANE_MM:
            places.append([])
            reached = depth
        places[-1].append(one)
    return places


def _check_equal_counts(places: list[list[Slice]], normal: np.ndarray) -> None:
    counts = [len(place) for place in places]
    usual = max(set(counts), key=counts.count)
    if odd := [place for place in places if len(place) != usual]:
        listed = ", ".join(f"{len(place)} at {normal @ place[0].position:.1f} mm ({place[0].label})" for place in odd[:5])
        raise InputError(
            f"Most slice positions of the series have {usual} images, but some have another number: {listed}"
            f"{' and more' if len(odd) > 5 else ''}. Give a complete series without repeated images."
        )


def _in_order(place: list[Slice], places: list[list[Slice]]) -> list[Slice]:
    """Frames of one place, by the first number that tells them apart at every place."""
    for key in range(len(place[0].order)):
        if all(_distinct([one.order[key] for one in other]) for other in places):
            return sorted(place, key=lambda one: one.order[key])
    raise InputError(
        f"The series has {len(place)} images at one position ({', '.join(one.label for one in place[:3])}…) and nothing "
        "tells their order: give one image for each position."
    )


def _distinct(values: list[float]) -> bool:
    return not any(map(math.isnan, values)) and len(set(values)) == len(values)


def _geometry(stack: list[Slice], normal: np.ndarray) -> Geometry:
    first, positions = stack[0], np.array([one.position for one in stack])
    depths = positions @ normal
    _check_sideways(stack, positions - positions[0] - np.outer(depths - depths[0], normal), depths - depths[0])
    _check_gaps(stack, depths)
    spacing_z = (depths[-1] - depths[0]) / (len(stack) - 1) if len(stack) > 1 else first.thickness or 1.0
    axes = np.column_stack([first.orientation[:3], first.orientation[3:], normal])
    return Geometry(
        (*first.size, len(stack)), (*first.spacing, float(spacing_z)), first.position, tuple(map(float, axes.ravel()))
    )


def _check_sideways(stack: list[Slice], sideways: np.ndarray, depths: np.ndarray) -> None:
    """`sideways` (n, 3) mm: how far each slice lies beside the line along the normal through the first one."""
    tolerance = _SIDEWAYS_TOLERANCE * min(stack[0].spacing)
    offset = np.linalg.norm(sideways, axis=1)
    if offset.max() <= tolerance:
        return
    slope = depths @ sideways / (depths @ depths)
    if np.linalg.norm(sideways - np.outer(depths, slope), axis=1).max() <= tolerance:
        angle = math.degrees(math.atan(np.linalg.norm(slope)))
        raise InputError(
            f"The gantry was tilted: each slice lies beside the one before, by {angle:.1f}° over all. "
            "Correct the tilt first (dcm2niix, or Slicer's DICOM module with 'apply regularization')."
        )
    worst = int(offset.argmax())
    raise InputError(
        f"The slices do not lie straight above each other: {stack[worst].label} is {offset[worst]:.1f} mm beside the first "
        f"one, {stack[0].label}. Give slices of one stack."
    )


def _check_gaps(stack: list[Slice], depths: np.ndarray) -> None:
    gaps = np.diff(depths)
    if len(gaps) < 2:
        return
    usual = float(np.median(gaps))
    odd = np.flatnonzero(np.abs(gaps - usual) > max(_GAP_TOLERANCE * usual, _SAME_PLANE_MM))
    if not len(odd):
        return
    missing = np.round(gaps[odd] / usual) - 1
    whole = (missing >= 1) & (np.abs(gaps[odd] / usual - 1 - missing) <= 2 * _GAP_TOLERANCE)
    count = int(missing.sum())
    lacking = "One slice is missing" if count == 1 else f"{count} slices are missing"
    what = lacking if whole.all() else "The slices are not evenly spaced"
    listed = ", ".join(f"{gaps[n]:.2f} mm between {stack[n].label} and {stack[n + 1].label}" for n in odd[:5])
    raise InputError(
        f"{what}: most are {usual:.2f} mm apart, but {listed}{' and more' if len(odd) > 5 else ''}. "
        "Give the complete series, or resample it onto an even grid first."
    )


def _times(frames: list[list[Slice]]) -> tuple[float, ...]:
    times = [float(np.median([one.time_ms for one in frame])) for frame in frames]
    known = len(frames) > 1 and all(before < after for before, after in pairwise(times))
    return tuple(round(time, 3) for time in times) if known else ()


def _pairs(values: set) -> str:
    return ", ".join(sorted(" × ".join(f"{value:g}" for value in pair) for pair in values))
