"""Regions of interest as boxes of voxels."""

import numpy as np
import pytest
import slicer

from MedSegDLLib.errors import InputError
from MedSegDLLib.options import Region
from MedSegDLScene.regions import pointsOfRoi, regionFromRoi
from Testing.scene.examples import GRIDS, bendingTransform, linearTransform, rotation, volumeOn


def _roi(center, size, name="ROI"):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
    node.SetCenter(center)
    node.SetSize(size)
    return node


def _alongVoxels(geometry, firstIjk, lastIjk, margin=0.25):
    """A ROI whose edges run along the grid's axes, `margin` of a voxel wider than the centres of these voxels."""
    toRas = geometry.affine_ijk_to_ras
    middle = (np.add(firstIjk, lastIjk) / 2).tolist()
    node = _roi((0, 0, 0), ((np.subtract(lastIjk, firstIjk) + 2 * margin) * geometry.spacing).tolist())
    matrix = np.eye(4)
    matrix[:3, :3] = toRas[:3, :3] / geometry.spacing
    matrix[:3, 3] = (toRas @ [*middle, 1])[:3]
    node.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(matrix))
    return node


@pytest.mark.parametrize("grid", ["plain", "anisotropic", "oblique", "permuted"])
def test_a_roi_along_the_volumes_axes_is_exactly_its_voxels(grid):
    geometry = GRIDS[grid]
    region = regionFromRoi(_alongVoxels(geometry, (1, 2, 1), (4, 3, 3)), volumeOn(geometry))
    assert region == Region((1, 2, 1), (4, 2, 3))


def test_voxel_centres_on_the_faces_of_the_roi_belong_to_it():
    geometry = GRIDS["anisotropic"]
    region = regionFromRoi(_alongVoxels(geometry, (1, 2, 1), (4, 3, 3), margin=0), volumeOn(geometry))
    assert region == Region((1, 2, 1), (4, 2, 3))


@pytest.mark.parametrize("grid", GRIDS)
def test_of_a_rotated_roi_every_voxel_centre_inside_is_in_the_region_and_no_face_could_move_in(grid):
    geometry = GRIDS[grid]
    middle = np.array(geometry.affine_ijk_to_ras @ [3, 2.5, 2, 1])[:3]
    node = _roi((0, 0, 0), (3.1, 2.3, 9.7))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(33, "z") @ rotation(20, "x"), middle
    node.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(matrix))
    region = regionFromRoi(node, volumeOn(geometry))
    index = np.moveaxis(np.indices(geometry.size), 0, -1).reshape(-1, 3)
    ras = geometry.index_to_physical(index) * (-1, -1, 1)
    inside = np.all(np.abs((ras - middle) @ matrix[:3, :3]) <= np.array(node.GetSize()) / 2, axis=1)
    last = np.add(region.start_ijk, region.size) - 1
    assert inside.any()
    assert np.all(index[inside] >= region.start_ijk)
    assert np.all(index[inside] <= last)
    corners = geometry.physical_to_index(pointsOfRoi(node, volumeOn(geometry)))
    assert np.all(np.array(region.start_ijk) >= np.maximum(corners.min(axis=0) - 1e-6, 0))
    assert np.all(last <= np.minimum(corners.max(axis=0) + 1e-6, np.array(geometry.size) - 1))


def test_a_volume_under_a_transform_is_asked_where_it_is_seen():
    geometry = GRIDS["oblique"]
    node = _alongVoxels(geometry, (1, 2, 1), (4, 3, 3))
    volume = volumeOn(geometry)
    turn = linearTransform(rotation(70, "y"))
    volume.SetAndObserveTransformNodeID(turn.GetID())
    with pytest.raises(InputError, match="outside of the volume"):
        regionFromRoi(node, volume)
    node.SetAndObserveTransformNodeID(turn.GetID())
    assert regionFromRoi(node, volume) == Region((1, 2, 1), (4, 2, 3))


def test_a_roi_and_a_volume_under_different_transforms():
    geometry = GRIDS["oblique"]
    node = _alongVoxels(geometry, (1, 2, 1), (4, 3, 3))
    volume = volumeOn(geometry)
    shift = np.eye(4)
    shift[:3, 3] = geometry.affine_ijk_to_ras[:3, 0] * 2  # the ROI moves by two columns, the volume by one the other way
    node.SetAndObserveTransformNodeID(linearTransform(shift).GetID())
    shift[:3, 3] *= -0.5
    volume.SetAndObserveTransformNodeID(linearTransform(shift).GetID())
    assert regionFromRoi(node, volume) == Region((4, 2, 1), (3, 2, 3))  # clipped: the last column is 6


def test_under_a_transform_that_bends_the_whole_roi_is_inside():
    geometry = GRIDS["plain"]
    node = _alongVoxels(geometry, (1, 2, 1), (4, 3, 3))
    transform = bendingTransform()
    node.SetAndObserveTransformNodeID(transform.GetID())
    region = regionFromRoi(node, volumeOn(geometry))
    moved = transform.GetTransformToParent().TransformPoint((-2.5, -2.5, 2.0))  # the middle of the ROI, RAS
    index = geometry.physical_to_index(np.array(moved) * (-1, -1, 1))
    assert np.all(np.rint(index) >= region.start_ijk)
    assert np.all(np.rint(index) < np.add(region.start_ijk, region.size))


def test_a_thin_roi_between_two_slices_is_the_slice_that_it_lies_in():
    geometry = GRIDS["anisotropic"]
    node = _alongVoxels(geometry, (0, 0, 2.3), (6, 5, 2.3), margin=0.1)
    assert regionFromRoi(node, volumeOn(geometry)) == Region((0, 0, 2), (7, 6, 1))


def test_a_roi_larger_than_the_volume_is_the_whole_volume():
    geometry = GRIDS["oblique"]
    assert regionFromRoi(_alongVoxels(geometry, (-30, -30, -30), (30, 30, 30)), volumeOn(geometry)) == Region(
        (0, 0, 0), (7, 6, 5)
    )


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: _roi((500, 500, 500), (10, 10, 10)), "'ROI' and 'MR': The region of interest lies outside of the volume"),
        (lambda: _roi((0, 0, 0), (10, 0, 10)), "'ROI' has no size"),
        (lambda: slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "ROI"), "'ROI' has no size"),
    ],
)
def test_a_roi_that_says_nothing_is_refused_with_a_sentence(make, sentence):
    with pytest.raises(InputError, match=sentence):
        regionFromRoi(make(), volumeOn(GRIDS["plain"]))
