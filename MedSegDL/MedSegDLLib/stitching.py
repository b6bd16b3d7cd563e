"""Adding overlapping patches up, and handing every part of the volume on as soon as no later patch touches it.

The volume is cut into cells at all places where patches begin and end, so that a patch covers a cell wholly or not at
all. A cell exists from the first patch that covers it to the last one: memory grows with one slab of patches, not with
the volume.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import torch

from MedSegDLLib.device import is_out_of_memory
from MedSegDLLib.windows import importance_map

_HOST = torch.device("cpu")


@dataclass(frozen=True)
class Block:
    """A finished part of the stitched volume: `features` (F, Z, Y, X) begin at voxel `start` (z, y, x)."""

    start: tuple[int, int, int]
    features: torch.Tensor


@dataclass(frozen=True)
class _Span:
    """A piece of one axis between two neighbouring cuts, and where the patches that cover it begin."""

    start: int
    end: int
    patches: tuple[int, ...]

    def within(self, patch_start: int) -> slice:
        """This piece in the voxels of a patch."""
        return slice(self.start - patch_start, self.end - patch_start)


@dataclass
class _Cell:
    sums: torch.Tensor  # (F, Z, Y, X): Σ weight · feature
    awaited: int  # patches that have yet to come


class Stitcher:
    """The mean of overlapping patches, weighted by a Gaussian.

    `starts_zyx` are the first voxels of the patches along each axis; every patch of their product must be added, in order
    of z. Sums are float32 on `device`, and move to the host for good if there is no room for them.
    """

    def __init__(self, starts_zyx: list[list[int]], patch_size: tuple[int, ...], device: torch.device = _HOST) -> None:
        self._patch_size, self.device = patch_size, device
        self._importance = importance_map(patch_size).to(device)
        self._spans = [_spans(starts, length) for starts, length in zip(starts_zyx, patch_size, strict=True)]
        self._cells: dict[tuple[int, ...], _Cell] = {}

    def add(self, start_zyx: tuple[int, int, int], features: torch.Tensor) -> Iterator[Block]:
        """Add one patch (F, *patch_size), any floating type; run the iterator to its end to get the blocks it finished."""
        for spans in product(*map(_covered, self._spans, start_zyx, self._patch_size)):
            box = tuple(map(_Span.within, spans, start_zyx))
            piece = features[(slice(None), *box)]
            key = tuple(span.start for span in spans)
            cell = self._cells.get(key)
            if cell is None:
                self._cells[key] = cell = _Cell(self._first(piece, box), math.prod(len(span.patches) for span in spans))
            else:
                cell.sums.addcmul_(piece.to(self.device, torch.float32), self._importance[box])
            cell.awaited -= 1
            if not cell.awaited:
                yield Block(key, self._cells.pop(key).sums.div_(self._all_weights(spans)))

    def move_to_host(self) -> bool:
        """Bring all sums to host memory, to make room on the device; False if they are there already."""
        if self.device == _HOST:
            return False
        self.device, self._importance = _HOST, self._importance.to(_HOST)
        for cell in self._cells.values():
            cell.sums = cell.sums.to(_HOST)
        return True

    def _first(self, piece: torch.Tensor, box: tuple[slice, ...]) -> torch.Tensor:
        """Sums of one patch so far, in the memory order of the features."""
        try:
            return piece.to(self.device) * self._importance[box]
        except (RuntimeError, MemoryError) as reason:
            if not is_out_of_memory(reason) or not self.move_to_host():
                raise
            return piece.to(self.device) * self._importance[box]

    def _all_weights(self, spans: tuple[_Span, ...]) -> torch.Tensor:
        """Σ weight of a cell over the patches that cover it: cheaper to add up once more than to keep."""
        starts = product(*(span.patches for span in spans))
        return sum(self._importance[tuple(map(_Span.within, spans, start))] for start in starts)


def _spans(starts: list[int], patch: int) -> list[_Span]:
    cuts = sorted({cut for start in starts for cut in (start, start + patch)})
    return [_Span(a, b, tuple(start for start in starts if start <= a and b <= start + patch)) for a, b in pairwise(cuts)]


def _covered(spans: list[_Span], start: int, patch: int) -> list[_Span]:
    return [span for span in spans if start <= span.start and span.end <= start + patch]
