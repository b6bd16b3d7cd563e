"""What a case folder holds, in the numbers that a plan is made from; cases that are held out for ever are never opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from MedSegDLLib.preprocess import turn_for
from MedSegDLLib.sides import side
from MedSegDLTrainLib.cases import IGNORE, PREDICTED, Case, Dataset, read_case, read_cases, read_dataset

_SAMPLED_VOXELS = 20_000  # intensities of each case that go into the percentiles
_PERCENTILES = (0.5, 50.0, 99.5)


@dataclass(frozen=True)
class CaseFacts:
    """One case; sizes, spacings and extents are along x, y, z of the turned image.

    `sides`: where the stored axes point, for example "L P H". `voxels`: of each label of the folder's table, in its order.
    `extent_mm`: the box round all labels, None without any. Slices are those along z: `annotated_slices` have a voxel that
    somebody annotated, `empty_slices` of these have no label.
    """

    name: str
    patient: str
    split: str
    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    sides: str
    voxels: tuple[int, ...]
    annotated_voxels: int
    extent_mm: tuple[float, float, float] | None
    annotated_slices: int
    empty_slices: int


@dataclass(frozen=True)
class Intensities:
    """Percentiles 0.5, 50 and 99.5 of intensities as stored."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Fingerprint:
    """A case folder in numbers. `cases` are those of the splits train and validation; `counts` says (cases, patients) of each
    split. The `predicted` ones, which nobody has corrected, count in neither. `labels` are in the order of their values;
    `foreground` intensities are None where no voxel has a label."""

    modality: str
    labels: tuple[str, ...]
    cases: tuple[CaseFacts, ...]
    counts: dict[str, tuple[int, int]]
    foreground: Intensities | None
    whole: Intensities
    predicted: int = 0

    @property
    def training(self) -> tuple[CaseFacts, ...]:
        """The cases to train on."""
        return tuple(case for case in self.cases if case.split == "train")


def read_fingerprint(folder: Path, orientation: str) -> Fingerprint:
    """Look at every case that is not held out and not only predicted, one at a time, its axes turned to `orientation`.

    Raises InputError for a folder without cases to train on, or a case whose labels do not fit its image or the table.
    """
    everything, dataset = read_cases(folder), read_dataset(folder)
    cases = [case for case in everything if case.status != PREDICTED]
    open_cases = [case for case in cases if case.split != "test"]
    if not any(case.split == "train" for case in open_cases):
        predicted = any(case.split == "train" for case in everything)
        remedy = ", only predicted ones: correct some, then add them" if predicted else ": add some"
        raise InputError(f"{folder} has no case to train on{remedy} with 'medsegdl cases add'.")
    if not dataset.labels:
        raise InputError(f"{folder} names no label in dataset.json: there is nothing to learn.")
    looked = [_look(folder, case, dataset, orientation) for case in open_cases]
    return Fingerprint(
        dataset.modality,
        dataset.names,
        tuple(facts for facts, _, _ in looked),
        _counts(cases),
        _intensities([labelled for _, labelled, _ in looked]),
        _intensities([whole for _, _, whole in looked]),
        len(everything) - len(cases),
    )


def _look(folder: Path, case: Case, dataset: Dataset, orientation: str) -> tuple[CaseFacts, np.ndarray, np.ndarray]:
    """Facts, and a sample of the intensities inside labels and of all."""
    image, labelmap = read_case(folder, case, dataset)
    values = [dataset.labels[name] for name in dataset.names]
    if (labelmap.array == IGNORE).all():
        raise InputError(f"Nobody has annotated anything in case {case.name}: correct it, or take it out.")
    turn = turn_for(image.geometry, orientation)
    labels = turn.apply(labelmap.array)
    facts = _facts(case, labels, values, image.geometry.permuted(turn.order, turn.flipped), _sides(image))
    return facts, *_sampled(image.array[0], np.isin(labelmap.array, values))


def _facts(case: Case, labels: np.ndarray, values: Sequence[int], geometry: Geometry, sides: str) -> CaseFacts:
    annotated, labelled = labels != IGNORE, np.isin(labels, values)
    slices, with_label = annotated.any(axis=(1, 2)), labelled.any(axis=(1, 2))
    return CaseFacts(
        case.name,
        case.patient,
        case.split,
        geometry.size,
        geometry.spacing,
        sides,
        tuple(int(np.count_nonzero(labels == value)) for value in values),
        int(annotated.sum()),
        _extent_mm(labelled, geometry.spacing),
        int(slices.sum()),
        int((slices & ~with_label).sum()),
    )


def _sides(image: Image) -> str:
    return " ".join(side(axis) for axis in image.geometry.axes.T)


def _extent_mm(mask: np.ndarray, spacing: tuple[float, ...]) -> tuple[float, float, float] | None:
    """Size along x, y, z of the box round `mask` (Z, Y, X)."""
    if not mask.any():
        return None
    lines = (mask.any(axis=tuple({0, 1, 2} - {axis})).nonzero()[0] for axis in (2, 1, 0))
    return tuple(float((line[-1] - line[0] + 1) * step) for line, step in zip(lines, spacing, strict=True))


def _sampled(image: np.ndarray, labelled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intensities of evenly spread voxels: of those with a label, and of all."""
    return _spread(image[labelled]), _spread(image.ravel())


def _spread(values: np.ndarray) -> np.ndarray:
    return values[:: max(1, len(values) // _SAMPLED_VOXELS)].astype(np.float64)


def _intensities(samples: Sequence[np.ndarray]) -> Intensities | None:
    pooled = np.concatenate(samples)
    return Intensities(*np.percentile(pooled, _PERCENTILES).tolist()) if len(pooled) else None


def _counts(cases: Sequence[Case]) -> dict[str, tuple[int, int]]:
    """(Cases, patients) of each split."""
    patients = Counter(split for split, _ in {(case.split, case.patient) for case in cases})
    return {split: (count, patients[split]) for split, count in Counter(case.split for case in cases).items()}
