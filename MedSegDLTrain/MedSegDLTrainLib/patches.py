"""Which patch comes next: chosen by (seed, step, index in the batch) alone, so that any number of processes agree.

A patch is made in two parts. `PatchSource.drawn` chooses it and reads the piece of the case that it needs; `rendered`
resamples and changes those pieces, on the CPU or on another device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from MedSegDLTrainLib.intensities import apply_changes, drawn_changes
from MedSegDLTrainLib.job import TrainingJob
from MedSegDLTrainLib.prepared import PreparedCase
from MedSegDLTrainLib.samplers import SAMPLERS, candidates_of
from MedSegDLTrainLib.tables import entry
from MedSegDLTrainLib.warps import Warp, box_of, cut_out, drawn_warp, place_warp, warped

_DARK_OUTSIDE = 0.7  # share of patches that go on outside of the image with its darkest value, as scanners leave it


@dataclass(frozen=True)
class Batch:
    """`images` (N, C, Z, Y, X) float32 and `labels` (N, Z, Y, X) int64, without Z for patches of one slice; each one's case."""

    images: Tensor
    labels: Tensor
    cases: tuple[str, ...]


@dataclass(frozen=True)
class DrawnPatch:
    """A patch before it is rendered: a piece of its case, `image` (C, Z, Y, X) float32 and `labels` (Z, Y, X) uint8, where
    the patch's voxels lie in it, and which changes of intensity follow. It can be pickled.
    """

    case: str
    image: Tensor
    labels: Tensor
    warp: Warp
    changes: tuple[tuple[str, object], ...]

    def pin_memory(self) -> DrawnPatch:
        """A copy in memory from which a GPU can read by itself (a name that PyTorch's DataLoader knows)."""
        return replace(self, image=self.image.pin_memory(), labels=self.labels.pin_memory())


class PatchSource:
    """Draws patches from cases as the job says. The same (step, index) always gives the same patch."""

    def __init__(self, cases: Sequence[PreparedCase], job: TrainingJob) -> None:
        """Raises InputError for a sampler that does not exist and for cases without any label."""
        self._job, self._sampler = job, entry(SAMPLERS, job.sampling.sampler, "sampler")
        self._size_zyx = tuple(job.sampling.patch_size[::-1])
        self._spacings = [_patch_spacing_zyx(job, case) for case in cases]
        half = (np.array(self._size_zyx) - 1) / 2
        halves = [half * own / case.spacing_zyx for own, case in zip(self._spacings, cases, strict=True)]
        self._candidates = candidates_of(cases, halves)

    def drawn(self, step: int, index: int) -> DrawnPatch:
        """Patch number `index` of the whole batch of a step.

        Outside of the volume lies background, also where the volume's border is not annotated; the image goes on there
        with the darkest value of the piece that is read, or with 0, the mean.
        """
        random = np.random.default_rng([self._job.seed, step, index])
        place = self._sampler(self._candidates, self._job.sampling, random)
        case, augmentation = self._candidates.cases[place.case], self._job.augmentation
        warp = drawn_warp(augmentation, self._size_zyx, self._spacings[place.case], case.spacing_zyx, random)
        warp = place_warp(warp, place.centre_zyx, place.inside_zyx)
        start, stop = box_of(warp, case.labels.shape)
        image = _image_piece(case.image, start, stop, dark=random.random() < _DARK_OUTSIDE)
        labels = torch.from_numpy(cut_out(case.labels, start, stop, 0))
        changes = drawn_changes(augmentation, self._size_zyx, random)
        return DrawnPatch(case.name, image, labels, replace(warp, centre=warp.centre - start), changes)


def rendered(patches: Sequence[DrawnPatch], job: TrainingJob, device: torch.device) -> Batch:
    """The batch on a device. On a CPU it is the same to the bit whatever the number of threads: each patch uses one."""
    images, labels = rendered_parts(patches, job, device)
    return Batch(images, labels.long(), tuple(patch.case for patch in patches))


def rendered_parts(patches: Sequence[DrawnPatch], job: TrainingJob, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images and labels of `rendered`, the labels still uint8, an eighth as much to hand from process to process."""
    with _one_thread(), torch.no_grad():
        pairs = [_rendered(patch, device) for patch in patches]
    images, labels = (torch.stack(parts) for parts in zip(*pairs, strict=True))
    return (images.squeeze(2), labels.squeeze(1)) if job.sampling.patch_size[2] == 1 else (images, labels)


def _rendered(patch: DrawnPatch, device: torch.device) -> tuple[Tensor, Tensor]:
    image, labels = (piece.to(device, non_blocking=True) for piece in (patch.image, patch.labels))
    image, labels = warped(image, labels, patch.warp)
    return apply_changes(image, patch.changes), labels


@contextmanager
def _one_thread() -> Iterator[None]:
    """PyTorch with one thread: where a tensor is divided among threads, the last digits of exp or pow can differ."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _patch_spacing_zyx(job: TrainingJob, case: PreparedCase) -> np.ndarray:
    """The job's spacing, or the case's own on axes where the job has none and across slices."""
    own, wanted = case.spacing_zyx, list(job.preprocessing.spacing[::-1])
    if job.preprocessing.orientation == "slices" or job.sampling.patch_size[2] == 1:
        wanted[0] = None
    return np.array([mine if asked is None else asked for mine, asked in zip(own, wanted, strict=True)])


def _image_piece(image: np.ndarray, start: np.ndarray, stop: np.ndarray, dark: bool) -> Tensor:
    """The box of an image (C, Z, Y, X), outside of which each channel has its darkest value in the box, or 0."""
    size = np.array(image.shape[1:])
    inner = cut_out(image, np.clip(start, 0, size - 1), np.clip(stop, 1, size), 0.0)
    outside = [channel.min() if dark else 0.0 for channel in inner]
    if inner.shape[1:] == tuple(stop - start):
        return torch.from_numpy(inner)
    offset = np.clip(start, 0, size - 1)
    pieces = [cut_out(part, start - offset, stop - offset, low) for part, low in zip(inner, outside, strict=True)]
    return torch.from_numpy(np.stack(pieces))
