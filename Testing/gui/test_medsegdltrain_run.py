"""MedSegDLTrain's third part: trainings are started, watched, paused, stopped, found again and published."""

from __future__ import annotations

import pytest
import slicer

from MedSegDLLib.strict_json import write_json
from MedSegDLLib.zoo import list_models
from MedSegDLTrainLib.progress import EventLog
from MedSegDLTrainLib.run_folder import (
    EVENTS_FILE,
    VALIDATION_FILE,
    BestValidation,
    CaseRows,
    ask,
    is_owned,
    owned,
    status_of,
)
from Testing.gui import harness, train_examples
from Testing.gui.medsegdltrain_panel import choose_folder, fake_interpreter, open_panel, picture, texts

WORSE = (
    "The new model is worse than lv_cine_mr: Dice 0.81 against 0.90 on 2 patients. Nothing was published; "
    "add --although-worse to publish it all the same."
)


@pytest.fixture
def opened(monkeypatch, folder):
    """Opens a panel on the case folder, with commands that do what is wished."""

    def opened_with(**wishes):
        panel = open_panel(monkeypatch, fake_interpreter(**wishes))
        choose_folder(panel, folder)
        return panel

    yield opened_with
    for run in folder.parent.glob("run*/"):
        if is_owned(run):
            ask(run, "stop")
            harness.wait_until(lambda run=run: not is_owned(run), 20)


def start(panel):
    harness.click(panel.ui.writeJobButton)
    harness.wait_until(lambda: panel.ui.startButton.enabled, 60)
    harness.click(panel.ui.startButton)
    harness.wait_until(lambda: panel.ui.pauseButton.enabled, 60)


def shows(panel, text):
    harness.wait_until(lambda: text in panel.ui.runState.text, 20)
    harness.process_events(0.1)


def ended(panel):
    harness.wait_until(lambda: not panel.ui.reportWork.visible, 30)
    harness.process_events(0.1)


def typed(panel, model_id="ours", title="Our scanner"):
    harness.click(panel.ui.publishButton)
    harness.type_text(panel.ui.publishId, model_id)
    harness.type_text(panel.ui.publishTitle, title)
    harness.choose(panel.ui.publishKind, "real: scans of people")


def test_a_training_is_watched_paused_resumed_and_stopped(opened, folder):
    panel = opened(steps=1000)
    ui = panel.ui
    start(panel)
    shows(panel, "Step")
    assert texts(ui.runsTable)[0][:2] == ["run", "running"]
    harness.wait_until(lambda: ui.scoresButton.enabled, 20)
    harness.click(ui.lossButton)
    chart = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLPlotChartNode")
    assert chart is not None and ui.stopButton.enabled
    picture(panel, "train_running")
    harness.click(ui.pauseButton)
    assert "Pausing after the present step" in ui.runState.text or "Paused" in ui.runState.text
    shows(panel, "Paused")
    assert ui.pauseButton.text == "Resume"
    picture(panel, "train_paused")
    harness.click(ui.pauseButton)
    shows(panel, "Running")
    harness.click(ui.stopButton)
    shows(panel, "Stopped")
    assert status_of(folder.with_name("run")).state == "stopped" and ui.pauseButton.text == "Resume"


def test_a_second_training_of_the_same_cases_is_asked_about(opened, folder):
    panel = opened(steps=1000)
    start(panel)
    harness.answer("Cancel")
    harness.click(panel.ui.startButton)
    assert "still at work" in harness.take_shown()[0].text
    assert not folder.with_name("run-2").exists()


def test_a_run_that_waits_for_room_on_the_disk_says_so_and_has_nothing_to_resume(opened, folder):
    run = train_examples.write_run(folder.with_name("run"), folder, steps=100, done=12)
    with owned(run):
        EventLog(run / EVENTS_FILE).write("paused", step=12, reason="the disk is full: make room, then the run goes on")
        panel = opened()
        shows(panel, "Paused")
        assert "The disk is full: make room, then the run goes on." in panel.ui.runState.text
        assert not panel.ui.pauseButton.enabled and panel.ui.stopButton.enabled
        picture(panel, "train_disk_full")
        EventLog(run / EVENTS_FILE).write("warning", step=12, text="There is room on the disk again: the run goes on.")
        EventLog(run / EVENTS_FILE).write("step", step=13, loss=0.3, rate=0.01, seconds_per_step=0.05, seconds_left=61.0)
        shows(panel, "There is room on the disk again")
        harness.wait_until(lambda: panel.ui.pauseButton.enabled, 20)
        assert "about 60 s left" in panel.ui.runState.text


def test_a_run_that_only_has_to_validate_says_so(opened, folder):
    run = train_examples.write_run(folder.with_name("run"), folder, steps=20, done=19)
    with owned(run):
        EventLog(run / EVENTS_FILE).write("step", step=20, loss=0.3, rate=0.01, seconds_per_step=0.05, seconds_left=100.0)
        panel = opened()
        shows(panel, "All 20 steps are done, last validation")
        assert "min left" in panel.ui.runState.text


def test_curves_go_on_while_a_training_does(opened):
    panel = opened()
    start(panel)
    harness.wait_until(lambda: panel.ui.lossButton.enabled, 20)
    harness.click(panel.ui.lossButton)
    table = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLTableNode").GetTable()
    before = table.GetNumberOfRows()
    harness.wait_until(lambda: table.GetNumberOfRows() > before, 20)
    slicer.mrmlScene.Clear(0)
    shows(panel, "Finished")  # the training does not mind a scene that is closed
    assert panel.ui.lossButton.enabled


