"""Segmentations that wait, run, end in the scene or in a sentence, whatever people do to the scene meanwhile."""

import time

import numpy as np
import pytest
import slicer

from MedSegDLLib.errors import Cancelled, InputError, MedSegDLError, ModelError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.options import Region, SegmentOptions
from MedSegDLScene.grids import arrayFromImageData
from MedSegDLScene.run_report import report_text
from MedSegDLScene.segmentation_runs import Order, SegmentationRuns, segmentNow
from MedSegDLScene.segments import Existing
from Testing.scene.examples import GRIDS, linearTransform, rotation, segmentNames, tagOf, volumeOn
from Testing.scene.fake_client import FakeClient
from Testing.scene.runs_examples import GRID, TITLE, finished, labelsWith, middleOf

# --- one run


@pytest.mark.parametrize("grid", GRIDS)
def test_a_result_lies_over_its_volume_with_name_colour_and_origin(grid, runs, client):
    geometry = GRIDS[grid]
    volume = volumeOn(geometry)
    run = finished(runs, client, Order(volume, "bright"), labelsWith(geometry))
    node = run.segmentationNode
    assert client.last.image.geometry.same_grid(geometry, 1e-6)
    assert node.GetName() == f"MR {TITLE}"
    assert segmentNames(node) == ["Bright"]
    expected = (geometry.affine_ijk_to_ras @ [3, 4, 2, 1])[:3]
    np.testing.assert_allclose(middleOf(node, "Bright"), expected, atol=1e-4)
    assert node.GetAttribute("MedSegDL.modelId") == "bright"
    assert len(node.GetAttribute("MedSegDL.modelSha256")) == 64
    assert node.GetAttribute("MedSegDL.version")
    assert "with the model bright" in node.GetDescription()
    assert tagOf(node.GetSegmentation().GetSegment("Bright"), "DICOM.SegmentAlgorithmName") == "MedSegDL bright"


def test_a_volume_under_a_transform_gets_its_result_under_the_same(runs, client):
    volume = volumeOn(GRID)
    volume.SetAndObserveTransformNodeID(linearTransform(rotation(50, "z")).GetID())
    run = finished(runs, client, Order(volume, "bright"))
    assert client.last.image.geometry.same_grid(GRID, 1e-6)
    assert run.segmentationNode.GetParentTransformNode() is volume.GetParentTransformNode()


def test_rows_say_how_much_of_each_label_was_found(runs, client):
    array = labelsWith(value=2)
    array[0, 0, :2] = 2
    run = finished(runs, client, Order(volumeOn(GRID), "two"), array)
    assert [(row.name, row.voxels, row.segmentId) for row in run.rows] == [("Bright", 0, ""), ("Brightest", 3, "Brightest")]
    assert run.rows[1].ml == pytest.approx(3 * 1.3 * 1.1 * 8.0 / 1000, abs=1e-4)
    assert run.rows[1].colour == (60, 120, 230)


def test_progress_is_that_of_the_worker(runs, client):
    run = runs.add(Order(volumeOn(GRID), "bright"))
    assert (run.state, run.title, runs.busy) == ("running", f"MR · {TITLE}", True)
    client.progress("network", 0.25, 12.0)
    runs.poll()
    assert (run.stage, run.fraction, run.seconds_left) == ("network", 0.25, 12.0)


def test_options_reach_the_worker_and_the_region_of_a_roi_with_them(runs, client):
    volume = volumeOn(GRIDS["plain"])
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "ROI")
    roi.SetCenter(-2, -3, 1)
    roi.SetSize(2, 4, 2)
    runs.add(Order(volume, "bright", SegmentOptions(device="cpu", overlap=0.25), roiNode=roi))
    assert client.last.options == SegmentOptions(device="cpu", overlap=0.25, region=Region((1, 1, 0), (3, 5, 3)))


def test_a_roi_beside_the_volume_is_a_sentence(runs, client):
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "ROI")
    roi.SetCenter(900, 0, 0)
    roi.SetSize(2, 4, 2)
    run = runs.add(Order(volumeOn(GRID), "bright", roiNode=roi))
    assert run.state == "failed"
    assert "lies outside of the volume" in run.sentence
    assert client.asked == []


def test_a_result_of_nothing_is_finished_and_says_so(runs, client):
    run = finished(runs, client, Order(volumeOn(GRID), "bright"), np.zeros(GRID.shape_zyx, np.uint8))
    assert segmentNames(run.segmentationNode) == []
    assert run.sentence.startswith("Nothing was found")


