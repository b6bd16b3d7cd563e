"""Grids, volumes and labels that the tests of the scene share."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Code, Label, LabelTable, Terminology
from MedSegDLLib.segmentation import Segmentation


def rotation(degrees: float, axis: str) -> np.ndarray:
    """(3, 3) right-handed rotation about x, y or z."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[[i, j, i, j], [i, j, j, i]] = c, c, -s, s
    return matrix


_OBLIQUE = rotation(25, "x") @ rotation(-40, "z") @ rotation(10, "y")
_SAGITTAL = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]], float)  # columns to posterior, rows to inferior, slices to right
GRIDS = {
    "plain": Geometry((7, 6, 5)),
    "anisotropic": Geometry((7, 6, 5), (0.7, 0.9, 4.0), (-12.5, 30.25, 101.0)),
    "oblique": Geometry((7, 6, 5), (1.3, 1.1, 8.0), (40.0, -75.5, 12.25), tuple(_OBLIQUE.ravel())),
    "permuted": Geometry((7, 6, 5), (0.5, 0.6, 1.5), (3.0, -4.0, 5.0), tuple(_SAGITTAL.ravel())),
    "left-handed": Geometry((7, 6, 5), (1.0, 2.0, 3.0), (-9.0, 8.0, 7.0), tuple((_OBLIQUE @ np.diag([1, 1, -1])).ravel())),
}

ATRIUM = Label(3, "left atrium", (10, 20, 30))
VENTRICLE = Label(
    1,
    "left ventricle",
    (230, 25, 75),
    Terminology(Code("SCT", "123037004", "Anatomical Structure"), Code("SCT", "87878005", "Left ventricle")),
)
FEMUR = Label(
    2,
    "femur, left",
    (255, 255, 0),
    Terminology(
        Code("SCT", "272673000", "Bone"),
        Code("SCT", "71341001", "Femur"),
        Code("SCT", "7771000", "Left"),
        Code("SCT", "61685007", "Lower limb"),
    ),
)
LABELS = LabelTable((VENTRICLE, FEMUR, ATRIUM))
ALGORITHM = "MedSegDL lv_test"


def volumeOn(geometry: Geometry, name: str = "MR") -> slicer.vtkMRMLScalarVolumeNode:
    """A volume node of random int16 voxels."""
    array = np.random.default_rng(0).integers(-1000, 1000, geometry.shape_zyx).astype(np.int16)
    return slicer.util.addVolumeFromArray(array, geometry.affine_ijk_to_ras, name)


def labelmapOn(geometry: Geometry) -> LabelMap:
    """Values 0, 1, 2, 3 at random, the outermost voxels 0."""
    array = np.zeros(geometry.shape_zyx, np.uint8)
    inner = tuple(slice(1, -1) for _ in range(3))
    array[inner] = np.random.default_rng(1).integers(0, 4, array[inner].shape)
    return LabelMap(array, geometry)


def segmentationOn(geometry: Geometry) -> Segmentation:
    return Segmentation(labelmapOn(geometry), LABELS)


def linearTransform(matrix: np.ndarray, name: str = "linear") -> slicer.vtkMRMLTransformNode:
    """A transform node; `matrix` (4, 4) or (3, 3) goes from the nodes below it to what is above it, in RAS."""
    whole = np.eye(4)
    whole[: len(matrix), : len(matrix)] = matrix
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(whole))
    return node


def bendingTransform() -> slicer.vtkMRMLTransformNode:
    """A transform node that bends: a thin-plate spline which pulls one point of six by 5 mm."""
    points, moved = vtk.vtkPoints(), vtk.vtkPoints()
    for point in np.vstack([np.eye(3), -np.eye(3)]) * 80.0:
        points.InsertNextPoint(point)
        moved.InsertNextPoint(point + (5.0 if point[0] > 0 else 0.0))
    spline = vtk.vtkThinPlateSplineTransform()
    spline.SetSourceLandmarks(points)
    spline.SetTargetLandmarks(moved)
    spline.SetBasisToR()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "bending")
    node.SetAndObserveTransformToParent(spline)
    return node


def segmentNames(node: slicer.vtkMRMLSegmentationNode) -> list[str]:
    segments = node.GetSegmentation()
    return [segments.GetSegment(segmentId).GetName() for segmentId in segments.GetSegmentIDs()]


def tagOf(segment: slicer.vtkSegment, name: str) -> str:
    text = vtk.mutable("")
    return str(text) if segment.GetTag(name, text) else ""
