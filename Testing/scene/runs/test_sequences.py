"""Volumes that are one frame of a sequence: every frame segmented, shown in the same browser, with volumes over time."""

import numpy as np
import pytest
import slicer

from MedSegDLLib.errors import InputError
from MedSegDLScene.grids import BINARY_LABELMAP
from MedSegDLScene.segmentation_runs import Order
from MedSegDLScene.segments import Existing
from MedSegDLScene.sequences import checkTakesFrames, framesOf, numberOfFrames
from MedSegDLScene.volume_plots import volumeChartOf, volumeTableOf
from Testing.scene.examples import GRIDS, linearTransform, rotation, segmentNames, volumeOn

GRID = GRIDS["oblique"]
VOXELS = (4, 2, 3)  # of "Bright" in each frame


def _cine(indexValues=("0", "300", "600"), unit="ms"):
    """The proxy volume of a sequence whose frame n has the value n in every voxel."""
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "Cine")
    sequence.SetIndexName("time")
    sequence.SetIndexUnit(unit)
    for number, value in enumerate(indexValues):
        frame = volumeOn(GRID)
        slicer.util.arrayFromVolume(frame)[:] = number
        sequence.SetDataNodeAtValue(frame, value)
        slicer.mrmlScene.RemoveNode(frame)
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    return browser.GetProxyNode(sequence)


def _labels(voxels, value=1):
    array = np.zeros(GRID.shape_zyx, np.uint8)
    array[2, 3, :voxels] = value
    return array


def _segmented(runs, client, order, frames=None):
    run = runs.add(order)
    for array in frames or [_labels(voxels) for voxels in VOXELS]:
        client.finish(array)
        runs.poll()
    assert run.state == "finished", run.sentence
    return run


def _voxelsShown(node, segmentId="Bright"):
    labelmap = slicer.vtkOrientedImageData()
    if not node.GetBinaryLabelmapRepresentation(segmentId, labelmap):
        return None
    return int((slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId) > 0).sum())


def _select(volume, frame):
    framesOf(volume).browserNode.SetSelectedItemNumber(frame)


# --- frames


def test_frames_of_a_volume():
    volume = _cine()
    assert numberOfFrames(volume) == 3
    assert framesOf(volume).indexValues == ("0", "300", "600")
    assert framesOf(volume).times_s == pytest.approx((0, 0.3, 0.6))
    assert [slicer.util.arrayFromVolume(framesOf(volume).volume(frame)).max() for frame in range(3)] == [0, 1, 2]


def test_a_volume_of_its_own_is_one_frame():
    assert numberOfFrames(volumeOn(GRID)) == 1
    assert numberOfFrames(None) == 1
    assert framesOf(volumeOn(GRID)) is None


@pytest.mark.parametrize(("unit", "values"), [("frame", ("0", "1")), ("", ("0", "1")), ("s", ("rest", "stress"))])
def test_an_index_that_is_no_time_gives_no_times(unit, values):
    volume = _cine(values, unit) if values[0] == "0" else _textCine(values, unit)
    assert framesOf(volume).times_s == ()


def _textCine(values, unit):
    volume = _cine(("0",), unit)
    sequence = framesOf(volume).sequenceNode
    frame = sequence.GetNthDataNode(0)
    sequence.SetIndexTypeFromString("text")
    for value in values:
        sequence.SetDataNodeAtValue(frame, value)
    sequence.RemoveDataNodeAtValue("0")
    return volume


# --- every frame


def test_each_frame_goes_through_the_network_and_its_segments_are_shown_with_it(runs, client):
    volume = _cine()
    run = _segmented(runs, client, Order(volume, "bright", everyFrame=True))
    assert [int(asked.image.array.max()) for asked in client.asked] == [0, 1, 2]
    node = run.segmentationNode
    assert node.GetName() == "Cine Whatever is bright"
    for frame in (0, 2, 1):
        _select(volume, frame)
        assert (slicer.util.arrayFromVolume(volume).max(), _voxelsShown(node)) == (frame, VOXELS[frame])


def test_the_segmentation_has_the_index_of_the_images_and_says_where_it_came_from(runs, client):
    volume = _cine()
    node = _segmented(runs, client, Order(volume, "bright", everyFrame=True)).segmentationNode
    frames = framesOf(node)
    assert frames.browserNode is framesOf(volume).browserNode
    assert frames.indexValues == ("0", "300", "600")
    assert (frames.sequenceNode.GetIndexName(), frames.sequenceNode.GetIndexUnit()) == ("time", "ms")
    _select(volume, 2)
    assert node.GetAttribute("MedSegDL.modelId") == "bright"


def test_the_result_lies_over_the_volume_in_the_world_in_every_frame(runs, client):
    volume = _cine()
    volume.SetAndObserveTransformNodeID(linearTransform(rotation(40, "x")).GetID())
    arrays = [np.roll(_labels(1), column) for column in (1, 4, 2)]
    node = _segmented(runs, client, Order(volume, "bright", everyFrame=True), arrays).segmentationNode
    assert node.GetParentTransformNode() is volume.GetParentTransformNode()
    for frame, column in enumerate((1, 4, 2)):
        _select(volume, frame)
        local = (GRID.affine_ijk_to_ras @ [column, 3, 2, 1])[:3]
        np.testing.assert_allclose(node.GetSegmentCenterRAS("Bright"), rotation(40, "x") @ local, atol=1e-3)


