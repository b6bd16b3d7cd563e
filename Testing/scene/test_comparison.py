"""How well two segmentations agree."""

import numpy as np
import pytest
import slicer

from MedSegDLLib.errors import InputError
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.metrics import overlap
from MedSegDLLib.segmentation import Segmentation
from MedSegDLScene.comparison import compareSegmentations
from MedSegDLScene.segments import Existing, addSegmentation, updateSegmentation
from Testing.scene.examples import (
    ALGORITHM,
    ATRIUM,
    FEMUR,
    GRIDS,
    LABELS,
    VENTRICLE,
    bendingTransform,
    linearTransform,
    rotation,
    volumeOn,
)

GRID = GRIDS["oblique"]


def _array(seed, grid=GRID):
    return np.random.default_rng(seed).integers(0, 4, grid.shape_zyx).astype(np.uint8)


def _node(array, volume, labels=LABELS, grid=GRID):
    return addSegmentation(Segmentation(LabelMap(array, grid), labels), volume, ALGORITHM)


def _setId(node, name, newName):
    segments = node.GetSegmentation()
    segments.GetSegment(segments.GetSegmentIdBySegmentName(name)).SetName(newName)


@pytest.mark.parametrize("grid", GRIDS)
def test_dice_and_volumes_are_those_of_the_engine(grid):
    geometry = GRIDS[grid]
    first, second = _array(1, geometry), _array(2, geometry)
    volume = volumeOn(geometry)
    comparison = compareSegmentations(_node(first, volume, grid=geometry), _node(second, volume, grid=geometry), volume)
    assert [row.name for row in comparison.rows] == ["left ventricle", "femur, left", "left atrium"]
    for value, row in enumerate(comparison.rows, start=1):
        expected = overlap(first == value, second == value)
        assert row.dice == pytest.approx(expected.dice)
        assert row.ml == pytest.approx(expected.reference * geometry.voxel_volume_ml)
        assert row.otherMl == pytest.approx(expected.prediction * geometry.voxel_volume_ml)
        assert row.differenceMl == pytest.approx(row.ml - row.otherMl)


def test_a_segmentation_agrees_with_itself_under_transforms_of_its_volume():
    volume = volumeOn(GRID)
    volume.SetAndObserveTransformNodeID(linearTransform(rotation(30, "y")).GetID())
    node = _node(_array(1), volume)
    assert [row.dice for row in compareSegmentations(node, node, volume).rows] == [1, 1, 1]
    volume.SetAndObserveTransformNodeID(bendingTransform().GetID())
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    assert [row.dice for row in compareSegmentations(node, node, volume).rows] == [1, 1, 1]


def test_a_moved_segmentation_is_compared_where_it_is_seen():
    volume = volumeOn(GRIDS["plain"])
    array = np.zeros(GRIDS["plain"].shape_zyx, np.uint8)
    array[1:3, 1:3, 1:3] = 1
    first, second = (_node(array, volume, grid=GRIDS["plain"]) for _ in range(2))
    shift = np.eye(4)
    shift[0, 3] = -1  # RAS: one column further
    second.SetAndObserveTransformNodeID(linearTransform(shift).GetID())
    row = compareSegmentations(first, second, volume).rows[0]
    assert row.dice == 0.5
    assert row.differenceMl == 0


def test_segments_that_mean_the_same_are_found_by_terminology_then_name_then_id():
    volume = volumeOn(GRID)
    first, second = _node(_array(1), volume), _node(_array(1), volume)
    _setId(second, "left ventricle", "LV")  # terminology stays
    _setId(second, "left atrium", "LEFT Atrium")  # it has none
    comparison = compareSegmentations(first, second, volume)
    assert [row.dice for row in comparison.rows] == [1, 1, 1]
    _setId(second, "LEFT Atrium", "something else")  # the id says what it was
    assert len(compareSegmentations(first, second, volume).rows) == 3


def test_ids_that_slicer_makes_up_mean_nothing():
    volume = volumeOn(GRID)
    first, second = (slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name) for name in "AB")
    first.GetSegmentation().AddEmptySegment("Segment_1", "liver")
    second.GetSegmentation().AddEmptySegment("Segment_1", "spleen")
    with pytest.raises(InputError, match="'A' and 'B' have no segment in common"):
        compareSegmentations(first, second, volume)


def test_segments_without_a_counterpart_are_named_and_not_counted_as_wrong():
    volume = volumeOn(GRID)
    first = _node(np.where(_array(1) == 3, 0, _array(1)), volume, LabelTable((VENTRICLE, FEMUR)))
    second = _node(np.where(_array(1) == 2, 0, _array(1)), volume, LabelTable((VENTRICLE, ATRIUM)))
    comparison = compareSegmentations(first, second, volume)
    assert [(row.name, row.dice) for row in comparison.rows] == [("left ventricle", 1)]
    assert comparison.onlyInFirst == ("femur, left",)
    assert comparison.onlyInSecond == ("left atrium",)


def test_overlapping_segments_are_counted_each_by_itself():
    volume = volumeOn(GRID)
    first = np.zeros(GRID.shape_zyx, np.uint8)
    first[1:3] = 1
    node = _node(first, volume, LabelTable((VENTRICLE,)))
    over = np.zeros(GRID.shape_zyx, np.uint8)
    over[2:4] = 2
    updateSegmentation(node, Segmentation(LabelMap(over, GRID), LabelTable((FEMUR,))), volume, Existing.KEEP, ALGORITHM)
    rows = compareSegmentations(node, node, volume).rows
    assert [row.dice for row in rows] == [1, 1]
    assert rows[0].ml == pytest.approx(84 * GRID.voxel_volume_ml)


def test_two_empty_segments_have_no_dice():
    volume = volumeOn(GRID)
    nodes = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name) for name in "AB"]
    for node in nodes:
        node.SetSourceRepresentationToBinaryLabelmap()
        node.GetSegmentation().AddEmptySegment("", "liver")
    (row,) = compareSegmentations(*nodes, volume).rows
    assert (row.dice, row.ml, row.otherMl) == (None, 0, 0)
