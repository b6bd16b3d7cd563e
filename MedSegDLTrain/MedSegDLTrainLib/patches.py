"""Which patch comes next: chosen by (seed, step, index in the batch) alone, so that any number of processes agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from MedSegDLTrainLib.augment import change_intensities, sampling_grid, warp
from MedSegDLTrainLib.job import Augmentation, Sampling
from MedSegDLTrainLib.slices import AnnotatedSlice


@dataclass(frozen=True)
class Batch:
    """`images` (N, 1, Y, X) float32 and `labels` (N, Y, X) int64, with the case that each patch comes from."""

    images: Tensor
    labels: Tensor
    cases: tuple[str, ...]


class PatchSampler:
    """Draws augmented patches: a patient uniformly, one of their slices uniformly, a place in it.

    `spacing_yx`: mm between the patch's pixels. The same (step, index) always gives the same patch.
    """

    def __init__(
        self,
        slices: list[AnnotatedSlice],
        spacing_yx: tuple[float, float],
        sampling: Sampling,
        augmentation: Augmentation,
        seed: int,
    ) -> None:
        self._with_foreground = _by_patient([item for item in slices if item.has_foreground])
        self._empty = _by_patient([item for item in slices if not item.has_foreground])
        self._spacing_yx, self._sampling, self._augmentation, self._seed = spacing_yx, sampling, augmentation, seed

    def batch(self, step: int) -> Batch:
        """The whole batch of a step."""
        patches = [self.patch(step, index) for index in range(self._sampling.batch_size)]
        images, labels, cases = zip(*patches, strict=True)
        return Batch(torch.stack(images), torch.stack(labels), tuple(cases))

    def patch(self, step: int, index: int) -> tuple[Tensor, Tensor, str]:
        """Image (1, Y, X), label (Y, X) and case name of one patch."""
        random = np.random.default_rng([self._seed, step, index])
        item = self._choose(random)
        centre = self._centre(item, random)
        grid = sampling_grid(item, centre, self._sampling.patch_size, self._spacing_yx, self._augmentation, random)
        image, label = warp(item, grid, random)
        return change_intensities(image, self._augmentation, random), label, item.case

    def _choose(self, random: np.random.Generator) -> AnnotatedSlice:
        empty = self._empty and random.random() < self._sampling.empty_slice_fraction
        patients = self._empty if empty else self._with_foreground
        slices = patients[random.integers(len(patients))]
        return slices[random.integers(len(slices))]

    def _centre(self, item: AnnotatedSlice, random: np.random.Generator) -> np.ndarray:
        if item.has_foreground and random.random() < self._sampling.foreground_fraction:
            jitter = random.uniform(-1, 1, 2) * self._sampling.jitter_mm / np.array(item.spacing_yx)
            return np.array(item.foreground_centre_yx) + jitter
        return random.uniform(0, 1, 2) * item.image.shape


def _by_patient(slices: list[AnnotatedSlice]) -> list[list[AnnotatedSlice]]:
    patients: dict[str, list[AnnotatedSlice]] = {}
    for item in slices:
        patients.setdefault(item.patient, []).append(item)
    return list(patients.values())