def test_a_label_that_is_found_in_one_frame_is_a_segment_of_each(runs, client):
    volume = _cine()
    frames = [_labels(4), _labels(2, value=2), _labels(0)]
    node = _segmented(runs, client, Order(volume, "two", everyFrame=True), frames).segmentationNode
    for frame in range(3):
        _select(volume, frame)
        assert segmentNames(node) == ["Bright", "Brightest"]
        assert node.GetSegmentation().GetSourceRepresentationName() == BINARY_LABELMAP
        assert node.GetSegmentation().GetNumberOfLayers() == 1


def test_what_a_person_corrects_in_a_frame_stays_in_it(runs, client):
    volume = _cine()
    node = _segmented(runs, client, Order(volume, "bright", everyFrame=True)).segmentationNode
    _select(volume, 1)
    edited = np.zeros(GRID.shape_zyx, np.uint8)
    edited[1] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(edited, node, "Bright", framesOf(volume).volume(1))
    _select(volume, 0)
    assert _voxelsShown(node) == 4
    _select(volume, 1)
    assert _voxelsShown(node) == 42


def test_volumes_over_time_are_numbers_a_table_and_a_plot(runs, client):
    run = _segmented(runs, client, Order(_cine(), "bright", everyFrame=True))
    ml = 1.3 * 1.1 * 8.0 / 1000
    assert run.curves[0].volumes_ml == pytest.approx([voxels * ml for voxels in VOXELS], abs=1e-4)
    assert run.curves[0].times_s == pytest.approx((0, 0.3, 0.6))
    assert run.curves[0].ejection_fraction_percent == pytest.approx(50, abs=0.5)
    assert [row.voxels for row in run.rows] == [4]
    assert run.rows[0].segmentId == "Bright"
    assert run.report["cine"]["curves"][0]["end_systolic_frame"] == 1
    assert run.report["labels"][0]["voxels"] == 4
    assert run.report["seconds"]["network"] == 4.5
    table, chart = volumeTableOf(run.segmentationNode), volumeChartOf(run.segmentationNode)
    assert [table.GetColumnName(n) for n in range(2)] == ["Time (s)", "Bright"]
    assert [table.GetTable().GetValue(1, n).ToDouble() for n in range(2)] == pytest.approx([0.3, 2 * ml], abs=1e-4)
    series = chart.GetNthPlotSeriesNode(0)
    assert (chart.GetNumberOfPlotSeriesNodes(), series.GetXColumnName(), series.GetYColumnName()) == (1, "Time (s)", "Bright")
    assert series.GetTableNode() is table


def test_without_times_the_plot_counts_frames_as_people_do(runs, client):
    table = volumeTableOf(_segmented(runs, client, Order(_cine(unit=""), "bright", everyFrame=True)).segmentationNode)
    assert table.GetColumnName(0) == "Frame"
    assert [table.GetTable().GetValue(n, 0).ToDouble() for n in range(3)] == [1, 2, 3]


def test_progress_tells_the_frame(runs, client):
    run = runs.add(Order(_cine(), "bright", everyFrame=True))
    client.finish(_labels(1))
    runs.poll()
    client.progress("network", 0.2)
    runs.poll()
    assert (run.frame, run.frames, run.stage) == (1, 3, "network")
    assert run.fraction == pytest.approx((1 + 0.2) / 3)
    assert run.seconds_left > 0


def test_done_again_it_replaces_its_frames_and_leaves_nothing_behind(runs, client, scene):
    volume = _cine()
    node = _segmented(runs, client, Order(volume, "bright", everyFrame=True)).segmentationNode
    _select(volume, 1)
    before = scene.GetNumberOfNodes()
    order = Order(volume, "bright", everyFrame=True, segmentationNode=node)
    again = _segmented(runs, client, order, [_labels(voxels) for voxels in (5, 6, 7)])
    assert again.segmentationNode is node
    assert scene.GetNumberOfNodes() == before
    for frame, voxels in ((1, 6), (0, 5), (2, 7)):
        _select(volume, frame)
        assert _voxelsShown(node) == voxels


def test_a_roi_is_the_same_box_in_every_frame_even_when_it_is_removed_meanwhile(runs, client, scene):
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "ROI")
    roi.SetCenter(*(GRID.affine_ijk_to_ras @ [3, 3, 2, 1])[:3])
    roi.SetSize(4, 4, 4)
    runs.add(Order(_cine(), "bright", everyFrame=True, roiNode=roi))
    scene.RemoveNode(roi)
    for voxels in VOXELS:
        client.finish(_labels(voxels))
        runs.poll()
    assert len({asked.options.region for asked in client.asked}) == 1
    assert client.last.options.region.size != GRID.size


