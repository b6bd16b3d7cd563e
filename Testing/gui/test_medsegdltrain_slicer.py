"""What differs in Slicer from what seems natural outside of it: caches, signals that do not come, nodes that stay in memory."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import slicer
import vtk

from MedSegDLTrainScene.known_runs import remember_run
from Testing.gui import harness, train_examples
from Testing.gui.medsegdltrain_panel import add_scan, choose_folder, fake_interpreter, open_panel, texts


@pytest.fixture
def panel(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return open_panel(monkeypatch, fake_interpreter(pictures=True))


def test_each_case_has_its_own_picture_although_qt_remembers_what_it_read_from_one_file(panel, folder):
    choose_folder(panel, folder)
    table = panel.ui.casesTable
    harness.wait_until(lambda: not any(table.item(row, 0).icon().isNull() for row in range(4)), 60)
    icons = [table.item(row, 0).icon().pixmap(40, 40).toImage() for row in range(4)]
    assert not any(icons[first] == icons[second] for first in range(4) for second in range(first))


def test_what_is_sent_to_a_panel_that_was_never_opened_is_chosen_there(monkeypatch, tmp_path):
    from MedSegDLPanel.show_nodes import sendToTraining

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    harness.load_module("MedSegDLTrain")
    add_scan(0, "first")
    volume, segmentation = add_scan(1, "second")
    sendToTraining(segmentation, volume)
    node = slicer.modules.MedSegDLTrainWidget.logic.getParameterNode()
    assert node.volume is volume and node.segmentation is segmentation


def test_a_field_that_is_emptied_counts_as_empty(panel, folder, tmp_path):
    choose_folder(panel, folder)
    panel.ui.imagesPath.currentPath = str(tmp_path)
    assert panel.panel.next._images == tmp_path
    panel.ui.imagesPath.currentPath = ""
    assert panel.panel.next._images is None
    panel.ui.caseFolderPath.currentPath = ""
    assert panel.logic.getParameterNode().caseFolder == ""
    assert panel.ui.caseFolderSummary.text.startswith("Choose the folder") and not panel.ui.casesTable.visible


def test_a_folder_that_nobody_may_look_into_is_told_and_hides_no_other(panel, folder, tmp_path, monkeypatch):
    """Letter by letter: who types a path passes folders of other people; and a network drive may go."""
    locked, stat = tmp_path / "locked", Path.stat

    def denied(path, **options):
        if locked in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    locked.mkdir()
    train_examples.write_run(locked / "run", folder)
    remember_run(locked / "run")
    monkeypatch.setattr(Path, "stat", denied)
    choose_folder(panel, locked / "cases")
    assert "no cases in this folder yet" in panel.ui.caseFolderSummary.text
    train_examples.write_run(tmp_path / "run", folder)
    choose_folder(panel, folder)
    assert [row[0] for row in texts(panel.ui.runsTable)] == ["run"]
    assert panel.panel.runs.selected.status.state == "finished"
    monkeypatch.setattr(Path, "stat", lambda path, **options: denied(locked / path.name, **options))
    panel.panel.runs.lookNow()
    assert texts(panel.ui.runsTable)[0][1] == "missing"


def _choose_scan(panel, folder):
    """A case folder, and a new image with its segmentation: both nodes."""
    choose_folder(panel, folder)
    volume, segmentation = add_scan()
    panel.ui.volumeSelector.setCurrentNode(volume)
    panel.ui.segmentationSelector.setCurrentNode(segmentation)
    harness.process_events(0.3)
    return volume, segmentation


def test_an_image_and_segments_that_were_chosen_leave_the_memory_with_the_scene(panel, folder):
    volume, segmentation = _choose_scan(panel, folder)
    kept = [vtk.vtkWeakReference() for _ in range(2)]
    for reference, what in zip(kept, (volume.GetImageData(), segmentation.GetSegmentation()), strict=True):
        reference.Set(what)
    del volume, segmentation, what
    slicer.mrmlScene.Clear(0)
    harness.process_events(0.1)
    gc.collect()
    assert [reference.Get() for reference in kept] == [None, None]


def test_segments_are_followed_when_a_sequence_puts_others_into_the_node(panel, folder):
    _, segmentation = _choose_scan(panel, folder)
    other = slicer.vtkSegmentation()
    other.DeepCopy(segmentation.GetSegmentation())
    other.GetNthSegment(0).SetName("Atrium")
    segmentation.SetAndObserveSegmentation(other)
    harness.process_events(0.4)
    assert "None of the segments is a label" in panel.ui.takenLabel.text
    other.GetNthSegment(0).SetName(train_examples.LABEL)
    harness.process_events(0.4)
    assert "Taken: Left ventricle (1)." in panel.ui.takenLabel.text


def test_nothing_is_looked_at_while_another_module_works_on_the_segments(panel, folder):
    choose_folder(panel, folder)
    volume, segmentation = add_scan()
    panel.ui.volumeSelector.setCurrentNode(volume)
    panel.ui.segmentationSelector.setCurrentNode(segmentation)
    harness.process_events(0.4)
    panel.parent.exit()
    segmentation.GetSegmentation().GetNthSegment(0).SetName("Atrium")
    harness.process_events(0.4)
    assert "Taken: Left ventricle (1)." in panel.ui.takenLabel.text
    panel.parent.enter()
    harness.process_events(0.4)
    assert "None of the segments is a label" in panel.ui.takenLabel.text


def test_a_label_map_is_not_chosen_as_the_image_and_the_segments_belong_to_the_image(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    add_scan(0, "first")
    volume, segmentation = add_scan(1, "second")
    slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(volume.GetID())
    node = open_panel(monkeypatch, fake_interpreter()).logic.getParameterNode()
    assert node.volume is volume and node.segmentation is segmentation


def test_segments_that_were_drawn_on_another_image_are_said_to_be(panel, folder):
    choose_folder(panel, folder)
    volume, segmentation = add_scan(0, "first")
    other, _segments = add_scan(1, "second")
    panel.ui.segmentationSelector.setCurrentNode(segmentation)
    panel.ui.volumeSelector.setCurrentNode(volume)
    harness.process_events(0.4)
    assert "drawn on" not in panel.ui.takenLabel.text
    panel.ui.volumeSelector.setCurrentNode(other)
    harness.process_events(0.4)
    assert "They were drawn on 'first'; what of them lies in 'second' is taken." in panel.ui.takenLabel.text
