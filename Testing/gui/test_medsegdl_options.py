"""What a person sets in MedSegDL's panel arrives at the worker and survives in the scene."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from MedSegDLScene.worker_client import Device
from Testing.gui import harness
from Testing.gui.medsegdl_panel import GRID, add_cine, add_volume, choose_model, labels, open_panel, segmentations
from Testing.scene.fake_client import FakeClient

TITLE = "Whatever is bright"
DEVICES = (Device("cuda:0", "NVIDIA RTX 4000, 11 GB free"), Device("cpu", "CPU, bfloat16"))


pytestmark = pytest.mark.usefixtures("zoo")


@pytest.fixture
def client():
    client = FakeClient()
    client.devices = DEVICES
    return client


@pytest.fixture
def panel(client, monkeypatch):
    """With a volume, the model and the options open."""
    panel = open_panel(client, monkeypatch)
    add_volume()
    choose_model(panel, TITLE)
    harness.click(panel.ui.optionsButton)
    return panel


def asked(panel, client):
    """The options of a run that is applied now."""
    harness.click(panel.ui.applyButton)
    harness.process_events(0.05)
    return client.last.options


def item(panel, name):
    tree = panel.ui.labelTree
    return next(tree.topLevelItem(n) for n in range(tree.topLevelItemCount) if tree.topLevelItem(n).text(0) == name)


def test_untouched_options_leave_everything_to_the_model(panel, client):
    options = asked(panel, client)
    assert (options.device, options.precision, options.overlap, options.labels) == ("auto", "auto", None, None)
    assert options.postprocessing
    harness.grab(panel, "medsegdl_options")


def test_why_existing_segments_cannot_be_chosen_is_said(panel):
    combo, node = panel.ui.existingComboBox, panel.logic.getParameterNode()
    assert not combo.enabled and "no segments yet" in combo.toolTip
    node.outputSegmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "old")
    assert combo.enabled and "What becomes" in combo.toolTip
    node.inputVolume = add_cine()
    harness.choose(panel.ui.framesComboBox, "Every frame")
    assert not combo.enabled and "replaces all" in combo.toolTip


def test_an_overlap_is_dragged_once_it_is_not_the_models(panel, client):
    assert not panel.ui.overlapSlider.visible
    harness.click(panel.ui.cardOverlapCheckBox)
    harness.drag_slider(panel.ui.overlapSlider, 0.75)
    options = asked(panel, client)
    assert options.overlap == pytest.approx(0.75, abs=0.03)
    assert options.overlap == pytest.approx(panel.ui.overlapSlider.value)


def test_postprocessing_can_be_left_out(panel, client):
    harness.click(panel.ui.postprocessingCheckBox)
    assert not asked(panel, client).postprocessing


def test_devices_are_told_in_words_and_the_chosen_one_is_asked_for(panel, client):
    combo = panel.ui.deviceComboBox
    assert [combo.itemText(n) for n in range(combo.count)] == [
        "Automatic (NVIDIA RTX 4000, 11 GB free)",
        "NVIDIA RTX 4000, 11 GB free",
        "CPU, bfloat16",
    ]
    assert combo.toolTip.startswith("Automatic (NVIDIA RTX 4000, 11 GB free)\n")
    harness.choose(combo, "CPU, bfloat16")
    assert asked(panel, client).device == "cpu"


def test_a_device_that_is_not_here_is_said_to_be_missing(panel, client):
    panel.logic.getParameterNode().device = "cuda:3"
    assert panel.ui.deviceComboBox.currentText == "cuda:3 (not found)"


def test_unchecked_segments_are_left_out(panel, client):
    harness.click_item(panel.ui.labelTree, item(panel, "Brightest"))
    assert panel.ui.labelCountLabel.text == "1 of 2"
    assert asked(panel, client).labels == ("Bright",)


def test_without_any_segment_apply_says_what_is_missing(panel):
    harness.click(panel.ui.labelNoneButton)
    assert not panel.ui.applyButton.enabled
    assert "at least one segment" in panel.ui.reasonLabel.text
    harness.click(panel.ui.labelInvertButton)
    assert panel.ui.applyButton.enabled
    assert panel.logic.getParameterNode().labels == ""


def test_all_none_and_invert_act_on_what_is_found(panel):
    harness.type_text(panel.ui.labelSearchEdit, "brightest")
    assert item(panel, "Bright").isHidden()
    harness.grab(panel, "medsegdl_segments_search")
    harness.click(panel.ui.labelNoneButton)
    assert panel.ui.labelCountLabel.text == "1 of 2"
    harness.click(panel.ui.labelInvertButton)
    assert panel.ui.labelCountLabel.text == "2 of 2"


def test_another_model_brings_its_own_segments(panel, client):
    harness.click_item(panel.ui.labelTree, item(panel, "Brightest"))
    choose_model(panel, "Left ventricle in short-axis cine MR")
    assert panel.ui.labelCountLabel.text == "1 of 1"
    choose_model(panel, TITLE)
    assert panel.ui.labelCountLabel.text == "2 of 2"


def test_a_region_of_interest_reaches_the_worker_in_voxels(panel, client):
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Heart")
    # From a little before voxel 2 to a little after voxel 7 along each axis of the grid, in RAS.
    first, last = (GRID.index_to_physical(np.array([[n] * 3 for n in (1.9, 7.1)])) * (-1, -1, 1)).tolist()
    roi.SetCenter([(a + b) / 2 for a, b in zip(first, last, strict=True)])
    roi.SetSize([abs(a - b) for a, b in zip(first, last, strict=True)])
    harness.process_events()
    harness.choose(panel.ui.roiSelector, "Heart")
    region = asked(panel, client).region
    assert (region.start_ijk, region.size) == ((2, 2, 2), (6, 6, 6))


def test_a_region_that_is_made_in_the_panel_begins_as_the_whole_volume(panel, client):
    harness.choose(panel.ui.roiSelector, "Create new ROI")
    region = asked(panel, client).region
    assert (region.start_ijk, region.size) == ((0, 0, 0), GRID.size)


def test_an_existing_segmentation_is_taken_and_what_becomes_of_its_segments_is_a_choice(panel, client):
    assert not panel.ui.existingComboBox.enabled
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "by hand")
    node.GetSegmentation().AddEmptySegment("rib", "rib")
    harness.process_events()
    harness.choose(panel.ui.outputSelector, "by hand")
    assert panel.ui.existingComboBox.enabled
    harness.choose(panel.ui.existingComboBox, "Keep all, add beside them")
    asked(panel, client)
    client.finish(labels(v1=8))
    harness.wait_until(lambda: panel.ui.resultButton.visible)
    assert segmentations() == [node]
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["rib", "Bright"]


def test_replacing_all_leaves_only_the_new_segments(panel, client):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "by hand")
    node.GetSegmentation().AddEmptySegment("rib", "rib")
    harness.process_events()
    harness.choose(panel.ui.outputSelector, "by hand")
    harness.choose(panel.ui.existingComboBox, "Replace all")
    asked(panel, client)
    client.finish(labels(v1=8))
    harness.wait_until(lambda: panel.ui.resultButton.visible)
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["Bright"]


def test_every_frame_is_asked_for_where_there_are_frames(panel, client):
    harness.click(panel.ui.optionsButton)
    panel.ui.inputSelector.setCurrentNode(add_cine())
    harness.choose(panel.ui.framesComboBox, "Every frame")
    asked(panel, client)
    assert panel.logic.runs.runs[-1].order.everyFrame
    panel.ui.inputSelector.setCurrentNode(add_volume("still"))
    asked(panel, client)
    assert not panel.logic.runs.runs[-1].order.everyFrame


def set_everything(panel):
    harness.choose(panel.ui.deviceComboBox, "CPU, bfloat16")
    harness.click(panel.ui.postprocessingCheckBox)
    harness.click(panel.ui.cardOverlapCheckBox)
    harness.drag_slider(panel.ui.overlapSlider, 0.25)
    harness.click_item(panel.ui.labelTree, item(panel, "Brightest"))
    return shown(panel)


def shown(panel):
    ui = panel.ui
    return (
        ui.inputSelector.currentNode().GetName(),
        ui.modelTree.currentItem().text(0),
        ui.deviceComboBox.currentText,
        ui.postprocessingCheckBox.checked,
        ui.cardOverlapCheckBox.checked,
        round(ui.overlapSlider.value, 3),
        ui.labelCountLabel.text,
    )


def test_settings_survive_saving_and_loading_the_scene(panel, tmp_path):
    before, scene = set_everything(panel), slicer.mrmlScene
    scene.SetURL(str(tmp_path / "scene.mrml"))
    assert scene.Commit()
    scene.Clear(0)
    harness.process_events()
    assert panel.ui.postprocessingCheckBox.checked
    assert scene.Import()
    harness.process_events()
    assert shown(panel) == before


def test_settings_survive_another_module(panel):
    before = set_everything(panel)
    panel.parent.exit()
    panel.parent.enter()
    assert shown(panel) == before


def test_a_scene_with_a_model_that_is_not_here_says_so(panel):
    panel.logic.getParameterNode().modelId = "lungs_ct"
    assert "'lungs_ct' is not on this computer" in panel.ui.reasonLabel.text
    assert not panel.ui.applyButton.enabled


def test_closing_the_scene_forgets_the_settings(panel):
    set_everything(panel)
    slicer.mrmlScene.Clear(0)
    harness.process_events()
    assert panel.ui.postprocessingCheckBox.checked
    assert not panel.ui.overlapSlider.visible


def test_the_dark_theme_is_readable(panel, client):
    harness.dark()
    try:
        harness.click(panel.ui.applyButton)
        client.fail("The segmentation process ran out of memory: choose a region, or close other programs.", "Killed")
        harness.wait_until(lambda: panel.ui.errorFrame.visible)
        harness.grab(panel, "medsegdl_dark")
    finally:
        harness.dark(False)
