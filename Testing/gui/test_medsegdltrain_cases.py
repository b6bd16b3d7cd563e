"""MedSegDLTrain's first part: the case folder, adding what is on the screen, and the next case to correct."""

from __future__ import annotations

from dataclasses import replace

import pytest
import slicer

from MedSegDLTrainLib.cases import read_case_list, write_cases
from Testing.gui import harness, train_examples
from Testing.gui.medsegdltrain_panel import add_scan, choose_folder, fake_interpreter, open_panel, picture, texts


@pytest.fixture
def panel(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return open_panel(monkeypatch, fake_interpreter(pictures=True))


@pytest.fixture
def folder(tmp_path):
    return train_examples.write_case_folder(tmp_path / "heart")


def choose_scan(panel, volume, segmentation):
    panel.ui.volumeSelector.setCurrentNode(volume)
    panel.ui.segmentationSelector.setCurrentNode(segmentation)
    harness.process_events(0.3)


def double_click(table, row):
    from PySide6 import QtCore, QtTest

    from Testing.gui.harness.wrappers import unwrap

    view = unwrap(table)
    place = view.visualItemRect(view.item(row, 0)).center()
    for press in (QtTest.QTest.mouseClick, QtTest.QTest.mouseDClick):
        press(view.viewport(), QtCore.Qt.LeftButton, pos=place)
    harness.process_events()


def ended(panel, message):
    harness.wait_until(lambda: not panel.ui.addWork.visible and not panel.ui.nextWork.visible and message.text, 60)
    harness.process_events(0.1)


def test_an_empty_panel_says_what_to_do_first(panel):
    ui = panel.ui
    assert "Choose the folder" in ui.caseFolderSummary.text
    assert not ui.addButton.enabled and "case folder" in ui.takenLabel.text
    assert not ui.nextGroup.visible  # there is nothing to choose from yet
    assert not ui.writeJobButton.enabled and "Add cases first" in ui.writeJobReason.text
    assert not ui.startButton.enabled and "Plan the training first" in ui.startReason.text
    picture(panel, "train_empty")


def test_the_first_patient_is_said_to_leave_nobody_to_judge_on(panel, tmp_path):
    choose_folder(panel, train_examples.write_case_folder(tmp_path / "first", ("approved",)))
    first, second = panel.ui.caseFolderSummary.text.splitlines()
    assert first == "1 case of 1 patient: 1 to train on, 0 to validate on, 0 held out."
    assert "add a case of another patient" in second and panel.ui.nextGroup.visible


def test_a_folder_shows_its_cases_with_pictures_and_can_be_searched(panel, folder):
    choose_folder(panel, folder)
    ui = panel.ui
    assert texts(ui.casesTable)[1] == ["scan-2", "corrected", "validation", "scan-2.nrrd"]
    assert ui.caseFolderSummary.text.startswith("4 cases of 4 patients: 2 to train on, 1 to validate on, 1 held out")
    harness.wait_until(lambda: not ui.casesTable.item(3, 0).icon().isNull(), 60)
    picture(panel, "train_cases")
    harness.type_text(ui.caseSearch, "P4 held")
    assert [row[0] for row in texts(ui.casesTable)] == ["scan-4"]


def test_long_names_lose_their_middle_so_that_their_ends_tell_them_apart(panel, folder):
    import qt

    listed = read_case_list(folder)
    for kind in ("imagesTr", "labelsTr"):
        for path in (folder / kind).iterdir():
            path.rename(path.with_name(path.name.replace("scan", "MedSegDL-beating-heart-phantom")))
    cases = [replace(case, name=case.name.replace("scan", "MedSegDL-beating-heart-phantom")) for case in listed.cases]
    write_cases(folder, cases, {train_examples.LABEL: 1}, "MR")
    choose_folder(panel, folder)
    table = panel.ui.casesTable
    assert table.textElideMode == qt.Qt.ElideMiddle
    assert table.item(3, 0).toolTip() == "MedSegDL-beating-heart-phantom-4, patient P4"
    picture(panel, "train_long_cases")


def test_a_case_says_which_model_was_corrected(panel, folder):
    cases = [replace(case, model="lv_cine_mr", model_sha256="0" * 64) for case in read_case_list(folder).cases]
    write_cases(folder, cases, {train_examples.LABEL: 1}, "MR")
    choose_folder(panel, folder)
    assert texts(panel.ui.casesTable)[0] == ["scan-1", "approved", "training", "lv_cine_mr"]
    assert panel.ui.casesTable.item(0, 3).toolTip() == "model lv_cine_mr, file scan-1.nrrd"


def test_a_double_click_loads_a_case_to_correct(panel, folder):
    choose_folder(panel, folder)
    double_click(panel.ui.casesTable, 1)
    node = panel.logic.getParameterNode()
    assert node.volume.GetName() == "scan-2" and node.patient == "P2"
    assert node.segmentation.GetSegmentation().GetNthSegment(0).GetName() == train_examples.LABEL
    harness.click(panel.ui.editButton)
    assert slicer.util.moduleSelector().selectedModule == "SegmentEditor"
    editor = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert editor.GetSegmentationNode() is node.segmentation and editor.GetSourceVolumeNode() is node.volume


def test_what_will_be_taken_is_said_before_it_is_added(panel, folder):
    choose_folder(panel, folder)
    choose_scan(panel, *add_scan())
    ui = panel.ui
    assert "Taken: Left ventricle (1)." in ui.takenLabel.text and "Rib" in ui.takenLabel.text
    assert ui.patientEdit.text == "scan-9"
    harness.choose(ui.annotatedCombo, "only these slices:")
    harness.type_text(ui.slicesEdit, "0, 7")
    harness.process_events(0.4)
    assert not ui.addButton.enabled and "7" in ui.takenLabel.text
    harness.type_text(ui.slicesEdit, "0-1")
    harness.process_events(0.4)
    assert ui.addButton.enabled
    picture(panel, "train_add_left_out")


def test_a_corrected_scan_becomes_a_case(panel, folder):
    choose_folder(panel, folder)
    choose_scan(panel, *add_scan(number=3))
    harness.type_text(panel.ui.patientEdit, "P9")
    harness.process_events(0.3)
    harness.click(panel.ui.addButton)
    assert not panel.ui.addButton.enabled
    ended(panel, panel.ui.addMessage)
    assert "already" in panel.ui.addMessage.text  # scan-4 has this very image, of another patient
    assert len(texts(panel.ui.casesTable)) == 4
    harness.type_text(panel.ui.patientEdit, "P4")
    harness.process_events(0.3)
    harness.click(panel.ui.addButton)
    harness.wait_until(lambda: "version 2" in panel.ui.addMessage.text, 60)
    assert "scan-4" in panel.ui.addMessage.text and "P4" in panel.ui.addMessage.text
    assert texts(panel.ui.casesTable)[3][1:3] == ["corrected", "held out"]
    picture(panel, "train_added")


def test_a_new_folder_is_made_after_asking(panel, tmp_path):
    choose_folder(panel, tmp_path / "new")
    assert "no such folder yet" in panel.ui.caseFolderSummary.text
    choose_scan(panel, *add_scan())
    assert "A new case folder" in panel.ui.takenLabel.text
    harness.answer("Cancel")
    harness.click(panel.ui.addButton)
    assert not (tmp_path / "new").exists()
    harness.answer("Ok")
    harness.click(panel.ui.addButton)
    ended(panel, panel.ui.addMessage)
    assert texts(panel.ui.casesTable)[0][0] == "scan-9"
    assert [row[0] for row in texts(panel.ui.labelsTable)] == [train_examples.LABEL, "Rib"]


def test_the_patient_of_one_image_is_never_taken_for_the_next(panel, folder):
    choose_folder(panel, folder)
    first, second = add_scan(0, "first"), add_scan(1, "second")
    choose_scan(panel, *first)
    harness.type_text(panel.ui.patientEdit, "P7")
    choose_scan(panel, *second)
    assert panel.ui.patientEdit.text == "second"


def test_renaming_a_segment_changes_what_will_be_taken(panel, folder):
    choose_folder(panel, folder)
    _volume, segmentation = add_scan()
    choose_scan(panel, _volume, segmentation)
    segmentation.GetSegmentation().GetNthSegment(0).SetName("Atrium")
    harness.process_events(0.4)
    assert not panel.ui.addButton.enabled
    assert "None of the segments is a label" in panel.ui.takenLabel.text


def test_the_next_case_is_the_one_that_the_model_is_least_sure_of(panel, tmp_path):
    choose_folder(panel, train_examples.write_case_folder(tmp_path / "heart", ("approved", "predicted", "predicted")))
    assert "2 to correct before any of that." in panel.ui.caseFolderSummary.text
    harness.click(panel.ui.nextCaseButton)
    assert panel.ui.nextWork.visible and not panel.ui.nextCaseButton.enabled
    ended(panel, panel.ui.nextMessage)
    assert "Loaded scan-2, of 2" in panel.ui.nextMessage.text and "0.300 bits" in panel.ui.nextMessage.text
    node = panel.logic.getParameterNode()
    assert node.volume.GetName() == "scan-2" and node.patient == "P2"
    harness.process_events(0.4)
    picture(panel, "train_next_case")


def test_without_anything_to_correct_a_folder_of_images_is_asked_for(panel, folder):
    choose_folder(panel, folder)
    assert not panel.ui.nextCaseButton.enabled and "choose a folder of images" in panel.ui.nextReason.text
    picture(panel, "train_nothing_to_correct")
    harness.type_text(panel.ui.imagesPath, str(folder.parent))
    assert panel.ui.nextCaseButton.enabled and not panel.ui.nextReason.visible


def test_looking_for_the_next_case_can_be_cancelled(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    panel = open_panel(monkeypatch, fake_interpreter(slow=20))
    choose_folder(panel, train_examples.write_case_folder(tmp_path / "heart", ("approved", "predicted")))
    harness.click(panel.ui.nextCaseButton)
    harness.wait_until(lambda: panel.ui.nextBar.maximum == 1000, 30)
    picture(panel, "train_next_case_looking")
    harness.click(panel.ui.nextCancel)
    harness.wait_until(lambda: not panel.ui.nextWork.visible, 10)
    assert panel.ui.nextMessage.text == "Cancelled." and panel.ui.nextCaseButton.enabled
    assert panel.logic.getParameterNode().volume is None


def test_a_scene_that_closes_while_a_case_is_added_does_no_harm(panel, folder):
    choose_folder(panel, folder)
    choose_scan(panel, *add_scan(number=3))
    harness.type_text(panel.ui.patientEdit, "P4")
    harness.process_events(0.3)
    harness.click(panel.ui.addButton)
    slicer.mrmlScene.Clear(0)
    ended(panel, panel.ui.addMessage)
    assert "version 2" in panel.ui.addMessage.text
    assert panel.ui.caseFolderPath.currentPath == str(folder)  # a new scene goes on with the same cases


def test_a_dark_theme_is_legible(panel, folder):
    choose_folder(panel, folder)
    choose_scan(panel, *add_scan())
    harness.dark()
    harness.process_events(0.5)
    picture(panel, "train_dark")
    harness.dark(False)
    assert panel.ui.addButton.enabled
