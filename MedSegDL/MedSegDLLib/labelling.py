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
        """Labels (…) of features (F, …), in any memory order."""
        voxels = features.movedim(0, -1).reshape(-1, len(features))
        labels = torch.empty(len(voxels), dtype=torch.int32, device=voxels.device)
        budget = _LOGITS_ON_HOST if voxels.device.type == "cpu" else _LOGITS_ON_DEVICE
        count = min(max(budget // self.classes, 1), len(voxels))
        logits = None if self.weight is None else voxels.new_empty(count, self.classes)
        for piece, out in zip(voxels.split(count), labels.split(count), strict=True):
            found = self._logits(piece, logits)
            out.copy_(found.max(dim=1).indices if self.cutoff is None else found[:, 0] > self.cutoff)  # faster than argmax
        return labels.reshape(features.shape[1:]).cpu().numpy().astype(self.label_type)

    def _logits(self, voxels: torch.Tensor, out: torch.Tensor | None) -> torch.Tensor:
        if self.weight is None:
            return voxels
        weight, bias = self.weight.to(voxels.device), self.bias.to(voxels.device)
        return torch.addmm(bias, voxels, weight.T, out=out[: len(voxels)])


class VoxelLabeller:
    """Labels where the target's voxels are voxels of the stitched volume, which begins `before` voxels earlier."""

    def __init__(self, head: Head, target: TargetGrid, before: tuple[int, int, int]) -> None:
        self._head = head
        self._first = [int(offset) + count for offset, count in zip(target.offset, before, strict=True)]
        self.labels = np.zeros(target.shape, head.label_type)

    def take(self, block: Block) -> None:
        """Label what the target wants of a block; blocks may come in any order."""
        inside, wanted = [], []
        for start, first, length, count in zip(
            block.start, self._first, block.features.shape[1:], self.labels.shape, strict=True
        ):
            begin, end = max(start, first), min(start + length, first + count)
            if begin >= end:
                return
            inside.append(slice(begin - start, end - start))
            wanted.append(slice(begin - first, end - first))
        self.labels[tuple(wanted)] = self._head.labels_of(block.features[(slice(None), *inside)])


@dataclass(frozen=True)
class _Taps:
    """For each output voxel along one axis the input voxel below it and the share of the next one."""

    lower: torch.Tensor
    share: torch.Tensor

    @classmethod
    def of(cls, target: TargetGrid, axis: int, length: int, before: int) -> _Taps:
        position = np.arange(target.shape[axis]) * target.scale[axis] + target.offset[axis]
        position = np.clip(np.round(position, 6), 0, length - 1)
        lower = np.floor(position).astype(np.int64)
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


class _Slabs:
    """Puts blocks together to whole planes of `plane` (Y, X) voxels."""

    def __init__(self, plane: tuple[int, int]) -> None:
        self._plane = plane
        self._slabs: dict[int, torch.Tensor] = {}
        self._filled: dict[int, int] = {}

    def add(self, block: Block) -> Block | None:
        """The slab of planes that this block completes, if any; slabs are complete in order of z."""
        (z, y, x), (depth, height, width) = block.start, block.features.shape[1:]
        if (height, width) == self._plane:
            return block
        if z not in self._slabs:
            self._slabs[z] = block.features.new_empty(depth, *self._plane, len(block.features)).permute(3, 0, 1, 2)
            self._filled[z] = 0
        self._slabs[z][:, :, y : y + height, x : x + width] = block.features
        self._filled[z] += height * width
        if self._filled[z] < self._plane[0] * self._plane[1]:
            return None
        return Block((z, 0, 0), self._slabs.pop(z))


class InterpolatingLabeller:
    """Labels on another grid by interpolating features linearly; beyond the outermost voxel centres the edge goes on.

    `shape` is that of the volume without padding, `padded` of the stitched one, which begins `before` voxels earlier.
    """

    def __init__(
        self,
        head: Head,
        target: TargetGrid,
        shape: tuple[int, ...],
        padded: tuple[int, ...],
        before: tuple[int, ...],
    ) -> None:
        self._head, self._slabs = head, _Slabs(padded[1:])
        taps = [_Taps.of(target, axis, shape[axis], before[axis]) for axis in range(3)]
        self._lower, self._share = taps[0].lower.tolist(), taps[0].share.tolist()
        self._taps_y, self._taps_x = taps[1:]
        self._last_plane: torch.Tensor | None = None
        self._done = 0
        self.labels = np.zeros(target.shape, head.label_type)

    def take(self, block: Block) -> None:
        """Label the output planes that this block completes; blocks come in order of z."""
        slab = self._slabs.add(block)
        if slab is None:
            return
        end = slab.start[0] + slab.features.shape[1]
        while self._done < len(self._lower) and self._needed(self._done) < end:
            self.labels[self._done] = self._plane_labels(slab, self._lower[self._done], self._share[self._done])
            self._done += 1
        self._last_plane = slab.features[:, -1].clone()

    def _needed(self, output: int) -> int:
        return self._lower[output] + (self._share[output] > 0)

    def _plane_labels(self, slab: Block, lower: int, share: float) -> np.ndarray:
        first, planes = slab.start[0], slab.features
        below = self._last_plane if lower < first else planes[:, lower - first]
        plane = below.to(planes.device).lerp(planes[:, lower + 1 - first], share) if share else below
        return self._head.labels_of(self._taps_y.apply(self._taps_x.apply(plane, 2), 1))  # y last: whole rows are copied
