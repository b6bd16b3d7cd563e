"""Where patches lie: a patient is drawn first, then one of their cases, then a place in it, without a search of the volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.job import Sampling
from MedSegDLTrainLib.prepared import PreparedCase


@dataclass(frozen=True)
class Place:
    """Where a patch is to lie in case number `case`, in voxels (z, y, x) of that case.

    `centre_zyx` is the patch's middle, whole numbers being middles of voxels. `inside_zyx`, where given, is a voxel that
    the patch must contain however it is turned and scaled; the centre then gives way.
    """

    case: int
    centre_zyx: np.ndarray
    inside_zyx: np.ndarray | None = None


@dataclass(frozen=True)
class Candidates:
    """What samplers draw from. Numbers of cases, and half sizes (z, y, x) in voxels of each case of a patch at scale 1.

    `patients`: the cases of each patient, those with an annotated slice. `labelled` and `empty`: for each patient that
    has any, annotated slices with and without a label, as rows (case, z).
    """

    cases: Sequence[PreparedCase]
    half_sizes_zyx: Sequence[np.ndarray]
    patients: list[np.ndarray]
    labelled: list[np.ndarray]
    empty: list[np.ndarray]


def candidates_of(cases: Sequence[PreparedCase], half_sizes_zyx: Sequence[np.ndarray]) -> Candidates:
    """What can be drawn; raises InputError where no case has a label."""
    patients, labelled, empty = {}, {}, {}
    for number, case in enumerate(cases):
        annotated, has_label = case.slices["annotated"], case.slices["foreground"] > 0
        if annotated.any():
            patients.setdefault(case.patient, []).append(np.array([number]))
        for table, chosen in ((labelled, has_label), (empty, annotated & ~has_label)):
            if chosen.any():
                z = np.flatnonzero(chosen)
                table.setdefault(case.patient, []).append(np.stack([np.full_like(z, number), z], axis=1))
    if not labelled:
        raise InputError("No training case has a label: add corrected cases first.")
    joined = [[np.concatenate(parts) for parts in table.values()] for table in (patients, labelled, empty)]
    return Candidates(cases, half_sizes_zyx, *joined)


def _slices(candidates: Candidates, sampling: Sampling, random: np.random.Generator) -> Place:
    """A slice with a label, or with empty_slice_fraction one without; a centre near the labels' one, or anywhere."""
    empty = candidates.empty and random.random() < sampling.empty_slice_fraction
    case, z = _one_of(_one_of(candidates.empty if empty else candidates.labelled, random), random)
    if not empty and random.random() < sampling.foreground_fraction:
        jitter = random.uniform(-1, 1, 2) * sampling.jitter_mm / np.array(candidates.cases[case].spacing_zyx[1:])
        centre_yx = candidates.cases[case].slices["centre_yx"][z] + jitter
    else:
        centre_yx = random.uniform(0, 1, 2) * candidates.cases[case].labels.shape[1:] - 0.5
    return Place(int(case), np.array([z, *centre_yx]))


def _uniform(candidates: Candidates, sampling: Sampling, random: np.random.Generator) -> Place:
    """Anywhere inside the volume."""
    return _anywhere(candidates, _case(candidates, random), random)


def _balanced(candidates: Candidates, sampling: Sampling, random: np.random.Generator) -> Place:
    """Schnider §2.2: one of the case's labels, each as likely, then one of its voxels, anywhere in the patch."""
    number = _case(candidates, random)
    case = candidates.cases[number]
    present = np.flatnonzero(np.diff(case.starts))
    if not len(present):
        return _anywhere(candidates, number, random)
    label = _one_of(present, random)
    voxel = _voxel(case, case.starts[label], case.starts[label + 1], random)
    lowest, highest = _centre_range(candidates, number)
    half = candidates.half_sizes_zyx[number]
    centre = random.uniform(np.maximum(lowest, voxel - half), np.minimum(highest, voxel + half))
    return Place(number, centre, voxel)


def _foreground(candidates: Candidates, sampling: Sampling, random: np.random.Generator) -> Place:
    """Centred on any labelled voxel with foreground_fraction, else anywhere."""
    number = _case(candidates, random)
    case = candidates.cases[number]
    if not len(case.positions) or random.random() >= sampling.foreground_fraction:
        return _anywhere(candidates, number, random)
    voxel = _voxel(case, 0, len(case.positions), random)
    return Place(number, voxel.astype(float), voxel)


SAMPLERS: dict[str, Callable[[Candidates, Sampling, np.random.Generator], Place]] = {
    "slices": _slices,
    "uniform": _uniform,
    "balanced": _balanced,
    "foreground": _foreground,
}


def _anywhere(candidates: Candidates, number: int, random: np.random.Generator) -> Place:
    """Inside the volume, and over an annotated slice; the patch of a volume need not be centred on that."""
    lowest, highest = _centre_range(candidates, number)
    centre, annotated = random.uniform(lowest, highest), candidates.cases[number].slices["annotated"]
    half = candidates.half_sizes_zyx[number][0]
    if annotated.all() and half:
        return Place(number, centre)
    z = _one_of(np.flatnonzero(annotated), random)
    centre[0] = random.uniform(max(lowest[0], z - half), min(highest[0], z + half))
    limits = np.array(candidates.cases[number].labels.shape) - 1
    return Place(number, centre, np.clip(np.rint([z, *centre[1:]]), 0, limits).astype(np.int64))


def _centre_range(candidates: Candidates, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest centre of a patch within the volume, or round all of it on axes where it is larger."""
    half = candidates.half_sizes_zyx[number]
    ends = np.stack([half, np.array(candidates.cases[number].labels.shape) - 1 - half])
    return ends.min(axis=0), ends.max(axis=0)


def _case(candidates: Candidates, random: np.random.Generator) -> int:
    return int(_one_of(_one_of(candidates.patients, random), random))


def _voxel(case: PreparedCase, start: int, stop: int, random: np.random.Generator) -> np.ndarray:
    """(z, y, x) of one of positions[start:stop]."""
    return np.array(np.unravel_index(int(case.positions[random.integers(start, stop)]), case.labels.shape))


def _one_of(things: Sequence, random: np.random.Generator):
    return things[random.integers(len(things))]
