"""Segmentation nodes as label maps on a volume's grid."""

import numpy as np
import pytest
import slicer
import vtk

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.segmentation import Segmentation
from MedSegDLScene.grids import arrayFromImageData, orientedImageFromArray
from MedSegDLScene.labelmaps import labelmapFromSegmentation
from MedSegDLScene.segments import Existing, addSegmentation, updateSegmentation
from Testing.scene.examples import (
    ALGORITHM,
    ATRIUM,
    FEMUR,
    GRIDS,
    LABELS,
    VENTRICLE,
    bendingTransform,
    labelmapOn,
    linearTransform,
    rotation,
    segmentationOn,
    volumeOn,
)

GRID = GRIDS["oblique"]


def _nodeOn(geometry):
    volume = volumeOn(geometry)
    return addSegmentation(segmentationOn(geometry), volume, ALGORITHM), volume


def _addDrawn(node, segmentId, name, voxels):
    """A segment as somebody draws it: a layer of its own, label value 1; `voxels` are (i, j, k) on GRID."""
    array = np.zeros(GRID.shape_zyx, np.uint8)
    array[tuple(np.transpose(voxels)[::-1])] = 1
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetLabelValue(1)
    segment.AddRepresentation("Binary labelmap", orientedImageFromArray(array, GRID))
    node.GetSegmentation().AddSegment(segment, segmentId)


def _emptyNode():
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "drawn")
    node.CreateDefaultDisplayNodes()
    return node


@pytest.mark.parametrize("make", [lambda: None, lambda: linearTransform(rotation(33, "z") * 1.5), bendingTransform])
@pytest.mark.parametrize("grid", GRIDS)
def test_there_and_back_changes_nothing(grid, make):
    volume, transform = volumeOn(GRIDS[grid]), make()
    volume.SetAndObserveTransformNodeID(transform.GetID() if transform else None)
    node = addSegmentation(segmentationOn(GRIDS[grid]), volume, ALGORITHM)
    back = labelmapFromSegmentation(node, volume, LABELS)
    np.testing.assert_array_equal(back.labelmap.array, labelmapOn(GRIDS[grid]).array)
    assert back.labelmap.array.dtype == np.uint8
    assert back.labelmap.geometry.same_grid(GRIDS[grid], 1e-6)
    assert (back.overlapVoxels, back.leftOut) == (0, ())


def test_renamed_reordered_recoloured_hidden_and_separated_segments_stay_what_they_are():
    node, volume = _nodeOn(GRID)
    segments = node.GetSegmentation()
    segments.GetSegment("left_ventricle").SetName("left atrium")
    segments.GetSegment("left_atrium").SetName("LV")
    segments.GetSegment("femur_left").SetColor(1, 0, 0)
    segments.SetSegmentIndex("left_atrium", 0)
    node.GetDisplayNode().SetSegmentVisibility("femur_left", False)
    segments.SeparateSegmentLabelmap("femur_left")
    assert segments.GetSegment("femur_left").GetLabelValue() == 1  # and it was 2: Slicer has renumbered it
    assert segments.GetNumberOfLayers() == 2
    back = labelmapFromSegmentation(node, volume, LABELS)
    np.testing.assert_array_equal(back.labelmap.array, labelmapOn(GRID).array)
    assert back.overlapVoxels == 0


def test_a_table_with_other_values_gives_those():
    node, volume = _nodeOn(GRID)
    table = LabelTable(
        (Label(300, FEMUR.name, (0, 0, 0)), Label(1, ATRIUM.name, (0, 0, 0)), Label(9, VENTRICLE.name, (0, 0, 0)))
    )
    back = labelmapFromSegmentation(node, volume, table).labelmap.array
    np.testing.assert_array_equal(back, np.array([0, 9, 300, 1])[labelmapOn(GRID).array])
    assert back.dtype == np.uint16


