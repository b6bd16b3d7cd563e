"""Cases ready to draw patches from: turned and normalised as users' images are, and kept for the next time."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from MedSegDLLib.checksums import sha256_of
from MedSegDLLib.errors import InputError, OutputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.model_card import Preprocessing
from MedSegDLLib.preprocess import Prepared, preprocess, turn_for
from MedSegDLLib.strict_json import to_json
from MedSegDLTrainLib.cases import (
    IGNORE,
    Case,
    Dataset,
    case_labels,
    image_path,
    label_path,
    prepared_folder,
    read_case,
    read_dataset,
    values_of,
)
from MedSegDLTrainLib.job import TrainingJob
from MedSegDLTrainLib.prepared_cache import Entry, keep_entry, open_entry, use_entry

_FORMAT = 1  # another number whenever other arrays would come out
_FINER = 1.25  # an image this much finer than the job's spacing is left to the one resampling of the patches
_ARRAYS = ("image", "labels", "positions", "starts", "slices")
_SLICE_ROW = np.dtype([("annotated", "?"), ("foreground", "<i8"), ("centre_yx", "<f8", (2,))])


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """One case as the network is to see it, read-only and as a rule memory-mapped.

    `image` (C, Z, Y, X) float32, turned and normalised; `labels` (Z, Y, X) uint8: classes 0…K of the job, IGNORE where
    nobody annotated; `spacing_zyx` in mm. `positions` are flat indices into `labels` of all voxels of the labels 1…K, those
    of class c at positions[starts[c] : starts[c + 1]], c = 1…K (`starts` has K + 2 entries, starts[0] = starts[1] = 0).
    `slices` is a structured array (Z,): `annotated` (some voxel is), `foreground` (voxels of the labels 1…K), `centre_yx`
    (their centre of mass in voxels, NaN where there are none); made of `labels` if not given.
    `entry` is the folder that the arrays are mapped from, None if they are in memory; pickling then carries the folder only.
    """

    name: str
    patient: str
    image: np.ndarray
    labels: np.ndarray
    spacing_zyx: tuple[float, float, float]
    positions: np.ndarray
    starts: np.ndarray
    slices: np.ndarray | None = None
    entry: Path | None = None

    def __post_init__(self) -> None:
        if self.slices is None:
            object.__setattr__(self, "slices", slice_table(self.labels))

    def __reduce__(self) -> tuple:
        if self.entry is not None:
            return _reopened, (self.entry, self.name, self.patient)
        arrays = (self.positions, self.starts, self.slices)
        return PreparedCase, (self.name, self.patient, self.image, self.labels, self.spacing_zyx, *arrays)


def prepared_cases(folder: Path, cases: Sequence[Case], job: TrainingJob, tell: Callable[[str], None]) -> list[PreparedCase]:
    """All `cases` of a case folder, prepared; see `prepared_one_by_one`."""
    return list(prepared_one_by_one(folder, cases, job, tell))


def prepared_one_by_one(
    folder: Path, cases: Sequence[Case], job: TrainingJob, tell: Callable[[str], None]
) -> Iterator[PreparedCase]:
    """One prepared case after the other, so that a caller can report and stop in between; one at a time is in memory.

    What was prepared of the same files with the same settings is opened. `tell` gets one sentence if cases cannot be kept,
    which are then held in memory. Raises InputError for a case that cannot be trained on, or labels that the folder lacks.
    """
    dataset, tell_once = read_dataset(folder), functools.cache(tell)
    for case in cases:
        yield prepared_case(folder, case, job, dataset, tell_once)


def prepared_case(folder: Path, case: Case, job: TrainingJob, dataset: Dataset, tell: Callable[[str], None]) -> PreparedCase:
    """One case of `prepared_one_by_one`; `tell` is called for each case that cannot be kept."""
    values = tuple(dataset.labels[name] for name in labels_of_job(job, dataset))
    content = _content(folder, case)
    place = prepared_folder(folder, case).resolve() / _key(content, job.preprocessing, values, dataset)
    entry = use_entry(place, _ARRAYS)
    if entry is None:
        made = _made(folder, case, job.preprocessing, values, dataset)
        if _content(folder, case) != content:  # somebody has corrected it in the meantime
            return prepared_case(folder, case, job, dataset, tell)
        try:
            entry = keep_entry(place, content, made)
        except OutputError as problem:
            tell(f"{problem} They are held in memory instead.")
            entry, place = made, None
    if (channels := len(entry.arrays["image"])) != job.network.in_channels:
        raise InputError(f"The image of case {case.name} has {channels} channel(s), but the network {job.network.in_channels}.")
    return PreparedCase(case.name, case.patient, spacing_zyx=entry.spacing_zyx, **entry.arrays, entry=place)


def labels_of_job(job: TrainingJob, dataset: Dataset) -> tuple[str, ...]:
    """The labels that the network tells apart, in the order of its classes: those the job names, else all by their values.

    Raises InputError for a name that the folder lacks, or another number of labels than the network has.
    """
    names = job.labels or dataset.names
    listed = ", ".join(map(repr, dataset.labels)) or "none"
    if unknown := [name for name in names if name not in dataset.labels]:
        raise InputError(f"The case folder has no label {unknown[0]!r}; its labels are {listed}.")
    wanted = max(job.network.out_channels - 1, 1)
    if len(names) != wanted:
        raise InputError(
            f"The case folder has {len(names)} labels ({listed}), but the network tells {wanted} apart: "
            "name those to train in the job's labels, or change its out_channels."
        )
    return names


def check_labelled(folder: Path, cases: Sequence[Case], job: TrainingJob) -> None:
    """Raise InputError if none of `cases` has a label that the job learns; label maps are read until one has."""
    dataset = read_dataset(folder)
    wanted = {dataset.labels[name] for name in labels_of_job(job, dataset)}
    if not any(wanted & values_of(case_labels(folder, case, dataset).array) for case in cases):
        raise InputError(nothing_to_learn(folder))


def nothing_to_learn(folder: Path) -> str:
    """The sentence for whoever trains on cases without a label."""
    return f"{folder} holds no training case with a label: add some first."


def training_preprocessing(geometry: Geometry, how: Preprocessing) -> Preprocessing:
    """`how`, without resampling along axes that patches are resampled along anyway.

    Resampled are only axes on which the image is more than 1.25 times finer than the job wants it, because shrinking needs
    the smoothing that users' images get.
    """
    own = [geometry.spacing[axis] for axis in turn_for(geometry, how.orientation).order]
    pairs = zip(own, how.spacing, strict=True)
    return replace(how, spacing=tuple(new if new is not None and have * _FINER < new else None for have, new in pairs))


def slice_table(labels: np.ndarray) -> np.ndarray:
    """What PreparedCase calls `slices`, of `labels` (Z, Y, X) with IGNORE."""
    table = np.zeros(len(labels), _SLICE_ROW)
    for row, plane in zip(table, labels, strict=True):
        foreground = (plane > 0) & (plane != IGNORE)
        row["annotated"], row["foreground"] = (plane != IGNORE).any(), foreground.sum()
        profiles = foreground.sum(axis=1), foreground.sum(axis=0)
        row["centre_yx"] = [_mean_index(profile) for profile in profiles]
    return table


def index_of_classes(labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """`positions` and `starts` of PreparedCase for `labels` (Z, Y, X) of the classes 1…`classes`, with IGNORE."""
    flat = labels.ravel()
    found = np.flatnonzero((flat > 0) & (flat != IGNORE))
    values = flat[found]
    positions = found[np.argsort(values, kind="stable")].astype(np.int32 if flat.size < 2**31 else np.int64)
    starts = np.concatenate([[0], np.cumsum(np.bincount(values, minlength=classes + 1))])
    return positions, starts


def _mean_index(counts: np.ndarray) -> float:
    total = counts.sum()
    return float(counts @ np.arange(len(counts)) / total) if total else np.nan


def _made(folder: Path, case: Case, how: Preprocessing, values: tuple[int, ...], dataset: Dataset) -> Entry:
    """The arrays of a case, in memory; raises InputError where there is nothing to learn from."""
    image, labelmap = read_case(folder, case, dataset)
    how = training_preprocessing(image.geometry, how)
    prepared = preprocess(image, how)
    if not np.isfinite(prepared.array).all():
        raise InputError(f"Normalising the image of case {case.name} gives values that are not finite: look at the image.")
    labels = _class_of_value(values)[_on_prepared_grid(labelmap.array, prepared)]
    if (labels == IGNORE).all():
        raise InputError(f"Nobody has annotated anything in case {case.name}: correct it, or take it out.")
    positions, starts = index_of_classes(labels, len(values))
    spacing = tuple(new or own for new, own in zip(how.spacing[::-1], prepared.spacing_zyx, strict=True))
    return Entry(spacing, dict(zip(_ARRAYS, (prepared.array, labels, positions, starts, slice_table(labels)), strict=True)))


def _class_of_value(values: tuple[int, ...]) -> np.ndarray:
    """(256,) uint8: the class of each label value as read; other labels are background."""
    table = np.zeros(IGNORE + 1, np.uint8)
    table[IGNORE] = IGNORE
    table[list(values)] = np.arange(1, len(values) + 1)
    return table


def _on_prepared_grid(labels: np.ndarray, prepared: Prepared) -> np.ndarray:
    """Labels (Z, Y, X) of the image's own grid at the voxels of the prepared array, each that of the nearest voxel."""
    turned, target = prepared.turn.apply(labels), prepared.target
    lengths = prepared.array.shape[1:]
    axes = zip(lengths, target.shape, target.scale, target.offset, strict=True)
    return turned[np.ix_(*(_nearest(length, count, scale, offset) for length, count, scale, offset in axes))]


def _nearest(length: int, count: int, scale: float, offset: float) -> np.ndarray:
    """For each of `length` voxels: the nearest of `count` voxels n that lie at scale·n + offset."""
    # Rounded, so that all that lie just between two voxels go to the same side.
    index = np.round((np.arange(length) - offset) / scale, 6)
    return np.clip(np.floor(index + 0.5), 0, count - 1).astype(np.intp)


def _content(folder: Path, case: Case) -> str:
    return sha256_of(image_path(folder, case)) + sha256_of(label_path(folder, case))


def _key(content: str, how: Preprocessing, values: tuple[int, ...], dataset: Dataset) -> str:
    """32 hexadecimal digits: another one whenever other arrays would come out. Short, because Windows limits paths."""
    settings = [_FORMAT, content, to_json(how), values, dataset.ignore]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:32]


def _reopened(entry: Path, name: str, patient: str) -> PreparedCase:
    opened = open_entry(entry, _ARRAYS)
    if opened is None:
        raise InputError(f"The prepared case {name} in {entry} has gone or is damaged: start the training again.")
    return PreparedCase(name, patient, spacing_zyx=opened.spacing_zyx, **opened.arrays, entry=entry)