@pytest.mark.parametrize(
    ("existing", "names"),
    [
        (Existing.REPLACE_ALL, ["Bright"]),
        (Existing.REPLACE_SAME, ["Bright", "Mine"]),
        (Existing.KEEP, ["Bright", "Mine", "Bright 2"]),
    ],
)
def test_into_an_existing_segmentation(existing, names, runs, client, scene):
    volume = volumeOn(GRID)
    node = finished(runs, client, Order(volume, "bright")).segmentationNode
    node.GetSegmentation().AddEmptySegment("Mine", "Mine")
    before = scene.GetNumberOfNodes()
    run = finished(runs, client, Order(volume, "bright", segmentationNode=node, existing=existing), labelsWith(voxel=(1, 1, 1)))
    assert run.segmentationNode is node
    assert segmentNames(node) == names
    expected = (GRID.affine_ijk_to_ras @ [1, 1, 1, 1])[:3]
    np.testing.assert_allclose(middleOf(node, run.rows[0].segmentId), expected, atol=1e-4)
    assert scene.GetNumberOfNodes() == before


def test_a_result_is_one_step_of_undo(runs, client, scene):
    volume = volumeOn(GRID)
    node = finished(runs, client, Order(volume, "bright")).segmentationNode
    node.SetUndoEnabled(True)
    scene.SetUndoOn()
    try:
        finished(runs, client, Order(volume, "two", segmentationNode=node), labelsWith(value=2))
        assert segmentNames(node) == ["Brightest"]
        assert scene.GetNumberOfUndoLevels() == 1
        scene.Undo()
    finally:
        scene.SetUndoOff()
    assert segmentNames(node) == ["Bright"]
    assert node.GetAttribute("MedSegDL.modelId") == "bright"


def test_the_report_has_sentences_and_json(runs, client):
    run = finished(runs, client, Order(volumeOn(GRID), "bright"))
    assert run.report["input"] == "MR"
    assert run.report["model"]["title"] == TITLE
    assert run.report["labels"][0]["voxels"] == 1
    text = report_text(run.report, run.curves)
    assert text.startswith(f"MR, segmented with '{TITLE}' (bright) by MedSegDL ")
    assert "\nBright: 0.01 ml (1 voxels)\n" in text
    assert "after 1.6 s on cpu (float32)" in text
    assert '"peak_memory_mib": 120.0' in text


# --- the queue


def test_several_volumes_wait_and_one_runs_at_a_time(runs, client):
    first, second = (runs.add(Order(volumeOn(GRID, name), "bright")) for name in "AB")
    assert [first.state, second.state, len(client.asked)] == ["running", "queued", 1]
    client.finish(labelsWith())
    runs.poll()
    assert [first.state, second.state, len(client.asked)] == ["finished", "running", 2]
    assert client.last.image.name == "B"
    client.finish(labelsWith())
    runs.poll()
    assert second.state == "finished"
    assert not runs.busy


def test_a_volume_is_taken_as_it_is_when_its_turn_comes(runs, client):
    runs.add(Order(volumeOn(GRID, "A"), "bright"))
    volume = volumeOn(GRID, "B")
    runs.add(Order(volume, "bright"))
    slicer.util.arrayFromVolume(volume)[:] = 77
    client.finish(labelsWith())
    runs.poll()
    assert (client.last.image.array == 77).all()


def test_a_failure_keeps_sentence_and_log_and_the_next_run_goes_on(runs, client):
    first, second = (runs.add(Order(volumeOn(GRID, name), "bright")) for name in "AB")
    client.fail("The graphics card has too little memory.", "CUDA error", "out of memory")
    runs.poll()
    assert (first.state, first.sentence) == ("failed", "The graphics card has too little memory.")
    assert first.log == ("CUDA error", "out of memory")
    assert first.segmentationNode is None
    assert second.state == "running"


def test_a_fault_while_a_result_is_put_into_the_scene_ends_one_run_only(runs, client, monkeypatch):
    first, second = (runs.add(Order(volumeOn(GRID, name), "bright")) for name in "AB")
    monkeypatch.setattr("MedSegDLScene.run_tasks.addSegmentation", lambda *_: 1 / 0)
    client.finish(labelsWith())
    runs.poll()
    assert first.state == "failed"
    assert "ZeroDivisionError" in first.sentence
    assert any("test_segmentation_runs" in line or "run_tasks" in line for line in first.log)
    assert second.state == "running"


