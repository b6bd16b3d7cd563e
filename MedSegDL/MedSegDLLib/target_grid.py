"""On which voxels the labels of an array are wanted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TargetGrid:
    """Output voxel n (along z, y, x) of `shape` lies at index scale·n + offset of the input array; scale > 0."""

    shape: tuple[int, int, int]
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def lies_on_voxels_of(self, shape: tuple[int, ...]) -> bool:
        """Whether every output voxel is a voxel of an array of `shape`, so that nothing has to be interpolated."""
        axes = zip(self.shape, self.scale, self.offset, shape, strict=True)
        return all(scale == 1 and offset == int(offset) and 0 <= offset <= have - want for want, scale, offset, have in axes)
