"""Volume nodes as the engine's Image and LabelMap."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLScene.grids import geometryFromMatrix


def imageFromVolume(volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> Image:
    """A copy of the node's voxels, (1, Z, Y, X) float32 or the stored integer type, on the node's own grid.

    A transform above the node is left aside: the result belongs under the same transform, where it lands in the same place.
    Raises InputError for no node, another kind of node, no voxels, several values a voxel, and values that are no numbers.
    """
    checkIsImage(volumeNode)
    voxels = slicer.util.arrayFromVolume(volumeNode)
    fractions = np.issubdtype(voxels.dtype, np.floating)
    array = voxels.astype(np.float32 if fractions else voxels.dtype)
    if fractions and (wrong := array.size - int(np.isfinite(array).sum())):
        raise notFinite(volumeNode.GetName(), wrong)
    return Image(array[np.newaxis], geometryOfVolume(volumeNode), volumeNode.GetName())


def labelmapFromVolume(volumeNode: slicer.vtkMRMLLabelMapVolumeNode | None) -> LabelMap:
    """A copy of a label map node's voxels, (Z, Y, X) integers, on the node's own grid.

    Raises InputError for no node, another kind of node, no voxels, several values a voxel, and values with fractions.
    """
    _checkKind(volumeNode, "vtkMRMLLabelMapVolumeNode", "a label map")
    voxels = slicer.util.arrayFromVolume(volumeNode)
    array = voxels.astype(np.int32 if np.issubdtype(voxels.dtype, np.floating) else voxels.dtype)
    if not np.array_equal(array, voxels):
        raise InputError(f"The label map '{volumeNode.GetName()}' has values that are no whole numbers: load it as an image.")
    return LabelMap(array, geometryOfVolume(volumeNode), volumeNode.GetName())


def geometryOfVolume(volumeNode: slicer.vtkMRMLVolumeNode) -> Geometry:
    """The node's own grid, without the transforms above it; raises InputError where its axes are not perpendicular."""
    ijkToRas = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(ijkToRas)
    return geometryFromMatrix(ijkToRas, volumeNode.GetImageData().GetExtent())


def checkHasVoxels(volumeNode: slicer.vtkMRMLVolumeNode | None) -> None:
    """Raise InputError where there is no node or nothing in it."""
    if volumeNode is None:
        raise InputError("No volume is chosen: load a volume and choose it.")
    image = volumeNode.GetImageData()
    if image is None or not image.GetPointData().GetScalars() or min(image.GetDimensions()) < 1:
        raise InputError(f"The volume '{volumeNode.GetName()}' is empty: load it again or choose another one.")


def checkIsImage(volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    """Raise InputError where `imageFromVolume` does, but for values that are no numbers: the voxels are not looked at."""
    _checkKind(volumeNode, "vtkMRMLScalarVolumeNode", "an image with one grey value a voxel")


def notFinite(name: str, voxels: int) -> InputError:
    """What is said of an image with so many voxels whose values are no numbers."""
    return InputError(f"'{name}' has {voxels} voxels without a finite value: replace or crop them first.")


def _checkKind(volumeNode: slicer.vtkMRMLVolumeNode | None, className: str, expected: str) -> None:
    checkHasVoxels(volumeNode)
    components = volumeNode.GetImageData().GetNumberOfScalarComponents()
    if components != 1:
        raise InputError(
            f"'{volumeNode.GetName()}' has {components} values a voxel (colour or vectors), but {expected} is needed: "
            "make one with the module 'Vector to Scalar Volume'."
        )
    if volumeNode.GetClassName() != className:
        raise InputError(
            f"'{volumeNode.GetName()}' is {_kindOf(volumeNode)}, but {expected} is needed: choose another volume, "
            "or convert this one in the module 'Volumes'."
        )


def _kindOf(volumeNode: slicer.vtkMRMLVolumeNode) -> str:
    kinds = {"vtkMRMLLabelMapVolumeNode": "a label map", "vtkMRMLScalarVolumeNode": "an image"}
    return kinds.get(volumeNode.GetClassName(), f"a {volumeNode.GetNodeTagName()}")
