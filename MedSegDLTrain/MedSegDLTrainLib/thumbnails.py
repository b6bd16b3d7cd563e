"""A small picture of each case: the middle slice of its labels with their edges (light: no torch, no matplotlib).

Kept in the case folder as an .npy file, named after size and time of the files that it was made of.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from MedSegDLLib.atomic import why, written_beside
from MedSegDLLib.errors import OutputError
from MedSegDLLib.files import read_image
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.views import view_of
from MedSegDLTrainLib.cases import IGNORE, Case, Dataset, case_labels, image_path, label_path, thumbnail_folder

SIDE = 96
"""Pixels of a thumbnail along both edges."""

_PERCENTILES = (1.0, 99.5)
_FINER = 3  # grey values are means of so many samples along each edge of a pixel
_MARGIN = 0.75  # of the labels' larger extent, on each side
_UNKNOWN_BRIGHTNESS = 0.45  # of what nobody annotated


def kept_thumbnail(folder: Path, case: Case) -> np.ndarray | None:
    """The picture (SIDE, SIDE, 3) uint8, rows from the top; None if there is none of the case as it is now."""
    try:
        picture = np.load(_path(folder, case), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return picture if picture.shape == (SIDE, SIDE, 3) and picture.dtype == np.uint8 else None


def keep_thumbnail(folder: Path, case: Case, dataset: Dataset, table: LabelTable) -> None:
    """Make the picture of a case and keep it in the place of an earlier one.

    Raises InputError for files that cannot be read, OutputError where it cannot be kept.
    """
    image = read_image(image_path(folder, case))
    labels = case_labels(folder, case, dataset)
    view = view_of(labels.geometry)
    number = _middle(labels.array, 2 - view.across)
    pixel_mm = labels.geometry.spacing[view.down], labels.geometry.spacing[view.right]
    picture = drawn(view.slice_of(image.array[0], number), view.slice_of(labels.array, number), pixel_mm, table)
    path = _path(folder, case)
    try:
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir(parents=True)
        with written_beside(path) as beside, beside.open("wb") as file:
            np.save(file, picture, allow_pickle=False)
    except OSError as reason:
        raise OutputError(f"Pictures of the cases cannot be kept in {path.parent.parent}: {why(reason)}.") from reason


def drawn(grey: np.ndarray, labels: np.ndarray, pixel_mm: tuple[float, float], table: LabelTable) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8 of a slice (down, right) and its labels: true proportions, what is round the labels, edges."""
    middle, half_mm = _square(labels, pixel_mm)
    rows, columns = (_samples(at, half_mm / mm, SIDE) for at, mm in zip(middle, pixel_mm, strict=True))
    fine = [_samples(at, half_mm / mm, SIDE * _FINER) for at, mm in zip(middle, pixel_mm, strict=True)]
    sampled = _taken(grey.astype(np.float32), *fine, np.nan)
    low, high = np.nanpercentile(sampled, _PERCENTILES)
    shown = np.clip((np.nan_to_num(sampled, nan=low) - low) / max(high - low, 1e-6), 0, 1)
    shown = shown.reshape(SIDE, _FINER, SIDE, _FINER).mean(axis=(1, 3))
    values = _taken(labels, rows, columns, 0)
    shown *= np.where(values == IGNORE, _UNKNOWN_BRIGHTNESS, 1)
    picture = np.repeat((255 * shown).astype(np.uint8)[:, :, None], 3, axis=2)
    edges = _edges(np.where(values == IGNORE, 0, values))
    for label in table.labels:
        picture[edges & (values == label.value)] = label.colour
    return picture


def _path(folder: Path, case: Case) -> Path:
    """Raises FileNotFoundError if a file of the case is missing."""
    files = (image_path(folder, case).stat(), label_path(folder, case).stat())
    return thumbnail_folder(folder, case) / ("-".join(f"{file.st_size:x}-{file.st_mtime_ns:x}" for file in files) + ".npy")


def _middle(labels: np.ndarray, axis: int) -> int:
    """The slice in the middle of the labels, else of what is annotated, else of the volume."""
    others = tuple({0, 1, 2} - {axis})
    for occupied in ((labels > 0) & (labels != IGNORE), labels != IGNORE):
        found = np.flatnonzero(occupied.any(axis=others))
        if len(found):
            return int(found[len(found) // 2])
    return labels.shape[axis] // 2


def _square(labels: np.ndarray, pixel_mm: tuple[float, float]) -> tuple[tuple[float, float], float]:
    """Middle (down, right) in pixels and half the edge in mm of what is shown: the labels and a margin, or the whole slice."""
    known = (labels > 0) & (labels != IGNORE)
    spans = []
    for axis in (0, 1):
        found = np.flatnonzero(known.any(axis=1 - axis))
        spans.append((found[0], found[-1]) if len(found) else (0, labels.shape[axis] - 1))
    middle = tuple((first + last) / 2 for first, last in spans)
    extent = max((last - first + 1) * mm for (first, last), mm in zip(spans, pixel_mm, strict=True))
    whole = max(length * mm for length, mm in zip(labels.shape, pixel_mm, strict=True))
    return middle, min(extent * (1 + 2 * _MARGIN if known.any() else 1), whole) / 2


def _samples(middle: float, half: float, count: int) -> np.ndarray:
    """Indices of the pixels nearest to `count` places spread over middle ± half."""
    return np.round(middle - half + (np.arange(count) + 0.5) * 2 * half / count).astype(int)


def _taken(plane: np.ndarray, rows: np.ndarray, columns: np.ndarray, outside: float) -> np.ndarray:
    """The plane's values at all of `rows` × `columns`; `outside` where there is no pixel."""
    height, width = plane.shape
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    return np.where(inside, plane[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)], outside)


def _edges(values: np.ndarray) -> np.ndarray:
    """Pixels with a value of which a neighbour above, below, left or right has another one."""
    padded = np.pad(values, 1, mode="edge")
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    return (values > 0) & np.any([neighbour != values for neighbour in neighbours], axis=0)