def test_what_watches_the_scene_may_poll_while_a_result_goes_in(runs, client, scene):
    run = runs.add(Order(volumeOn(GRID), "bright"))
    tag = scene.AddObserver(scene.NodeAddedEvent, lambda *_: runs.poll())
    client.finish(labelsWith())
    runs.poll()
    scene.RemoveObserver(tag)
    assert run.state == "finished"
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_cancelling_a_run_stops_the_worker_and_lets_the_next_one_begin(runs, client, scene):
    first, second = (runs.add(Order(volumeOn(GRID, name), "bright")) for name in "AB")
    request = client.last.request
    runs.cancel(first)
    assert (first.state, client.cancelled) == ("cancelled", [request])
    runs.poll()
    assert second.state == "running"
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_a_waiting_run_leaves_the_queue(runs, client):
    first, second = (runs.add(Order(volumeOn(GRID, name), "bright")) for name in "AB")
    runs.cancel(second)
    assert (first.state, second.state, second.sentence) == ("running", "cancelled", "Cancelled before it began.")
    assert client.cancelled == []


def test_cancelling_all_begins_none(runs, client):
    every = [runs.add(Order(volumeOn(GRID, name), "bright")) for name in "ABC"]
    runs.cancelAll()
    runs.poll()
    assert {run.state for run in every} == {"cancelled"}
    assert len(client.asked) == 1


def test_a_run_that_has_ended_cannot_be_cancelled(runs, client):
    run = finished(runs, client, Order(volumeOn(GRID), "bright"))
    runs.cancel(run)
    assert (run.state, run.sentence) == ("finished", "")


# --- what cannot be carried out


@pytest.mark.parametrize(
    ("make", "model", "sentence"),
    [
        (lambda: None, "bright", "No volume is chosen"),
        (lambda: slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "X"), "bright", "'X' is empty"),
        (lambda: volumeOn(GRID), "brigth", "There is no model 'brigth'; did you mean 'bright'"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_a_failed_run_with_a_sentence(make, model, sentence, runs, client):
    run = runs.add(Order(make(), model))
    assert run.state == "failed"
    assert sentence in run.sentence
    assert client.asked == []
    assert not runs.busy


# --- for scripts


def test_a_script_waits_for_its_segmentation_and_events_are_handled_meanwhile():
    runs, events = SegmentationRuns(FakeClient(lambda image, _: labelsWith(image.geometry))), []
    node = segmentNow(runs, Order(volumeOn(GRID), "bright"), lambda: events.append(1))
    assert segmentNames(node) == ["Bright"]
    assert events


@pytest.mark.parametrize(
    ("do", "kind", "sentence"),
    [
        (lambda client: client.fail("It is broken."), MedSegDLError, "It is broken."),
        (lambda client: client.stop(), Cancelled, "Cancelled"),
        (lambda client: slicer.mrmlScene.Clear(0), InputError, "was removed"),
    ],
)
def test_a_script_is_told_why_there_is_no_result(do, kind, sentence, runs, client):
    with pytest.raises(kind, match=sentence):
        segmentNow(runs, Order(volumeOn(GRID), "bright"), lambda: do(client))


def test_a_script_that_names_no_model_is_told(runs):
    with pytest.raises(ModelError, match="no model 'none'"):
        segmentNow(runs, Order(volumeOn(GRID), "none"), lambda: None)


def test_an_interrupt_cancels(runs, client):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segmentNow(runs, Order(volumeOn(GRID), "bright"), interrupt)
    assert runs.runs[0].state == "cancelled"
    assert client.cancelled == [client.last.request]


def test_the_image_of_20_million_voxels_is_taken_and_placed_in_well_under_a_second(runs, client):
    geometry = Geometry((400, 200, 250))
    volume = slicer.util.addVolumeFromArray(np.zeros(geometry.shape_zyx, np.int16))
    array = np.zeros(geometry.shape_zyx, np.uint8)
    array[100:150, 50:100, 50:100] = 1
    run = runs.add(Order(volume, "bright"))
    client.finish(array)
    start = time.perf_counter()
    runs.poll()
    assert run.state == "finished"
    assert time.perf_counter() - start < 2
    assert arrayFromImageData(run.segmentationNode.GetSegmentation().GetLayerDataObject(0)).sum() == 125_000
