"""MedSegDLTrain while a case is on its way into its folder: in steps, that leave the window alive."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
import slicer

from MedSegDLScene import steps
from Testing.gui import harness
from Testing.gui.medsegdltrain_panel import add_scan, choose_folder, fake_interpreter, open_panel, picture, texts


@pytest.fixture
def panel(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return open_panel(monkeypatch, fake_interpreter())


@pytest.fixture
def small_steps(monkeypatch):
    """As many steps as a large volume takes: one slice each, and one a poll."""
    monkeypatch.setattr(steps, "_SLAB_VOXELS", 1)
    monkeypatch.setattr(steps, "_SECONDS_AT_A_TIME", 0)


def choose_scan(panel, volume, segmentation, seconds=0.4):
    panel.ui.volumeSelector.setCurrentNode(volume)
    panel.ui.segmentationSelector.setCurrentNode(segmentation)
    harness.process_events(seconds)


def large_scan():
    """Of 100 × 512 × 512 voxels, and two segments that overlap."""
    array = np.arange(100 * 512 * 512, dtype=np.int32).reshape(100, 512, 512).astype(np.int16)
    volume = slicer.util.addVolumeFromArray(array, name="large")
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "large segmentation")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    labels = np.zeros(array.shape, np.uint8)
    labels[20:60, 50:450, 50:450] = 1
    for name in ("Left ventricle", "Wall"):
        segment = segmentation.GetSegmentation().AddEmptySegment("", name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(labels, segmentation, segment, volume)
    return volume, segmentation


class Ticks:
    """A timer of 10 ms: how long did it not come, at most? By the processor's time, which a busy machine does not stretch."""

    def __init__(self):
        import qt

        self._times, self._timer = [time.thread_time()], qt.QTimer()
        self._timer.connect("timeout()", lambda: self._times.append(time.thread_time()))
        self._timer.start(10)

    def longest(self):
        self._timer.stop()
        return max(later - earlier for earlier, later in pairwise([*self._times, time.thread_time()]))


def test_a_large_volume_is_judged_and_handed_over_without_holding_the_window(panel, tmp_path):
    """In one piece the two took 0.3 s each; usual are 0.05 s."""
    choose_folder(panel, tmp_path / "new")
    choose_scan(panel, *large_scan())
    ui, ticks = panel.ui, Ticks()
    harness.choose(ui.annotatedCombo, "only slices with segments")
    harness.wait_until(lambda: ui.addButton.enabled, 20)
    assert "Slices 20–59 of 0–99" in ui.takenLabel.text
    harness.answer("Ok")
    harness.click(ui.addButton)
    assert ui.addMessage.text == "Adding large…" and not ui.addButton.enabled and ui.addWork.visible
    harness.process_events(0.1)
    picture(panel, "train_adding")
    harness.wait_until(lambda: not ui.addWork.visible, 60)
    assert "Added as case large" in ui.addMessage.text
    assert texts(ui.casesTable)[0][0] == "large"
    assert ticks.longest() < 0.25


@pytest.mark.usefixtures("small_steps")
def test_nothing_can_be_added_before_it_was_said_what(panel, folder):
    choose_folder(panel, folder)
    choose_scan(panel, *add_scan())
    ui = panel.ui
    harness.choose(ui.annotatedCombo, "only slices with segments")
    harness.wait_until(lambda: ui.takenLabel.text == "Looking which slices have segments…", 5)
    assert not ui.addButton.enabled
    harness.wait_until(lambda: ui.addButton.enabled, 5)
    assert "count as annotated" in ui.takenLabel.text
    harness.choose(ui.annotatedCombo, "only slices with segments")
    slicer.mrmlScene.Clear(0)  # in the middle of it
    harness.process_events(0.4)
    assert not ui.addButton.enabled and "Choose the image" in ui.takenLabel.text


@pytest.mark.usefixtures("small_steps")
def test_a_case_that_is_cancelled_before_its_process_has_begun_leaves_the_folder_alone(panel, folder):
    choose_folder(panel, folder)
    choose_scan(panel, *add_scan())
    harness.click(panel.ui.addButton)
    harness.click(panel.ui.addCancel)
    harness.wait_until(lambda: not panel.ui.addWork.visible, 5)
    assert panel.ui.addMessage.text == "Cancelled."
    assert len(texts(panel.ui.casesTable)) == 4 and len(list((folder / "imagesTr").iterdir())) == 4
    harness.wait_until(lambda: panel.ui.addButton.enabled, 5)


@pytest.mark.usefixtures("small_steps")
def test_a_panel_that_closes_meanwhile_leaves_the_folder_alone(panel, folder):
    choose_folder(panel, folder)
    choose_scan(panel, *add_scan())
    harness.click(panel.ui.addButton)
    harness.close_modules()
    harness.process_events(0.3)
    assert len(list((folder / "imagesTr").iterdir())) == 4


@pytest.mark.usefixtures("small_steps")
def test_painting_meanwhile_is_a_sentence_and_can_be_added_afterwards(panel, folder):
    from MedSegDLScene.grids import arrayFromImageData

    choose_folder(panel, folder)
    volume, segmentation = add_scan(number=3)
    choose_scan(panel, volume, segmentation)
    harness.type_text(panel.ui.patientEdit, "P4")
    harness.process_events(0.4)
    harness.click(panel.ui.addButton)
    layer = segmentation.GetSegmentation().GetLayerDataObject(0)
    arrayFromImageData(layer)[0] = 0
    layer.Modified()
    harness.wait_until(lambda: not panel.ui.addWork.visible, 20)
    assert panel.ui.addMessage.text == "The segments were changed at the same time: try again."
    harness.wait_until(lambda: panel.ui.addButton.enabled, 5)
    harness.click(panel.ui.addButton)
    harness.wait_until(lambda: "version 2" in panel.ui.addMessage.text, 60)