def test_a_training_goes_on_when_the_panel_closes_and_is_found_again(opened, folder):
    panel = opened(steps=1000)
    start(panel)
    harness.close_modules()
    assert is_owned(folder.with_name("run"))
    again = opened()
    assert texts(again.ui.runsTable)[0][0] == "run"
    shows(again, "Running")


def test_a_killed_run_is_found_again_and_goes_on(opened, folder):
    train_examples.write_run(folder.with_name("run"), folder, steps=100, done=17)
    panel = opened(steps=100)
    assert texts(panel.ui.runsTable)[0][1] == "interrupted"
    assert "Resume goes on" in panel.ui.runState.text
    picture(panel, "train_killed")
    harness.click(panel.ui.pauseButton)
    shows(panel, "Running")
    assert status_of(folder.with_name("run")).step >= 17
    shows(panel, "Finished")


def test_a_finished_run_shows_cases_report_and_pictures(opened, folder):
    train_examples.write_run(folder.with_name("run"), folder)
    panel = opened()
    ui = panel.ui
    assert texts(ui.validationTable)[0][:3] == ["scan-2", train_examples.LABEL, "0.910"]
    assert not ui.pauseButton.enabled and not ui.stopButton.enabled and not ui.overlayList.visible
    assert "best Dice 0.910" in ui.runState.text and "publish it" in ui.runState.text
    harness.click(ui.reportButton)
    ended(panel)
    assert [url.rpartition("/")[2] for url in harness.take_opened()] == ["report.html"]
    harness.wait_until(lambda: ui.overlayList.count == 2, 10)
    assert ui.overlayList.item(0).text() == "Worst case"
    picture(panel, "train_finished")


def test_long_names_of_cases_leave_room_for_the_numbers(opened, folder):
    run = train_examples.write_run(folder.with_name("run"), folder)
    row = {"name": "left ventricular cavity", "dice": 0.93, "reference_volume_ml": 118.2, "prediction_volume_ml": 123.7}
    names = [f"MedSegDL-beating-heart-phantom-of-a-long-name-{n}" for n in (1, 2)]
    write_json(BestValidation(40, "dice", 0.93, {name: CaseRows("P2", (row,)) for name in names}), run / VALIDATION_FILE)
    panel = opened()
    table = panel.ui.validationTable
    header = table.horizontalHeader()
    assert header.length() <= table.viewport().width
    assert all(header.sectionSize(n) >= header.sectionSizeHint(n) for n in range(table.columnCount))
    assert table.item(0, 0).toolTip() in names
    picture(panel, "train_long_names")


def test_a_published_model_is_there_at_once(opened, folder):
    train_examples.write_run(folder.with_name("run"), folder)
    panel = opened()
    typed(panel)
    picture(panel, "train_publish")
    harness.click(panel.ui.publishNowButton)
    ended(panel)
    card = next(model.card for model in list_models() if model.card.id == "ours")
    assert card.training.data_kind == "real"
    assert "ours" in panel.ui.reportMessage.text and not panel.ui.publishGroup.visible
    offered = [panel.ui.startCombo.itemText(row) for row in range(panel.ui.startCombo.count)]
    assert "Our scanner" in offered
    picture(panel, "train_published")


def test_what_cannot_be_published_says_why(opened, folder):
    train_examples.write_run(folder.with_name("run"), folder, done=5)
    panel = opened()
    harness.click(panel.ui.publishButton)
    assert "no validation result" in panel.ui.publishReason.text and not panel.ui.publishNowButton.enabled
    picture(panel, "train_publish_refused")


def test_an_id_that_cannot_be_one_is_told_while_it_is_typed(opened, folder):
    train_examples.write_run(folder.with_name("run"), folder)
    panel = opened()
    for model_id, said in (("Our Model", "a-z"), ("lv_cine_mr", "already")):
        typed(panel, model_id)
        assert said in panel.ui.publishReason.text and not panel.ui.publishNowButton.enabled
        harness.click(panel.ui.publishButton)


def test_what_the_images_are_is_asked_and_nothing_is_assumed(opened, folder):
    for name in ("run", "run-2"):
        train_examples.write_run(folder.with_name(name), folder)
    panel = opened()
    ui = panel.ui
    typed(panel)
    harness.choose(ui.publishKind, "choose…")
    assert "what the images of the cases are" in ui.publishReason.text and not ui.publishNowButton.enabled
    picture(panel, "train_publish_kind")
    harness.choose(ui.publishKind, "real and synthetic")
    assert ui.publishNowButton.enabled
    other = next(row for row in range(2) if not ui.runsTable.item(row, 0).isSelected())
    harness.click_item(ui.runsTable, ui.runsTable.item(other, 0))
    assert not ui.publishKind.currentData and not ui.publishNowButton.enabled


def test_a_model_worse_than_its_start_needs_a_second_yes(opened, folder):
    train_examples.write_run(folder.with_name("run"), folder)
    panel = opened(publish=WORSE)
    typed(panel)
    harness.click(panel.ui.publishNowButton)
    ended(panel)
    assert panel.ui.publishReason.text == "The new model is worse than lv_cine_mr: Dice 0.81 against 0.90 on 2 patients."
    assert "ours" not in [model.card.id for model in list_models()]
    picture(panel, "train_publish_worse")
    harness.click(panel.ui.publishWorseButton)
    ended(panel)
    assert "ours" in [model.card.id for model in list_models()]
