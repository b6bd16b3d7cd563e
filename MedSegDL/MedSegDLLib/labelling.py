"""From stitched features to labels: the last linear layer, arg max or threshold, in pieces that stay in cache.

Interpolating features linearly and then applying the classifier equals interpolating logits, because both are linear:
Σ w (W f + b) = W (Σ w f) + b for weights w that add up to 1. So labels on a finer grid never need all logits at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from MedSegDLLib.stitching import Block
from MedSegDLLib.target_grid import TargetGrid

# Logits that are computed at a time: what stays in a processor's cache (fewer cost more in waiting for all cores to finish
# each piece), or what keeps a GPU busy.
_LOGITS_ON_HOST, _LOGITS_ON_DEVICE = 2**21, 2**25


@dataclass(frozen=True)
class Head:
    """What turns a voxel's F features into its label: logits = weight · features + bias, then arg max or a cutoff.

    `weight` (K, F) and `bias` (K,) float32; weight None means that the features are the logits already.
    `cutoff` None takes the class with the largest logit; a number gives 1 where the only logit is above it.
    """

    classes: int
    weight: torch.Tensor | None
    bias: torch.Tensor | None
    cutoff: float | None

    @property
    def label_type(self) -> np.dtype:
        return np.dtype(np.uint8 if self.classes <= 256 else np.uint16)

    def labels_of(self, features: torch.Tensor) -> np.ndarray:
        """Labels (Y, X) of a plane of features (F, Y, X), in any memory order."""
        rows = features.movedim(0, -1).reshape(-1, len(features))
        labels = torch.empty(len(rows), dtype=torch.int32, device=rows.device)
        pieces = max((_LOGITS_ON_HOST if rows.device.type == "cpu" else _LOGITS_ON_DEVICE) // self.classes, 1)
        for piece, out in zip(rows.split(pieces), labels.split(pieces), strict=True):
            logits = self._logits(piece)
            out.copy_(logits.argmax(dim=1) if self.cutoff is None else logits[:, 0] > self.cutoff)
        return labels.reshape(features.shape[1:]).cpu().numpy().astype(self.label_type)

    def _logits(self, rows: torch.Tensor) -> torch.Tensor:
        if self.weight is None:
            return rows
        return torch.addmm(self.bias.to(rows.device), rows, self.weight.to(rows.device).T)


class VoxelLabeller:
    """Labels where the target's voxels are voxels of the stitched volume, which begins `before` voxels earlier."""

    def __init__(self, head: Head, target: TargetGrid, before: tuple[int, int, int]) -> None:
        self._head = head
        self._first = [int(offset) + count for offset, count in zip(target.offset, before, strict=True)]
        self.labels = np.zeros(target.shape, head.label_type)

    def take(self, block: Block) -> None:
        """Label what the target wants of a block; blocks may come in any order and be parts of planes."""
        z_first, y_first, x_first = self._first
        planes, rows, columns = self.labels.shape
        y = slice(max(block.y, y_first), min(block.y + block.features.shape[2], y_first + rows))
        for z in range(max(block.z, z_first), min(block.z + block.features.shape[1], z_first + planes)):
            if y.start < y.stop:
                part = slice(y.start - block.y, y.stop - block.y)
                plane = block.features[:, z - block.z, part, x_first : x_first + columns]
                self.labels[z - z_first, y.start - y_first : y.stop - y_first] = self._head.labels_of(plane)


@dataclass(frozen=True)
class _Taps:
    """For each output voxel along one axis the input voxel below it and the share of the next one."""

    lower: torch.Tensor
    share: torch.Tensor

    @classmethod
    def of(cls, target: TargetGrid, axis: int, length: int, before: int) -> _Taps:
        position = np.arange(target.shape[axis]) * target.scale[axis] + target.offset[axis]
        position = np.clip(np.round(position, 6), 0, length - 1)
        lower = np.clip(np.floor(position), 0, max(length - 2, 0)).astype(np.int64)
        return cls(torch.from_numpy(lower + before), torch.from_numpy((position - lower).astype(np.float32)))

    def apply(self, features: torch.Tensor, axis: int) -> torch.Tensor:
        lower = self.lower.to(features.device)
        below = features.index_select(axis, lower)
        if not self.share.any():
            return below
        above = features.index_select(axis, (lower + 1).clamp_(max=features.shape[axis] - 1))
        shape = [1] * features.dim()
        shape[axis] = -1
        return below.lerp_(above, self.share.to(features.device).reshape(shape))


class InterpolatingLabeller:
    """Labels on another grid by interpolating features linearly; beyond the outermost voxel centres the edge goes on."""

    def __init__(self, head: Head, target: TargetGrid, shape: tuple[int, int, int], before: tuple[int, int, int]) -> None:
        self._head = head
        taps = [_Taps.of(target, axis, shape[axis], before[axis]) for axis in range(3)]
        self._lower, self._share = taps[0].lower.tolist(), taps[0].share.tolist()
        self._taps_y, self._taps_x = taps[1:]
        self._last_plane: torch.Tensor | None = None
        self._done = 0
        self.labels = np.zeros(target.shape, head.label_type)

    def take(self, block: Block) -> None:
        """Label the output planes that this block completes; blocks are whole planes in order of z."""
        end = block.z + block.features.shape[1]
        while self._done < len(self._lower) and self._needed(self._done) < end:
            self.labels[self._done] = self._plane_labels(block, self._lower[self._done], self._share[self._done])
            self._done += 1
        self._last_plane = block.features[:, -1].clone()

    def _needed(self, output: int) -> int:
        return self._lower[output] + (self._share[output] > 0)

    def _plane_labels(self, block: Block, lower: int, share: float) -> np.ndarray:
        below = self._last_plane if lower < block.z else block.features[:, lower - block.z]
        plane = below.lerp(block.features[:, lower + 1 - block.z], share) if share else below
        return self._head.labels_of(self._taps_x.apply(self._taps_y.apply(plane, 1), 2))
