"""Grids and voxels: MedSegDLLib's Geometry (LPS) and VTK's images (RAS).

A node's grid is always its own one: a transform above the node moves the grid in the world and is no part of it.
"""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

from MedSegDLLib.geometry import Geometry

# What Slicer calls the representations of a segment; its C++ names have changed, these texts are in every saved file.
BINARY_LABELMAP, CLOSED_SURFACE = "Binary labelmap", "Closed surface"

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def geometryFromMatrix(ijkToRas: vtk.vtkMatrix4x4, extent: tuple[int, ...]) -> Geometry:
    """The grid of the voxels in `extent` (first and last index along i, j, k) of an image with that matrix.

    Raises InputError where voxel axes are not perpendicular or have no length.
    """
    affine = _RAS_TO_LPS @ slicer.util.arrayFromVTKMatrix(ijkToRas)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    axes = affine[:3, :3] / np.where(spacing > 0, spacing, 1)  # Geometry names a spacing of zero in its sentence
    start, last = np.array(extent[::2]), np.array(extent[1::2])
    origin = affine[:3, 3] + affine[:3, :3] @ start
    return Geometry(tuple(last - start + 1), tuple(spacing), tuple(origin), tuple(axes.ravel()))


def extentOf(geometry: Geometry) -> tuple[int, ...]:
    """First and last index along i, j, k of the whole grid."""
    return tuple(bound for size in geometry.size for bound in (0, size - 1))


def emptyOrientedImage(geometry: Geometry) -> slicer.vtkOrientedImageData:
    """The grid without voxels, as Slicer's resampling wants a reference."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(geometry.size)
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(geometry.affine_ijk_to_ras))
    return image


def orientedImageFromArray(array: np.ndarray, geometry: Geometry) -> slicer.vtkOrientedImageData:
    """A copy of `array` (Z, Y, X; not negative) in 8 or 16 bits, cropped to the box of its voxels that are not 0.

    The box is an extent of the whole grid, so that Slicer still sees the geometry of the whole grid. An array of zeros
    only keeps its first voxel.
    """
    occupied = [np.flatnonzero(array.any(axis=axes)) for axes in ((0, 1), (0, 2), (1, 2))]  # i, j, k
    first = [int(index[0]) if index.size else 0 for index in occupied]
    last = [int(index[-1]) if index.size else 0 for index in occupied]
    image = emptyOrientedImage(geometry)
    image.SetExtent(first[0], last[0], first[1], last[1], first[2], last[2])
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR if array.max() < 256 else vtk.VTK_UNSIGNED_SHORT, 1)
    box = tuple(slice(low, high + 1) for low, high in zip(first[::-1], last[::-1], strict=True))
    arrayFromImageData(image)[:] = array[box]
    return image


def arrayFromImageData(image: vtk.vtkImageData) -> np.ndarray:
    """Live (Z, Y, X) view of the voxels of an image with one value a voxel."""
    return numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
