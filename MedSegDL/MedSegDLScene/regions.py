"""A region of interest that a person has drawn, as a box of voxels of a volume."""

from __future__ import annotations

from itertools import product

import numpy as np
import slicer

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.options import Region
from MedSegDLScene.placing import transformBetween
from MedSegDLScene.volumes import checkHasVoxels, geometryOfVolume

_STEPS = 9  # points along each edge of the box: under a transform that bends, its corners are not the outermost points


def regionFromRoi(roiNode: slicer.vtkMRMLMarkupsROINode, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> Region:
    """The smallest box of voxels that holds every voxel centre inside the ROI, clipped to the volume.

    It is aligned with the volume's voxels, so of a rotated ROI it also holds what lies round its corners. Transforms above
    both nodes are taken into account. Raises InputError for an empty volume, a ROI without size or outside of the volume.
    """
    checkHasVoxels(volumeNode)
    try:
        return regionOfPoints(pointsOfRoi(roiNode, volumeNode), geometryOfVolume(volumeNode))
    except InputError as reason:
        raise InputError(f"'{roiNode.GetName()}' and '{volumeNode.GetName()}': {reason}") from reason


def pointsOfRoi(roiNode: slicer.vtkMRMLMarkupsROINode, volumeNode: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """(N, 3) points in and on the ROI, its corners among them, in the volume's own space in LPS mm.

    Raises InputError for a ROI without size.
    """
    size = np.array(roiNode.GetSize())
    if roiNode.GetNumberOfControlPoints() == 0 or not np.all(size > 0):
        raise InputError(f"The region of interest '{roiNode.GetName()}' has no size: draw it first, or choose none.")
    steps = np.linspace(-0.5, 0.5, _STEPS)
    points = np.array(list(product(steps, repeat=3))) * size
    objectToNode = slicer.util.arrayFromVTKMatrix(roiNode.GetObjectToNodeMatrix())
    points = points @ objectToNode[:3, :3].T + objectToNode[:3, 3]
    transform = transformBetween(roiNode, volumeNode)
    if transform is not None:
        points = np.array([transform.TransformPoint(point) for point in points])
    return points * (-1, -1, 1)


def regionOfPoints(pointsLps: np.ndarray, geometry: Geometry) -> Region:
    """The smallest region of the grid that holds every voxel centre between the points, at least one voxel along each axis.

    Raises InputError where it lies outside of the grid.
    """
    index = geometry.physical_to_index(pointsLps)
    lowest, highest = index.min(axis=0), index.max(axis=0)
    if np.any(highest < -0.5) or np.any(lowest > np.array(geometry.size) - 0.5):
        raise InputError("The region of interest lies outside of the volume: move it so that it overlaps, or choose none.")
    first, last = np.ceil(np.round(lowest, 6)), np.floor(np.round(highest, 6))
    thin = last < first  # between two voxel centres: take the voxel that it lies in
    first[thin] = last[thin] = np.round((lowest + highest)[thin] / 2)
    start = tuple(first.astype(int).tolist())
    return Region(start, tuple((last - first + 1).astype(int).tolist())).clipped_to(geometry)