def test_where_segments_overlap_the_later_label_wins_and_the_voxels_are_counted():
    node = _emptyNode()
    _addDrawn(node, "left_atrium", "left atrium", [(1, 1, 1), (2, 1, 1), (3, 1, 1)])
    _addDrawn(node, "left_ventricle", "left ventricle", [(2, 1, 1), (3, 1, 1), (4, 1, 1), (5, 1, 1)])
    _addDrawn(node, "femur_left", "femur, left", [(3, 1, 1), (4, 1, 1)])
    back = labelmapFromSegmentation(node, volumeOn(GRID), LABELS)
    assert back.labelmap.array[1, 1].tolist() == [0, 3, 3, 3, 2, 1, 0]
    assert back.overlapVoxels == 3
    assert back.labelmap.array.sum() == 12


def test_empty_segments_and_no_segments_at_all():
    node = _emptyNode()
    assert labelmapFromSegmentation(node, volumeOn(GRID), LABELS).labelmap.array.max() == 0
    node.GetSegmentation().AddEmptySegment("left_atrium", "left atrium")
    assert labelmapFromSegmentation(node, volumeOn(GRID), LABELS).labelmap.array.max() == 0


def test_other_segments_are_named_in_the_error_or_left_out():
    node = _emptyNode()
    _addDrawn(node, "left_atrium", "left atrium", [(1, 1, 1)])
    _addDrawn(node, "Segment_1", "tumour", [(2, 1, 1)])
    _addDrawn(node, "Segment_2", "bladder", [(3, 1, 1)])
    volume = volumeOn(GRID)
    with pytest.raises(InputError, match=r"'drawn' has segments that are none of the labels .*: tumour, bladder\."):
        labelmapFromSegmentation(node, volume, LABELS)
    back = labelmapFromSegmentation(node, volume, LABELS, leaveOutOthers=True)
    assert back.leftOut == ("tumour", "bladder")
    assert back.labelmap.array[1, 1].tolist() == [0, 3, 0, 0, 0, 0, 0]


def test_results_added_beside_each_other_are_not_mixed_up():
    node, volume = _nodeOn(GRID)
    nothingBut = np.zeros(GRID.shape_zyx, np.uint8)
    nothingBut[0, 0, 0] = 1
    second = Segmentation(LabelMap(nothingBut, GRID), LABELS)
    updateSegmentation(node, second, volume, Existing.KEEP, ALGORITHM)
    back = labelmapFromSegmentation(node, volume, LABELS, leaveOutOthers=True)
    assert back.leftOut == ("left ventricle 2",)
    np.testing.assert_array_equal(back.labelmap.array, labelmapOn(GRID).array)


def test_a_label_map_that_slicer_itself_imported():
    labelmap = labelmapOn(GRID)
    volume = slicer.util.addVolumeFromArray(labelmap.array, GRID.affine_ijk_to_ras, "x", "vtkMRMLLabelMapVolumeNode")
    node = _emptyNode()
    assert slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(volume, node)
    segments = node.GetSegmentation()
    assert segments.GetLayerDataObject(0).GetDimensions() != GRID.size  # Slicer has cropped it
    for segmentId, label in zip(segments.GetSegmentIDs(), LABELS.labels, strict=True):
        segments.GetSegment(segmentId).SetName(label.name)
    back = labelmapFromSegmentation(node, volume, LABELS)
    np.testing.assert_array_equal(back.labelmap.array, labelmap.array)


def test_negative_values_in_a_segments_image_are_background():
    node = _emptyNode()
    _addDrawn(node, "left_atrium", "left atrium", [(1, 1, 1), (2, 1, 1), (3, 1, 1)])
    shorts = vtk.vtkImageCast()
    shorts.SetInputData(node.GetSegmentation().GetLayerDataObject(0))
    shorts.SetOutputScalarTypeToShort()
    shorts.Update()
    arrayFromImageData(shorts.GetOutput())[0, 0, :2] = -1, -2
    node.GetSegmentation().GetLayerDataObject(0).GetPointData().DeepCopy(shorts.GetOutput().GetPointData())
    back = labelmapFromSegmentation(node, volumeOn(GRID), LABELS).labelmap.array
    assert back[1, 1].tolist() == [0, 0, 0, 3, 0, 0, 0]


