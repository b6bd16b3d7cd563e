"""Where patches lie in a volume, and how much each of their voxels counts: as in MONAI's sliding window and nnU-Net's."""

from __future__ import annotations

import torch
from torch.nn import functional

# Standard deviation of the Gaussian as a share of the patch, and the smallest weight, so that no voxel counts nothing.
SIGMA, SMALLEST_WEIGHT = 0.125, 1e-3


def patch_starts(length: int, patch: int, overlap: float) -> list[int]:
    """First voxels of the patches along one axis; the last patch is moved back so that it ends at the border.

    One patch, which begins at 0, if the axis is not longer than a patch.
    """
    step = max(int(patch * (1 - overlap)), 1)
    last = max(length - patch, 0)
    return [*range(0, last, step), last]


def importance_map(patch_size: tuple[int, ...]) -> torch.Tensor:
    """Gaussian weights (float32, shape `patch_size`) with their peak in the patch's middle, at least SMALLEST_WEIGHT.

    The product over the axes of exp(−x² / 2σ²), σ = patch/8: MONAI's compute_importance_map with mode="gaussian".
    """
    weights = torch.ones(())
    for length in patch_size:
        x = torch.arange(length, dtype=torch.float32) - (length - 1) / 2
        weights = weights[..., None] * torch.exp(x**2 / (-2 * (SIGMA * length) ** 2))
    return weights.clamp_(min=max(weights.min().item(), SMALLEST_WEIGHT))


def padded_to_patch(volume: torch.Tensor, patch_size: tuple[int, ...]) -> tuple[torch.Tensor, tuple[int, ...]]:
    """`volume` (C, Z, Y, X) with zeros on both sides of axes that are shorter than a patch, and how many came before."""
    missing = [max(patch - length, 0) for patch, length in zip(patch_size, volume.shape[1:], strict=True)]
    before = tuple(count // 2 for count in missing)
    if not any(missing):
        return volume, before
    sides = [(first, count - first) for first, count in zip(before, missing, strict=True)]
    return functional.pad(volume, [count for side in reversed(sides) for count in side]), before