def test_it_is_one_step_of_undo(runs, client, scene):
    volume = _cine()
    scene.SetUndoOn()
    try:
        _segmented(runs, client, Order(volume, "bright", everyFrame=True))
        assert scene.GetNumberOfUndoLevels() == 1
    finally:
        scene.SetUndoOff()


# --- stopped, changed, refused


def test_cancelled_between_two_frames_nothing_is_added(runs, client, scene):
    run = runs.add(Order(_cine(), "bright", everyFrame=True))
    client.finish(_labels(1))
    runs.poll()
    before = scene.GetNumberOfNodes()
    runs.cancel(run)
    runs.poll()
    assert (run.state, scene.GetNumberOfNodes()) == ("cancelled", before)
    assert len(client.asked) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda volume: slicer.mrmlScene.RemoveNode(framesOf(volume).browserNode),
        lambda volume: slicer.mrmlScene.RemoveNode(framesOf(volume).sequenceNode),
        lambda volume: framesOf(volume).sequenceNode.RemoveDataNodeAtValue("300"),
        lambda volume: slicer.mrmlScene.RemoveNode(volume),
        lambda volume: slicer.mrmlScene.Clear(0),
    ],
)
def test_a_sequence_changed_meanwhile_drops_the_result(change, runs, client, scene):
    volume = _cine()
    run = runs.add(Order(volume, "bright", everyFrame=True))
    change(volume)
    client.finish(_labels(1))
    runs.poll()
    assert run.state == "failed"
    assert "there is no result" in run.sentence
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_looking_at_other_frames_meanwhile_changes_nothing(runs, client):
    volume = _cine()
    run = runs.add(Order(volume, "bright", everyFrame=True))
    for frame, voxels in zip((2, 0, 1), VOXELS, strict=True):
        _select(volume, frame)
        client.finish(_labels(voxels))
        runs.poll()
    assert (run.state, _voxelsShown(run.segmentationNode)) == ("finished", 2)


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (lambda: Order(volumeOn(GRID), "bright", everyFrame=True), "'MR' shows no sequence"),
        (
            lambda: Order(_cine(), "bright", everyFrame=True, segmentationNode=_plain()),
            "does not change with the frames of 'Cine'",
        ),
    ],
)
def test_what_makes_no_sense_is_a_sentence(order, sentence, runs):
    run = runs.add(order())
    assert run.state == "failed"
    assert sentence in run.sentence


def _plain():
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Plain")


def test_frames_are_replaced_as_a_whole_or_not_at_all(runs, client):
    volume = _cine()
    node = _segmented(runs, client, Order(volume, "bright", everyFrame=True)).segmentationNode
    checkTakesFrames(node, framesOf(volume))
    run = runs.add(Order(volume, "bright", everyFrame=True, segmentationNode=node, existing=Existing.KEEP))
    assert "only be replaced as a whole" in run.sentence
    with pytest.raises(InputError, match="does not change with the frames"):
        checkTakesFrames(node, framesOf(_cine()))


# --- one frame


def test_one_frame_into_the_segmentation_of_all_stays_in_that_frame(runs, client):
    volume = _cine()
    node = _segmented(runs, client, Order(volume, "bright", everyFrame=True)).segmentationNode
    _select(volume, 2)
    _segmented(runs, client, Order(volume, "bright", segmentationNode=node), [_labels(6)])
    assert _voxelsShown(node) == 6
    for frame, voxels in ((0, 4), (1, 2), (2, 6)):
        _select(volume, frame)
        assert _voxelsShown(node) == voxels


def test_another_frame_chosen_meanwhile_gives_a_new_segmentation_and_overwrites_none(runs, client):
    volume = _cine()
    node = _segmented(runs, client, Order(volume, "bright", everyFrame=True)).segmentationNode
    run = runs.add(Order(volume, "bright", segmentationNode=node))
    _select(volume, 1)
    client.finish(_labels(6))
    runs.poll()
    assert run.segmentationNode is not node
    assert "was moved to another frame meanwhile" in run.sentence
    assert _voxelsShown(run.segmentationNode) == 6
    for frame, voxels in enumerate(VOXELS):
        _select(volume, frame)
        assert _voxelsShown(node) == voxels


def test_a_new_segmentation_of_a_frame_that_is_no_longer_shown_says_so(runs, client):
    volume = _cine()
    run = runs.add(Order(volume, "bright"))
    _select(volume, 1)
    client.finish(_labels(6))
    runs.poll()
    assert run.sentence == "'Cine' was moved to another frame while it was segmented: the result is that of the voxels before."


def test_upstream_loses_the_shown_frame_when_it_is_told_to_keep_no_changes(runs, client):
    """Why `keepChanges` has no counterpart: should this fail one day, Slicer has been repaired."""
    volume = _cine()
    node = _segmented(runs, client, Order(volume, "bright", everyFrame=True)).segmentationNode
    frames = framesOf(node)
    frames.browserNode.SetSaveChanges(frames.sequenceNode, False)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(frames.browserNode)
    assert segmentNames(node) == []
