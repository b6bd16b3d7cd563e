"""How a grid is laid on paper as a radiologist expects it; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MedSegDLLib.geometry import Geometry
from MedSegDLLib.sides import side


@dataclass(frozen=True)
class View:
    """How a grid is laid on paper: which of its axes (0, 1, 2 = i, j, k) goes across the slices, right and down."""

    across: int
    right: int
    down: int
    right_flipped: bool
    down_flipped: bool

    def slice_of(self, volume: np.ndarray, number: int) -> np.ndarray:
        """Slice `number` of a (Z, Y, X) array as (down, right)."""
        plane = np.moveaxis(volume, (2 - self.across, 2 - self.down, 2 - self.right), (0, 1, 2))[number]
        return plane[:: -1 if self.down_flipped else 1, :: -1 if self.right_flipped else 1]

    def sides(self, geometry: Geometry) -> tuple[str, str, str, str]:
        """Which side of the patient the picture's left, right, top and bottom edge is."""
        right = geometry.axes[:, self.right] * (-1 if self.right_flipped else 1)
        down = geometry.axes[:, self.down] * (-1 if self.down_flipped else 1)
        return side(-right), side(right), side(-down), side(down)


def view_of(geometry: Geometry) -> View:
    """The view across the slices: the axis with clearly the largest spacing, else the one nearest to head-feet."""
    spacing = np.array(geometry.spacing)
    across = int(np.argmax(spacing)) if spacing.max() > 1.2 * np.median(spacing) else int(np.argmax(np.abs(geometry.axes[2])))
    normal = int(np.argmax(np.abs(geometry.axes[:, across])))
    # Directions on paper in LPS by the plane that is nearest: sagittal, coronal, axial.
    to_right = np.eye(3)[1] if normal == 0 else np.eye(3)[0]
    downwards = np.eye(3)[1] if normal == 2 else -np.eye(3)[2]
    first, second = (axis for axis in range(3) if axis != across)
    along = {axis: geometry.axes[:, axis] for axis in (first, second)}
    straight = abs(along[first] @ to_right) + abs(along[second] @ downwards)
    turned = abs(along[second] @ to_right) + abs(along[first] @ downwards)
    right, down = (first, second) if straight >= turned else (second, first)
    return View(across, right, down, bool(along[right] @ to_right < 0), bool(along[down] @ downwards < 0))