# --- another grid, other transforms


def _nearest(labelmap, geometry, toLabelmapLps=lambda points: points):
    """What lies nearest at the voxels of another grid: the reference, written with the engine's geometry alone."""
    index = np.moveaxis(np.indices(geometry.size), 0, -1)
    inLabelmap = labelmap.geometry.physical_to_index(toLabelmapLps(geometry.index_to_physical(index)))
    nearest = np.rint(inLabelmap).astype(int)
    inside = ((nearest >= 0) & (nearest < labelmap.geometry.size)).all(axis=-1)
    i, j, k = np.moveaxis(np.where(inside[..., None], nearest, 0), -1, 0)
    return np.where(inside, labelmap.array[k, j, i], 0).T


@pytest.mark.parametrize(
    "geometry",
    [
        GRID.cropped((2, 1, 1), (4, 3, 3)),
        GRID.cropped((-3, -2, -1), (14, 11, 8)),
        Geometry((15, 14, 23), (0.61, 0.57, 1.9), tuple(np.add(GRID.origin, (0.11, -0.07, 0.13))), GRID.direction),
        Geometry((20, 22, 21), (1.03, 1.01, 1.9), (34.0, -95.0, 7.0)),
    ],
    ids=["inside", "around", "finer", "not oblique"],
)
def test_on_another_grid_the_nearest_voxel_counts(geometry):
    node, _ = _nodeOn(GRID)
    back = labelmapFromSegmentation(node, volumeOn(geometry), LABELS).labelmap
    assert back.geometry.same_grid(geometry, 1e-6)
    assert back.array.max() == 3
    np.testing.assert_array_equal(back.array, _nearest(labelmapOn(GRID), geometry))


def test_transforms_of_segmentation_and_volume_are_both_taken_into_account():
    centre = GRID.index_to_physical((3, 2.5, 2)) * (-1, -1, 1)
    turned, ofNode = np.eye(4), np.eye(4)
    turned[:3, :3] = rotation(24, "z") @ rotation(5, "x")  # about the middle of the grid, and a little shifted
    turned[:3, 3] = centre - turned[:3, :3] @ centre + (0.3, -0.4, 0.7)
    ofNode[:3, :3], ofNode[:3, 3] = rotation(31, "y"), (4.0, 2.0, -7.0)
    ofVolume = ofNode @ turned
    node, volume = _nodeOn(GRID)
    node.SetAndObserveTransformNodeID(linearTransform(ofNode).GetID())
    volume.SetAndObserveTransformNodeID(linearTransform(ofVolume).GetID())

    def toSegmentation(points):
        ras = np.concatenate([points * (-1, -1, 1), np.ones((*points.shape[:-1], 1))], axis=-1)
        return (ras @ (np.linalg.inv(ofNode) @ ofVolume).T)[..., :3] * (-1, -1, 1)

    back = labelmapFromSegmentation(node, volume, LABELS).labelmap
    expected = _nearest(labelmapOn(GRID), GRID, toSegmentation)
    assert (expected != labelmapOn(GRID).array).any()
    assert expected.max() == 3
    np.testing.assert_array_equal(back.array, expected)
    np.testing.assert_array_equal(back.array, _exportedBySlicer(node, volume))


def test_bending_transforms_agree_with_slicers_own_export():
    node, volume = _nodeOn(GRID)
    transform = bendingTransform()
    for bent, other in ((node, volume), (volume, node)):
        other.SetAndObserveTransformNodeID(None)
        bent.SetAndObserveTransformNodeID(transform.GetID())
        back = labelmapFromSegmentation(node, volume, LABELS).labelmap.array
        assert (back != labelmapOn(GRID).array).any()
        np.testing.assert_array_equal(back, _exportedBySlicer(node, volume))


