"""Grids that a reader or writer may get wrong: oblique, left-handed, permuted, off origin, anisotropic."""

import numpy as np

from MedSegDLLib.geometry import Geometry


def rotation(x: float, y: float, z: float) -> np.ndarray:
    """Rotation by angles in degrees about x, then y, then z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians([x, y, z])), np.sin(np.radians([x, y, z]))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def _grid(axes: np.ndarray, spacing=(1.25, 0.7, 8.5), origin=(-193.125, 87.5, 1034.25)) -> Geometry:
    return Geometry((7, 6, 5), spacing, origin, tuple(np.asarray(axes, float).ravel()))


GRIDS = {
    "plain": Geometry((7, 6, 5)),
    "anisotropic, off origin": _grid(np.eye(3)),
    "oblique": _grid(rotation(20, -35, 50)),
    "left-handed": _grid(np.diag([1.0, 1.0, -1.0])),
    "oblique, left-handed": _grid(rotation(-75, 12, 130) @ np.diag([1.0, -1.0, 1.0])),
    "permuted": _grid([[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
    "permuted, left-handed": _grid([[0, 1, 0], [1, 0, 0], [0, 0, 1]]),
    "upside down": _grid(rotation(180, 0, 0)),
}
