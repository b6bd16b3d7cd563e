"""How large patches are: as the anatomy wants it, and smaller ones where time or memory do not suffice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from MedSegDLTrainLib.planning.fingerprint import Fingerprint
from MedSegDLTrainLib.planning.network import stages_for

_MARGIN = 1.5  # of the labels' extent: a network has to see what lies beside them
_LEAST = {2: 128, 3: 64}  # voxels of a patch, unless the images are smaller
_SMALLEST = {2: 64, 3: 48}  # no patch is made smaller than this
_SHRINKING = 0.8

Size = tuple[int, int, int]


def wanted_patch(found: Fingerprint, spacing: tuple[float | None, ...], dimensions: int) -> tuple[Size, str]:
    """Voxels along x, y, z at `spacing` (mm; null: the images' own), and why: the labels with a margin, within the images."""
    cases = [case for case in found.training if case.extent_mm]
    steps = [
        np.array([own if step is None else step for own, step in zip(case.spacing, spacing, strict=True)]) for case in cases
    ]
    extent = np.median([case.extent_mm for case in cases], axis=0)
    labels = np.median([case.extent_mm / step for case, step in zip(cases, steps, strict=True)], axis=0)
    images = np.median([np.multiply(case.size, case.spacing) / step for case, step in zip(cases, steps, strict=True)], axis=0)
    wanted = np.minimum(np.maximum(_MARGIN * labels, _LEAST[dimensions]), np.ceil(images))[:dimensions]
    sizes = [int(np.ceil(size)) for size in wanted] + [1] * (3 - dimensions)
    box = " × ".join(f"{size:.0f}" for size in extent[:dimensions])
    why = f"labels of a case fill {box} mm (median), and half as much again is wanted; at least {_LEAST[dimensions]} voxels"
    return _multiple(tuple(sizes), dimensions, up=True), f"{why}, at most the image"


def shrinking(patch_size: Size, dimensions: int) -> Iterator[Size]:
    """`patch_size`, then ever smaller ones."""
    while True:
        yield patch_size
        lengths = (max(int(length * _SHRINKING), min(length, _SMALLEST[dimensions])) for length in patch_size[:dimensions])
        smaller = _multiple((*lengths, *[1] * (3 - dimensions)), dimensions, up=False)
        if smaller == patch_size:
            return
        patch_size = smaller


def _multiple(patch_size: Size, dimensions: int, up: bool) -> Size:
    """Lengths that a network of the depth that suits this size halves without a rest."""
    stride = 2 ** (stages_for(patch_size, dimensions) - 1)
    whole = [max((length + (stride - 1) * up) // stride, 1) * stride for length in patch_size[:dimensions]]
    return (*whole, *[1] * (3 - dimensions))
