"""What MedSegDL's panel shows after a run: volumes, comparison, curve, and the ways on from there."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from MedSegDLLib.labels import Label, LabelTable
from MedSegDLScene.volume_plots import volumeChartOf
from Testing.gui import harness
from Testing.gui.medsegdl_panel import GRID, add_cine, add_volume, cells, choose_model, labels, open_panel, segmentations
from Testing.models import BRIGHT_AND_BRIGHTEST, write_bright_model
from Testing.scene.fake_client import FakeClient

TITLE = "Whatever is bright"


pytestmark = pytest.mark.usefixtures("zoo")


@pytest.fixture(autouse=True)
def training(monkeypatch):
    """The module MedSegDLTrain is installed."""
    monkeypatch.setattr(slicer.modules, "medsegdltrain", object(), raising=False)


@pytest.fixture
def client():
    return FakeClient()


@pytest.fixture
def panel(client, monkeypatch):
    return open_panel(client, monkeypatch)


@pytest.fixture
def done(panel, client):
    """The panel after a run that has found 64 voxels (1.00 ml) of "Bright" and 16 of "Brightest"."""
    add_volume()
    choose_model(panel, TITLE)
    finish(panel, client, labels(v1=64, v2=16))
    return panel


def finish(panel, client, *frames, table=None):
    harness.click(panel.ui.applyButton)
    for frame in frames:
        number = len(client.asked)
        client.finish(frame, table)
        harness.wait_until(lambda number=number: panel.ui.resultButton.visible or len(client.asked) > number)
    harness.process_events(0.05)


def many_labels():
    """125 labels with names that belong into groups."""
    paired = (("rib", 12), ("metacarpal", 5), ("phalanx of finger", 14), ("metatarsal", 5))
    names = [f"{part} {side} {n}" for part, most in paired for side in ("left", "right") for n in range(1, most + 1)]
    names += [f"vertebra {letter}{n}" for letter, most in (("C", 7), ("T", 12), ("L", 5)) for n in range(1, most + 1)]
    names += ["liver", "spleen", "stomach", "pancreas", "left kidney", "right kidney", "heart", "aorta", "sternum"]
    names += [f"muscle with a rather long name number {n}" for n in range(len(names) + 1, 126)]
    colours = np.random.default_rng(0).integers(0, 256, (125, 3)).tolist()
    return LabelTable(tuple(Label(n, name, tuple(colours[n - 1])) for n, name in enumerate(names, start=1)))


def test_the_table_has_what_was_found_and_the_line_above_says_how(done):
    assert cells(done) == [["Bright", "1.00"], ["Brightest", "0.251"]]
    assert "1.6 s on cpu (float32)" in done.ui.resultLabel.text
    harness.grab(done, "medsegdl_finished")


def test_colours_are_those_of_the_labels(done):
    table = done.ui.resultTable
    colour = table.item(1, 0).background().color()
    assert (colour.red(), colour.green(), colour.blue()) == BRIGHT_AND_BRIGHTEST.labels[1].colour


def test_what_was_not_found_is_said(panel, client):
    add_volume()
    choose_model(panel, TITLE)
    finish(panel, client, labels(v1=64))
    assert cells(panel) == [["Bright", "1.00"]]
    assert "Not found: Brightest." in panel.ui.resultLabel.text


def test_nothing_found_is_told_with_advice(panel, client):
    add_volume()
    choose_model(panel, TITLE)
    finish(panel, client, labels())
    assert "Nothing was found" in panel.ui.resultLabel.text
    assert cells(panel) == []


def test_show_3d_makes_surfaces_and_takes_them_away(done):
    node = segmentations()[0]
    harness.click(done.ui.show3dButton)
    assert node.GetSegmentation().ContainsRepresentation("Closed surface")
    assert node.GetDisplayNode().GetPreferredDisplayRepresentationName2D() == "Binary labelmap"
    harness.click(done.ui.show3dButton)
    assert not node.GetSegmentation().ContainsRepresentation("Closed surface")


def test_edit_opens_the_segment_editor_with_segmentation_and_volume(done):
    harness.click(done.ui.editorButton)
    editor = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert editor.GetSegmentationNode() is segmentations()[0]
    assert editor.GetSourceVolumeNode() is done.ui.inputSelector.currentNode()
    assert slicer.util.selectedModule() == "SegmentEditor"


def test_comparing_shows_dice_and_both_volumes(done, client):
    first = segmentations()[0]
    client.asked.clear()
    finish(done, client, labels(v1=32, v2=16))
    done.ui.compareSelector.setCurrentNode(first)
    harness.process_events()
    assert cells(done) == [["Bright", "0.502", "1.00", "0.667"], ["Brightest", "0.251", "0.251", "1.000"]]
    harness.grab(done, "medsegdl_compare")
    done.ui.compareSelector.setCurrentNode(None)
    harness.process_events()
    assert cells(done) == [["Bright", "0.502"], ["Brightest", "0.251"]]


def test_what_only_the_other_segmentation_has_is_said(done):
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "by hand")
    other.GetSegmentation().DeepCopy(segmentations()[0].GetSegmentation())
    other.GetSegmentation().AddEmptySegment("rib", "rib")
    done.ui.compareSelector.setCurrentNode(other)
    harness.process_events()
    assert done.ui.compareNoteLabel.text == "Only in 'by hand': rib."


def test_a_comparison_that_makes_no_sense_is_a_sentence(done):
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "by hand")
    done.ui.compareSelector.setCurrentNode(other)
    harness.process_events()
    assert "no segment in common" in done.ui.compareNoteLabel.text
    assert cells(done) == [["Bright", "1.00"], ["Brightest", "0.251"]]


def test_copy_report_puts_a_text_into_the_clipboard(done):
    harness.click(done.ui.copyButton)
    text = slicer.app.clipboard().text()
    assert "Bright: 1.00 ml" in text
    assert "Whatever is bright" in text


def test_sending_to_training_chooses_both_there(done):
    harness.click(done.ui.trainButton)
    node = slicer.mrmlScene.GetSingletonNode("MedSegDLTrain", "vtkMRMLScriptedModuleNode")
    assert node.GetNodeReference("segmentation") is segmentations()[0]
    assert node.GetNodeReference("volume") is done.ui.inputSelector.currentNode()
    assert slicer.util.selectedModule() == "MedSegDLTrain"


def test_every_frame_gives_a_curve_with_the_ejection_fraction(panel, client):
    volume = add_cine()
    panel.ui.inputSelector.setCurrentNode(volume)
    choose_model(panel, TITLE)
    harness.choose(panel.ui.framesComboBox, "Every frame")
    harness.grab(panel, "medsegdl_sequence")
    harness.click(panel.ui.applyButton)
    client.finish(labels(v1=64))
    harness.wait_until(lambda: len(client.asked) == 2)
    client.progress("network", 0.5, 1.0)
    harness.process_events(0.05)
    assert "frame 2 of 3" in panel.ui.stageLabel.text
    harness.grab(panel, "medsegdl_running_frames")
    client.finish(labels(v1=24))
    harness.wait_until(lambda: len(client.asked) == 3)
    client.finish(labels(v1=48))
    harness.wait_until(lambda: panel.ui.resultButton.visible)
    assert "ejection fraction 63 %" in panel.ui.curveLabel.text
    assert "(frame 1 of 3)" in panel.ui.curveLabel.text and "(frame 2)" in panel.ui.curveLabel.text
    harness.click(panel.ui.copyButton)
    copied = slicer.app.clipboard().text()
    assert "(frame 1), end-systolic" in copied and '"end_diastolic_frame": 0' in copied
    assert "The first frame is frame 1 above, and frame 0 below." in copied
    harness.grab(panel, "medsegdl_every_frame")
    harness.click(panel.ui.plotButton)
    assert shown_chart() is volumeChartOf(segmentations()[0])


def test_one_frame_of_a_sequence_has_no_curve(panel, client):
    panel.ui.inputSelector.setCurrentNode(add_cine())
    choose_model(panel, TITLE)
    finish(panel, client, labels(v1=64))
    assert panel.ui.resultButton.visible
    assert not panel.ui.curveLabel.visible
    assert not panel.ui.plotButton.visible


def test_a_volume_without_frames_asks_for_none(done):
    assert not done.ui.framesComboBox.visible


def test_a_hundred_segments_fit_into_the_panel(tmp_path, panel, client):
    write_bright_model(tmp_path / "listed", "many", many_labels(), title="A hundred and more", network=_network(125))
    panel.parent.enter()
    add_volume()
    choose_model(panel, "A hundred and more")
    array = np.zeros(GRID.shape_zyx, np.uint8)
    array.flat[: 125 * 8] = np.repeat(np.arange(1, 126), 8)
    finish(panel, client, array)
    assert len(cells(panel)) == 125
    harness.click(panel.ui.optionsButton)
    harness.process_events(0.05)
    assert panel.parent.minimumSizeHint.width() <= 400
    harness.grab(panel, "medsegdl_125_labels")


def _network(number):
    from MedSegDLLib.model_card import NetworkSpec

    return NetworkSpec("unet_2d", 1, number + 1, {"features_per_stage": (1,)})


def shown_chart():
    """The chart in the scene's plot view."""
    layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    return slicer.mrmlScene.GetNodeByID(layout.GetActivePlotChartID())


def test_segments_that_were_corrected_since_are_measured_again(done):
    node, volume = segmentations()[0], done.ui.inputSelector.currentNode()
    for _ in range(2):
        harness.click(done.ui.show3dButton)
    done.parent.exit()
    done.parent.enter()
    assert "changed since" not in done.ui.resultLabel.text
    segmentId = node.GetSegmentation().GetNthSegmentID(0)
    slicer.util.updateSegmentBinaryLabelmapFromArray(labels(v1=8), node, segmentId, volume)
    done.parent.exit()
    done.parent.enter()
    assert "changed since" in done.ui.resultLabel.text
    assert cells(done) == [["Bright", "0.125"], ["Brightest", "0.251"]]
    harness.grab(done, "medsegdl_corrected")
