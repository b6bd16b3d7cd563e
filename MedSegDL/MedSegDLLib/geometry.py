"""Where voxels lie in the patient: size, spacing, origin and direction of a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from MedSegDLLib.errors import InputError

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Geometry:
    """A regular 3D grid in the patient's LPS space (x to the left, y to posterior, z to superior; mm).

    Everything is in xyz order, as in ITK: index (i, j, k) counts columns, rows, slices, while arrays are indexed
    [k, j, i]. `direction` is the 3x3 matrix in row-major order; its columns are the unit vectors of the i, j, k axes.
    Left-handed directions are legal. Raises InputError for sizes, spacings or directions that describe no grid.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = _IDENTITY

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(int(n) for n in self.size))
        for name in ("spacing", "origin", "direction"):
            object.__setattr__(self, name, tuple(float(v) for v in getattr(self, name)))
        self._check()

    def _check(self) -> None:
        if len(self.size) != 3 or min(self.size) < 1:
            raise InputError(f"A volume needs three positive sizes, but has {self.size}.")
        if len(self.spacing) != 3 or not all(0 < s < math.inf for s in self.spacing):
            raise InputError(f"A volume needs three positive spacings in mm, but has {self.spacing}: correct the header.")
        if len(self.origin) != 3 or not all(map(math.isfinite, self.origin)):
            raise InputError(f"A volume needs a finite origin in mm, but has {self.origin}: correct the header.")
        if len(self.direction) != 9 or not np.allclose(self.axes.T @ self.axes, np.eye(3), atol=1e-3):
            raise InputError(
                f"The volume's axes are not perpendicular unit vectors ({_rounded(self.direction)}): "
                "resample it onto an orthogonal grid first."
            )

    @property
    def axes(self) -> np.ndarray:
        """(3, 3) matrix whose columns are the unit vectors of the i, j and k axes in LPS."""
        return np.array(self.direction).reshape(3, 3)

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """Shape of an array on this grid: (slices, rows, columns)."""
        return self.size[::-1]

    @property
    def spacing_zyx(self) -> tuple[float, float, float]:
        """Spacing in mm in array order."""
        return self.spacing[::-1]

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in millilitres (cm³)."""
        return math.prod(self.spacing) / 1000.0

    @property
    def affine_ijk_to_lps(self) -> np.ndarray:
        """(4, 4) matrix from voxel index (i, j, k) to LPS mm."""
        affine = np.eye(4)
        affine[:3, :3] = self.axes * self.spacing
        affine[:3, 3] = self.origin
        return affine

    @property
    def affine_ijk_to_ras(self) -> np.ndarray:
        """(4, 4) matrix from voxel index (i, j, k) to RAS mm, as Slicer and NIfTI have it."""
        return np.diag([-1.0, -1.0, 1.0, 1.0]) @ self.affine_ijk_to_lps

    def index_to_physical(self, index_ijk: np.ndarray) -> np.ndarray:
        """LPS mm of voxel indices of shape (..., 3); fractions are legal."""
        return np.asarray(index_ijk, float) * self.spacing @ self.axes.T + self.origin

    def physical_to_index(self, point_lps: np.ndarray) -> np.ndarray:
        """Fractional voxel indices (i, j, k) of LPS mm points of shape (..., 3)."""
        return (np.asarray(point_lps, float) - self.origin) @ np.linalg.inv(self.axes).T / self.spacing

    def same_grid(self, other: Geometry, tolerance: float = 0.05) -> bool:
        """Whether both grids have one size and no corner is further apart than `tolerance` of the smallest voxel edge.

        Programs that save an image and its labels round their headers differently: a few hundredths of a voxel are common.
        """
        if self.size != other.size:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.size])).reshape(3, -1).T
        distance = np.linalg.norm(self.index_to_physical(corners) - other.index_to_physical(corners), axis=1)
        return bool(distance.max() <= tolerance * min(self.spacing + other.spacing))

    def cropped(self, start_ijk: tuple[int, int, int], size: tuple[int, int, int]) -> Geometry:
        """The part of this grid that begins at `start_ijk` (may be negative: padding) and has `size` voxels."""
        return Geometry(size, self.spacing, tuple(self.index_to_physical(start_ijk)), self.direction)

    def resampled(self, spacing: tuple[float, float, float]) -> Geometry:
        """The grid with another spacing that covers the same box (outer voxel faces, to the nearest whole voxel).

        The box's centre stays where it is, so that nothing is shifted by half a voxel.
        """
        size = tuple(max(1, round(n * s / t)) for n, s, t in zip(self.size, self.spacing, spacing, strict=True))
        centre = self.index_to_physical((np.array(self.size) - 1) / 2)
        origin = centre - self.axes @ ((np.array(size) - 1) / 2 * np.array(spacing))
        return Geometry(size, spacing, tuple(origin), self.direction)

    def permuted(self, order: tuple[int, int, int], flipped: tuple[bool, bool, bool]) -> Geometry:
        """The same voxels with axes reordered and turned round: new axis n is old axis order[n], reversed if flipped[n]."""
        first = np.array([self.size[axis] - 1 if flip else 0 for axis, flip in zip(order, flipped, strict=True)])
        old_index = np.zeros(3)
        old_index[list(order)] = first
        axes = self.axes[:, list(order)] * np.where(flipped, -1.0, 1.0)
        return Geometry(
            tuple(self.size[axis] for axis in order),
            tuple(self.spacing[axis] for axis in order),
            tuple(self.index_to_physical(old_index)),
            tuple(axes.ravel()),
        )


def _rounded(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)
