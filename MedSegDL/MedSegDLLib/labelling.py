"""From stitched features to labels: the last linear layer, arg max or threshold, in pieces that stay in cache.

Interpolating features linearly and then applying the classifier equals interpolating logits, because both are linear:
Σ w (W f + b) = W (Σ w f) + b for weights w that add up to 1. So labels on a finer grid never need all logits at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import max_pool2d

from MedSegDLLib.stitching import Block
from MedSegDLLib.target_grid import TargetGrid
from MedSegDLLib.uncertainty import Uncertainty

# Voxels whose logits are computed by one matrix product, and logits that are computed at a time: what stays in a
# processor's cache (fewer cost more in waiting for all cores to finish each piece), or what keeps a GPU busy.
_RUN = 512
_LOGITS_ON_HOST, _LOGITS_ON_DEVICE = 2**20, 2**25


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

    def labels_of(self, features: torch.Tensor, uncertainty: Uncertainty | None = None) -> np.ndarray:
        """Labels (…) of features (F, …), in any memory order; how sure they are is added to `uncertainty`."""
        voxels = _columns(features)
        labels = torch.empty(voxels.shape[1], dtype=torch.int32, device=voxels.device)
        room = voxels.new_empty(min(self._step(voxels.device), len(labels)) * self.classes)
        for start, end in self._pieces(voxels):
            columns = voxels[:, start:end].unflatten(1, (-1, min(_RUN, end - start))).transpose(0, 1)
            logits = self._logits(columns, room)
            chosen = _largest(logits) if self.cutoff is None else logits[:, 0] > self.cutoff
            labels[start:end] = chosen.flatten()
            if uncertainty is not None:
                uncertainty.add(logits, chosen.flatten(1))
        return labels.reshape(features.shape[1:]).cpu().numpy().astype(self.label_type)

    def _step(self, device: torch.device) -> int:
        """Voxels to classify at a time, in whole runs."""
        budget = _LOGITS_ON_HOST if device.type == "cpu" else _LOGITS_ON_DEVICE
        return max(budget // (self.classes * _RUN), 1) * _RUN

    def _pieces(self, voxels: torch.Tensor) -> Iterator[tuple[int, int]]:
        """First and last + 1 of the voxels (F, voxels) of each step, then of what is left of the last run."""
        count, step = voxels.shape[1], self._step(voxels.device)
        whole = count - count % _RUN
        yield from ((start, min(start + step, whole)) for start in range(0, whole, step))
        if whole < count:
            yield whole, count

    def _logits(self, columns: torch.Tensor, room: torch.Tensor) -> torch.Tensor:
        """(runs, F, voxels) to (runs, K, voxels), in `room` where they must be computed: fresh memory costs more than that."""
        if self.weight is None:
            return columns
        runs, _, length = columns.shape
        weight, bias = self.weight.to(columns.device), self.bias.to(columns.device)
        out = room[: runs * self.classes * length].view(runs, self.classes, length)
        return torch.baddbmm(bias[:, None], weight.expand(runs, -1, -1), columns, out=out)


def _columns(features: torch.Tensor) -> torch.Tensor:
    """(F, …) as (F, voxels), without a copy where the memory order allows it."""
    last = features.movedim(0, -1)
    return last.flatten(0, -2).T if last.is_contiguous() else features.flatten(1)


def _largest(logits: torch.Tensor) -> torch.Tensor:
    """Arg max over K of (runs, K, voxels); the first of equals.

    On a CPU as max pooling over a column of K pixels with the voxels as channels, which torch computes for many voxels at a
    time: eight times as fast as its arg max, which goes from one number to the next.
    """
    if logits.device.type != "cpu":
        return logits.argmax(dim=1)
    pixels = logits.contiguous().unsqueeze(2).permute(0, 3, 1, 2)  # (runs, voxels, K, 1) in channels_last order
    return max_pool2d(pixels, (logits.shape[1], 1), return_indices=True)[1]


class VoxelLabeller:
    """Labels where the target's voxels are voxels of the stitched volume, which begins `before` voxels earlier."""

    def __init__(
        self, head: Head, target: TargetGrid, before: tuple[int, int, int], uncertainty: Uncertainty | None = None
    ) -> None:
        self._head, self._uncertainty = head, uncertainty
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
        self.labels[tuple(wanted)] = self._head.labels_of(block.features[(slice(None), *inside)], self._uncertainty)


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
        uncertainty: Uncertainty | None = None,
    ) -> None:
        self._head, self._uncertainty, self._slabs = head, uncertainty, _Slabs(padded[1:])
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
        features = self._taps_y.apply(self._taps_x.apply(plane, 2), 1)  # y last: whole rows are copied
        return self._head.labels_of(features, self._uncertainty)
