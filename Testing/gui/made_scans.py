"""Synthetic scans for the whole round: discs of a bright core and a dimmer rim, beside a bar as bright as the rim."""

from __future__ import annotations

import numpy as np
import slicer

from MedSegDLLib.geometry import Geometry
from Testing.scene.examples import linearTransform, rotation

NAME = "Disc"  # of the segment
_SHAPE_ZYX = (6, 56, 64)
_RIM = 4  # voxels


def add_scan(patient: int) -> slicer.vtkMRMLScalarVolumeNode:
    """A volume node "Scan N": anisotropic, oblique in another way for each patient, every third one under a transform."""
    tilt = rotation(12 * patient, "x") @ rotation(-20 * patient, "z")
    grid = Geometry(_SHAPE_ZYX[::-1], (1.4, 1.3, 8.0), (-30.0 + patient, -25.0, 10.0), tuple(tilt.ravel()))
    volume = slicer.util.addVolumeFromArray(_voxels(patient), grid.affine_ijk_to_ras, f"Scan {patient}")
    if patient % 3 == 0:
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = rotation(30, "y"), (15, -40, 25)
        volume.SetAndObserveTransformNodeID(linearTransform(matrix, f"Moves scan {patient}").GetID())
    return volume


def right_answer(patient: int) -> np.ndarray:
    """(Z, Y, X) uint8: the disc is core and rim, on all slices but the outer ones."""
    whole, _ = _disc(patient)
    return whole.astype(np.uint8)


def _voxels(patient: int) -> np.ndarray:
    """(Z, Y, X) int16, as bright as a scanner that knows no units makes it."""
    whole, core = _disc(patient)
    dice = np.random.default_rng(100 + patient)
    voxels = 100 + dice.normal(0, 8, _SHAPE_ZYX)
    voxels[whole] += 150
    voxels[core] += 150
    voxels[:, :, 58:62] += 150
    return (voxels * dice.uniform(0.5, 2)).astype(np.int16)


def _disc(patient: int) -> tuple[np.ndarray, np.ndarray]:
    """The disc, and its core."""
    dice = np.random.default_rng(patient)
    z, y, x = np.mgrid[tuple(map(slice, _SHAPE_ZYX))]
    centre_y, centre_x, radius = 28 + dice.integers(-5, 6), 30 + dice.integers(-5, 6), 7 + dice.integers(0, 3)
    distance, inner = np.hypot(y - centre_y, x - centre_x), (z > 0) & (z < _SHAPE_ZYX[0] - 1)
    return (distance < radius + _RIM) & inner, (distance < radius) & inner
