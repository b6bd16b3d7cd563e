"""Images and label maps: an array together with the grid on which it lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry


@dataclass(frozen=True)
class Image:
    """Intensities: `array` (C, Z, Y, X) of any real number type on `geometry`; `name` is what a person calls it.

    Raises InputError if array and geometry do not fit together.
    """

    array: np.ndarray
    geometry: Geometry
    name: str = ""

    def __post_init__(self) -> None:
        _check_shape(self.array.shape, 4, self.geometry, "An image")

    @property
    def channels(self) -> int:
        return self.array.shape[0]


@dataclass(frozen=True)
class LabelMap:
    """One integer a voxel: `array` (Z, Y, X) of an integer type on `geometry`; 0 is background.

    Raises InputError if array and geometry do not fit together or the array does not hold integers.
    """

    array: np.ndarray
    geometry: Geometry
    name: str = ""

    def __post_init__(self) -> None:
        _check_shape(self.array.shape, 3, self.geometry, "A label map")
        if not np.issubdtype(self.array.dtype, np.integer):
            raise InputError(f"A label map holds whole numbers, but this one has {self.array.dtype} values.")


def _check_shape(shape: tuple[int, ...], dimensions: int, geometry: Geometry, what: str) -> None:
    if len(shape) != dimensions or shape[-3:] != geometry.shape_zyx:
        raise InputError(f"{what} on a grid of {geometry.shape_zyx} (z, y, x) voxels cannot have an array of shape {shape}.")
