"""Adding overlapping patches up, and handing every part of the volume on as soon as no later patch touches it.

The volume is cut into cells at the places where patches begin and end: along z, and along y as well where that is allowed.
A cell exists from the first patch that touches it to the last one, so memory grows with one slab of patches, not with the
volume. Cells span the whole of x, so that memory is walked in long runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch

from MedSegDLLib.device import is_out_of_memory
from MedSegDLLib.windows import importance_map

Interval = tuple[int, int]
_HOST = torch.device("cpu")
# Features that are added at a time: bounds the copy that a shorter number format needs, and is enough for all cores.
_PIECE = 2**20


@dataclass(frozen=True)
class Block:
    """A finished part of the stitched volume: `features` (F, Z, Y, X) begin at voxel (z, y, 0)."""

    z: int
    y: int
    features: torch.Tensor


@dataclass
class _Cell:
    sums: torch.Tensor  # (F, Z, Y, X): Σ weight · feature
    weights: torch.Tensor  # (Z, Y, X): Σ weight
    awaited: int  # patches that have yet to come

    def to(self, device: torch.device) -> _Cell:
        return _Cell(self.sums.to(device), self.weights.to(device), self.awaited)


class Stitcher:
    """The mean of overlapping patches, weighted by a Gaussian.

    `starts_zyx` are the first voxels of the patches along each axis; every patch of their product must be added, in order
    of z. With `bands`, blocks are cut along y, too, which holds less in memory; without, each block is whole planes.
    Sums are float32 on `device`, and move to the host for good if there is no room for them.
    """

    def __init__(
        self, starts_zyx: list[list[int]], patch_size: tuple[int, ...], bands: bool, device: torch.device = _HOST
    ) -> None:
        self._patch_size, self.device = patch_size, device
        self._importance = importance_map(patch_size)
        ends = [starts[-1] + length for starts, length in zip(starts_zyx, patch_size, strict=True)]
        self._columns, self._patches_along_x = ends[2], len(starts_zyx[2])
        touched_z = _touched(_cuts(starts_zyx[0], patch_size[0]), starts_zyx[0], patch_size[0])
        cuts_y = _cuts(starts_zyx[1], patch_size[1]) if bands else [(0, ends[1])]
        self._awaited_z, self._awaited_y = touched_z, _touched(cuts_y, starts_zyx[1], patch_size[1])
        self._cells: dict[tuple[Interval, Interval], _Cell] = {}

    def add(self, start_zyx: tuple[int, int, int], features: torch.Tensor) -> Iterator[Block]:
        """Add one patch (F, *patch_size), any floating type; run the iterator to its end to get the blocks it finished."""
        z0, y0, _ = start_zyx
        keys = [
            (z, y)
            for z in _touching(self._awaited_z, z0, self._patch_size[0])
            for y in _touching(self._awaited_y, y0, self._patch_size[1])
        ]
        for key in keys:
            self._open(key, features)
        features, importance = features.to(self.device), self._importance.to(self.device)
        for key in keys:
            _add(self._cells[key], key, start_zyx, features, importance)
            if not self._cells[key].awaited:
                yield self._finished(key)

    def move_to_host(self) -> bool:
        """Bring all sums to host memory, to make room on the device; False if they are there already."""
        if self.device == _HOST:
            return False
        self.device = _HOST
        self._cells = {key: cell.to(_HOST) for key, cell in self._cells.items()}
        return True

    def _open(self, key: tuple[Interval, Interval], features: torch.Tensor) -> None:
        if key in self._cells:
            return
        try:
            cell = self._empty_cell(key, features)
        except (RuntimeError, MemoryError) as reason:
            if not is_out_of_memory(reason) or not self.move_to_host():
                raise
            cell = self._empty_cell(key, features)
        self._cells[key] = cell

    def _empty_cell(self, key: tuple[Interval, Interval], features: torch.Tensor) -> _Cell:
        shape = (key[0][1] - key[0][0], key[1][1] - key[1][0], self._columns)
        if features.stride(0) == 1:  # channels last: keep that order, or every addition would walk across memory
            sums = torch.zeros(*shape, len(features), device=self.device).permute(3, 0, 1, 2)
        else:
            sums = torch.zeros(len(features), *shape, device=self.device)
        awaited = self._awaited_z[key[0]] * self._awaited_y[key[1]] * self._patches_along_x
        return _Cell(sums, torch.zeros(shape, device=self.device), awaited)

    def _finished(self, key: tuple[Interval, Interval]) -> Block:
        cell = self._cells.pop(key)
        return Block(key[0][0], key[1][0], cell.sums.div_(cell.weights))


def _add(cell: _Cell, key: tuple[Interval, Interval], start: tuple[int, ...], features: torch.Tensor, importance: torch.Tensor):
    """Add the part of a patch at `start` that lies in the cell at `key`, a few planes at a time."""
    (z0, z1), (y0, y1) = key
    depth, height, width = importance.shape
    first, last = max(start[1], y0), min(start[1] + height, y1)
    rows, columns = slice(first - y0, last - y0), slice(start[2], start[2] + width)
    patch_rows = slice(first - start[1], last - start[1])
    z_first, z_last = max(start[0], z0), min(start[0] + depth, z1)
    planes = max(_PIECE // features[:, 0, patch_rows].numel(), 1)
    for z in range(z_first, z_last, planes):
        end = min(z + planes, z_last)
        weights = importance[z - start[0] : end - start[0], patch_rows]
        piece = features[:, z - start[0] : end - start[0], patch_rows].to(cell.sums.dtype)
        cell.sums[:, z - z0 : end - z0, rows, columns].addcmul_(piece, weights)
        cell.weights[z - z0 : end - z0, rows, columns] += weights
    cell.awaited -= 1


def _cuts(starts: list[int], patch: int) -> list[Interval]:
    """The intervals between all places where patches begin or end."""
    places = sorted({place for start in starts for place in (start, start + patch)})
    return list(pairwise(places))


def _touched(intervals: list[Interval], starts: list[int], patch: int) -> dict[Interval, int]:
    """How many patches touch each interval."""
    return {(a, b): sum(start < b and start + patch > a for start in starts) for a, b in intervals}


def _touching(intervals: dict[Interval, int], start: int, patch: int) -> list[Interval]:
    return [(a, b) for a, b in intervals if start < b and start + patch > a]
