"""MedSegDLTrain's second part: a job is written, read with its reasons, changed and checked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from Testing.gui import harness, train_examples
from Testing.gui.medsegdltrain_panel import choose_folder, fake_interpreter, open_panel, picture, texts


@pytest.fixture
def panel(monkeypatch, folder):
    opened = open_panel(monkeypatch, fake_interpreter())
    choose_folder(opened, folder)
    return opened


def write_job(panel):
    harness.click(panel.ui.writeJobButton)
    harness.wait_until(lambda: not panel.ui.jobWork.visible, 60)
    harness.process_events(0.1)


def job_of(panel) -> Path:
    return Path(panel.logic.getParameterNode().job)


def test_models_and_networks_are_offered_to_start_from(panel):
    combo = panel.ui.startCombo
    offered = [combo.itemText(row) for row in range(combo.count)]
    assert "Left ventricle in short-axis cine MR" in offered
    assert "From scratch: unet_2d" in offered
    harness.choose(combo, "From scratch: unet_2d")
    assert panel.logic.getParameterNode().startFrom == "network:unet_2d"


def test_a_start_model_that_is_deleted_is_not_replaced_unsaid(monkeypatch, folder, zoo, tmp_path):
    panel = open_panel(monkeypatch, fake_interpreter())
    choose_folder(panel, folder)
    node, ui = panel.logic.getParameterNode(), panel.ui
    assert node.startFrom == "model:lv_cine_mr"  # the first, which nobody has touched
    harness.choose(ui.startCombo, "Whatever is bright")
    assert ui.writeJobButton.enabled
    shutil.rmtree(tmp_path / "listed" / "two")
    panel.parent.exit()
    panel.parent.enter()
    assert ui.startCombo.currentText == "two (not here any more)" and node.startFrom == "model:two"
    assert not ui.writeJobButton.enabled and "'two' is not here any more" in ui.writeJobReason.text
    picture(panel, "train_start_gone")
    harness.choose(ui.startCombo, "From scratch: unet_2d")
    assert ui.writeJobButton.enabled and not ui.writeJobReason.visible


def test_a_written_job_is_shown_with_its_reasons_and_can_be_started(panel, folder):
    assert not panel.ui.jobTabs.visible
    write_job(panel)
    rows = texts(panel.ui.jobTable)
    reasons = {setting.replace("\u200b", ""): why for setting, _value, why in rows}
    assert reasons == train_examples.REASONS
    assert job_of(panel) == folder.with_name("heart_job_1.json")
    assert panel.ui.startButton.enabled
    picture(panel, "train_job_written")


def test_a_second_job_leaves_the_first_as_it_is(panel, folder):
    write_job(panel)
    write_job(panel)
    assert job_of(panel) == folder.with_name("heart_job_2.json")
    assert folder.with_name("heart_job_1.json").is_file()


def test_a_changed_text_is_checked_before_anything_is_started(panel):
    write_job(panel)
    ui = panel.ui
    ui.jobTabs.setCurrentIndex(1)
    before = ui.jobText.plainText
    ui.jobText.setPlainText(before.replace('"batch_size": 12', '"batch_size": 0'))
    assert not ui.startButton.enabled and "Check" in ui.startReason.text
    harness.click(ui.checkJobButton)
    assert "batch_size" in ui.jobProblem.text
    assert '"batch_size"' in ui.jobText.textCursor().selectedText()
    picture(panel, "train_job_error")
    assert job_of(panel).read_text(encoding="utf-8") == before
    ui.jobText.setPlainText(before.replace('"batch_size": 12', '"batch_size": 8'))
    harness.click(ui.checkJobButton)
    assert json.loads(job_of(panel).read_text(encoding="utf-8"))["sampling"]["batch_size"] == 8
    assert ui.startButton.enabled and "kept" in ui.jobProblem.text


def test_a_text_that_is_no_json_says_the_line(panel):
    write_job(panel)
    ui = panel.ui
    ui.jobTabs.setCurrentIndex(1)
    kept = ui.jobText.plainText
    harness.click(ui.jobText)
    lines = kept.splitlines()
    lines[3] += "?"
    ui.jobText.setPlainText("\n".join(lines))
    harness.click(ui.checkJobButton)
    assert "line" in ui.jobProblem.text
    harness.click(ui.revertJobButton)
    assert ui.jobText.plainText == kept and ui.jobProblem.text == "" and ui.startButton.enabled


def test_why_no_job_could_be_written_is_said_with_the_log(monkeypatch, folder):
    panel = open_panel(monkeypatch, fake_interpreter(new="There is too little memory for a single patch."))
    choose_folder(panel, folder)
    write_job(panel)
    assert panel.ui.jobMessage.text == "There is too little memory for a single patch."
    harness.click(panel.ui.jobDetails)
    assert "Reading the cases" in panel.ui.jobLog.plainText
    assert not panel.ui.startButton.enabled
    picture(panel, "train_job_not_written")


def test_writing_a_job_can_be_cancelled(monkeypatch, folder):
    panel = open_panel(monkeypatch, fake_interpreter(slow=30))
    choose_folder(panel, folder)
    harness.click(panel.ui.writeJobButton)
    harness.process_events(0.3)
    harness.click(panel.ui.jobCancel)
    harness.wait_until(lambda: panel.ui.jobMessage.text == "Cancelled.", 10)
    assert panel.ui.writeJobButton.enabled and not list(folder.parent.glob("*.json"))


def test_a_job_is_found_again_with_its_scene(panel):
    write_job(panel)
    panel.parent.exit()
    panel.parent.enter()
    harness.process_events(0.2)
    assert panel.ui.jobTabs.visible and panel.ui.startButton.enabled
