"""What a person finds on coming back: to a panel that was closed, to a scene in another Slicer, to folders that changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import slicer

from MedSegDLTrainLib.cases import read_case_list, write_cases
from Testing.gui import harness, train_examples
from Testing.gui.made_scans import add_scan, right_answer
from Testing.gui.medsegdl_panel import open_panel as open_segment_panel
from Testing.gui.medsegdltrain_panel import choose_folder, fake_interpreter, open_panel
from Testing.scene.fake_client import FakeClient

ROOT = Path(__file__).parents[2]


@pytest.fixture
def panel(monkeypatch, folder):
    opened = open_panel(monkeypatch, fake_interpreter())
    choose_folder(opened, folder)
    return opened


def write_job(panel):
    harness.click(panel.ui.writeJobButton)
    harness.wait_until(lambda: not panel.ui.jobWork.visible, 60)
    harness.process_events(0.1)


def heights(table):
    return [table.rowHeight(row) for row in range(table.rowCount)]


def test_the_reasons_of_a_job_are_as_legible_when_the_panel_is_opened_again(panel):
    write_job(panel)
    before = heights(panel.ui.jobTable)
    harness.close_modules()
    again = harness.open_module("MedSegDLTrain")
    harness.process_events(0.1)
    assert max(before) > min(before)
    assert heights(again.ui.jobTable) == before


ANOTHER_SLICER = """
import json, sys
from Testing.gui import harness
harness.start()
import MedSegDL, slicer
from Testing.scene.fake_client import FakeClient
MedSegDL.WorkerClient = lambda interpreter: FakeClient()
panels = [harness.open_module(name) for name in sys.argv[2:]]
slicer.mrmlScene.SetURL(sys.argv[1])
assert slicer.mrmlScene.Connect()
segment, train = harness.open_module("MedSegDL"), None
shown = [segment.ui.inputSelector.currentNode().GetName(), segment.ui.outputSelector.currentNode().GetName()]
shown += [segment.ui.roiSelector.currentNode().GetName(), segment.ui.overlapSlider.value]
shown += [segment.ui.postprocessingCheckBox.checked, segment.ui.applyButton.enabled]
ui = harness.open_module("MedSegDLTrain").ui
harness.wait_until(lambda: ui.takenLabel.text.startswith("Taken"))
shown += [ui.casesTable.rowCount, ui.patientEdit.text, ui.statusCombo.currentText, ui.slicesEdit.text, ui.axisCombo.currentText]
shown += [ui.startCombo.currentText, ui.minutesSpin.value, ui.startButton.enabled, ui.runState.text.partition(" ")[0]]
harness.close_modules()
harness.check()
print(json.dumps(shown))
"""


@pytest.mark.parametrize("opened_before", [(), ("MedSegDL",), ("MedSegDL", "MedSegDLTrain")])
def test_a_scene_that_was_saved_is_found_as_it_was_in_another_slicer(saved_scene, opened_before):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("MedSegDL", "MedSegDLTrain"))}
    command = [sys.executable, "-c", ANOTHER_SLICER, str(saved_scene), *opened_before]
    found = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, encoding="utf-8")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout) == [
        *("Scan 3", "By hand", "Heart", 0.25, False, True),
        *(4, "Müller 3", "approved: every slice is right", "2, 3-4", "coronal"),
        *("From scratch: unet_2d", 7, True, "Interrupted"),
    ]


@pytest.fixture
def saved_scene(panel, monkeypatch, folder, tmp_path):
    """A scene with everything chosen in both panels, an interrupted run and a job, saved with its files."""
    volume = add_scan(3)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "By hand")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segmentation.GetSegmentation().AddEmptySegment("", train_examples.LABEL)
    segment_id = segmentation.GetSegmentation().GetNthSegmentID(0)
    slicer.util.updateSegmentBinaryLabelmapFromArray(right_answer(3), segmentation, segment_id, volume)
    region = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Heart")
    choose_in_segment(open_segment_panel(FakeClient(), monkeypatch).logic.getParameterNode(), volume, segmentation, region)
    train_examples.write_run(folder.with_name("run"), folder, steps=100, done=17)
    choose_in_train(harness.open_module("MedSegDLTrain"), folder, volume, segmentation)
    return saved(tmp_path / "scene.mrml", [volume, segmentation, region, volume.GetParentTransformNode()])


def choose_in_segment(node, volume, segmentation, region):
    node.inputVolume, node.outputSegmentation, node.region = volume, segmentation, region
    node.overlapOfModel, node.overlap, node.postprocessing = False, 0.25, False


def choose_in_train(panel, folder, volume, segmentation):
    node = panel.logic.getParameterNode()
    node.caseFolder, node.volume, node.segmentation = str(folder), volume, segmentation
    harness.process_events(0.2)
    node.patient = "Müller 3"  # QTest types no umlauts
    harness.choose(panel.ui.statusCombo, "approved: every slice is right")
    harness.choose(panel.ui.annotatedCombo, "only these slices:")
    harness.choose(panel.ui.axisCombo, "coronal")
    harness.type_text(panel.ui.slicesEdit, "2, 3-4")
    write_job(panel)
    node.minutes, node.startFrom = 7, "network:unet_2d"
    harness.process_events(0.3)


def saved(path, nodes):
    """As Slicer's Save does: the nodes' own files, then the scene."""
    for node in nodes:
        node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        storage.SetFileName(str(path.with_name(f"{node.GetName()}.{storage.GetDefaultWriteFileExtension()}")))
        assert storage.WriteData(node)
    slicer.mrmlScene.SetURL(str(path))
    assert slicer.mrmlScene.Commit()
    return path


def test_the_slices_of_one_image_are_never_taken_for_the_next(panel):
    first, second = add_scan(1), add_scan(2)
    panel.ui.volumeSelector.setCurrentNode(first)
    harness.choose(panel.ui.annotatedCombo, "only these slices:")
    harness.choose(panel.ui.axisCombo, "coronal")
    harness.type_text(panel.ui.slicesEdit, "2, 3-4")
    panel.ui.volumeSelector.setCurrentNode(second)
    harness.process_events(0.3)
    assert panel.ui.slicesEdit.text == ""
    assert panel.ui.axisCombo.currentText == "axial"


def test_a_folder_of_five_hundred_cases_is_opened_again_at_once(panel, folder):
    cases = [
        replace(case, name=f"scan-{number}", patient=f"P{number}", split="train")
        for number, case in enumerate(125 * read_case_list(folder).cases)
    ]
    write_cases(folder, cases, {train_examples.LABEL: 1}, "MR")
    panel.parent.enter()
    harness.process_events(0.2)
    began = time.monotonic()
    panel.parent.enter()
    assert time.monotonic() - began < 4  # 0.6 s; 10 s where each cell makes Qt measure the whole table
    assert panel.ui.casesTable.rowCount == 500