def _exportedBySlicer(node, volume):
    """Slicer numbers segments by their order, which is that of the values here."""
    exported = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "exported")
    ids = vtk.vtkStringArray()
    for segmentId in node.GetSegmentation().GetSegmentIDs():
        ids.InsertNextValue(segmentId)
    assert slicer.modules.segmentations.logic().ExportSegmentsToLabelmapNode(node, ids, exported, volume)
    return slicer.util.arrayFromVolume(exported)


# --- surfaces


def _ball(centreRas, radius):
    ball = vtk.vtkSphereSource()
    ball.SetCenter(centreRas)
    ball.SetRadius(radius)
    ball.SetThetaResolution(64)
    ball.SetPhiResolution(64)
    ball.Update()
    return ball.GetOutput()


_FINE = Geometry((24, 22, 20), (1.0, 1.2, 1.1), (-9.0, -14.0, -11.0), GRIDS["left-handed"].direction)
_CENTRE_LPS = _FINE.index_to_physical((13.3, 9.7, 9.1))


def _checkBall(array, centreLps):
    index = np.moveaxis(np.indices(_FINE.size), 0, -1)
    distance = np.linalg.norm(_FINE.index_to_physical(index) - centreLps, axis=-1).T
    assert (array[distance < 6.5] == 3).all()
    assert (array[distance > 7.5] == 0).all()


@pytest.mark.parametrize("make", [lambda: None, lambda: linearTransform(rotation(80, "y")), bendingTransform])
def test_surfaces_become_voxels_and_the_node_keeps_its_surfaces(make):
    node, volume, transform = _emptyNode(), volumeOn(_FINE), make()
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.AddSegmentFromClosedSurfaceRepresentation(
        _ball(_CENTRE_LPS * (-1, -1, 1), 7.0), "left atrium", (1, 0, 0), "left_atrium"
    )
    for each in (node, volume):
        each.SetAndObserveTransformNodeID(transform.GetID() if transform else None)
    _checkBall(labelmapFromSegmentation(node, volume, LABELS).labelmap.array, _CENTRE_LPS)
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_surfaces_under_another_transform_than_the_volume():
    node, volume = _emptyNode(), volumeOn(_FINE)
    back = np.linalg.inv(rotation(80, "y"))
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    elsewhere = back @ (_CENTRE_LPS * (-1, -1, 1))
    node.AddSegmentFromClosedSurfaceRepresentation(_ball(elsewhere, 7.0), "left atrium", (1, 0, 0), "left_atrium")
    node.SetAndObserveTransformNodeID(linearTransform(rotation(80, "y")).GetID())
    _checkBall(labelmapFromSegmentation(node, volume, LABELS).labelmap.array, _CENTRE_LPS)


# --- bad input


def test_nothing_chosen_is_refused():
    with pytest.raises(InputError, match="No segmentation is chosen"):
        labelmapFromSegmentation(None, volumeOn(GRID), LABELS)
    with pytest.raises(InputError, match="No volume is chosen"):
        labelmapFromSegmentation(_emptyNode(), None, LABELS)


def test_a_representation_without_a_way_to_voxels_is_refused():
    node = _emptyNode()
    node.GetSegmentation().SetSourceRepresentationName("Planar contour")  # of the extension SlicerRT, here not installed
    segment = slicer.vtkSegment()
    segment.SetName("left atrium")
    segment.AddRepresentation("Planar contour", vtk.vtkPolyData())
    node.GetSegmentation().AddSegment(segment, "left_atrium")
    with pytest.raises(InputError, match="cannot turn 'drawn' into voxels"):
        labelmapFromSegmentation(node, volumeOn(GRID), LABELS)
