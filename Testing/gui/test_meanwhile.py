"""What a person does while something is under way in MedSegDLTrain: leaves, deletes, closes the scene, chooses other cases."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import slicer

from MedSegDLLib.zoo import list_models
from MedSegDLTrainLib.run_folder import ask, is_owned
from Testing.gui import harness, train_examples
from Testing.gui.medsegdltrain_panel import add_scan, choose_folder, fake_interpreter, open_panel, texts

PREDICTED = ("approved", "predicted", "predicted")


@pytest.fixture
def place(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    yield tmp_path
    for run in tmp_path.glob("run*/"):
        if is_owned(run):
            ask(run, "stop")
            harness.wait_until(lambda run=run: not is_owned(run), 20)


@pytest.fixture
def opened(monkeypatch, place):
    """Opens the panel on a new case folder, with commands that do what is wished."""

    def opened_with(statuses=("approved", "corrected", "corrected", "approved"), name="heart", **wishes):
        panel = open_panel(monkeypatch, fake_interpreter(**wishes))
        if not (place / name).exists():
            train_examples.write_case_folder(place / name, statuses)
        choose_folder(panel, place / name)
        return panel

    return opened_with


def other_folder(place: Path) -> Path:
    return train_examples.write_case_folder(place / "others" / "liver", PREDICTED)


def nothing_under_way(panel):
    rows = (panel.ui.nextWork, panel.ui.addWork, panel.ui.jobWork, panel.ui.reportWork, panel.ui.runWork)
    harness.wait_until(lambda: not any(row.isVisibleTo(panel.parent) for row in rows), 60)
    harness.process_events(0.3)


def chosen_scan(panel):
    """The nodes of a scan that the folder PREDICTED has not, chosen to be added."""
    volume, segmentation = add_scan(3)
    panel.ui.volumeSelector.setCurrentNode(volume)
    panel.ui.segmentationSelector.setCurrentNode(segmentation)
    harness.wait_until(lambda: panel.ui.addButton.enabled)
    return volume, segmentation


def write_job(panel):
    harness.click(panel.ui.writeJobButton)
    nothing_under_way(panel)


def typed_model(panel, model_id):
    harness.click(panel.ui.publishButton)
    harness.type_text(panel.ui.publishId, model_id)
    harness.type_text(panel.ui.publishTitle, "Our scanner")
    harness.choose(panel.ui.publishKind, "synthetic: made by a program")


def test_the_next_case_comes_while_another_module_is_open(opened):
    panel = opened(PREDICTED, slow=0.2)
    harness.click(panel.ui.nextCaseButton)
    panel.parent.exit()
    nothing_under_way(panel)
    panel.parent.enter()
    harness.process_events(0.3)
    assert panel.ui.volumeSelector.currentNode().GetName() == "scan-2"
    assert panel.logic.getParameterNode().volume.GetName() == "scan-2"


def test_the_next_case_comes_after_the_scene_was_closed_behind_another_module(opened):
    panel = opened(PREDICTED, slow=0.2)
    harness.click(panel.ui.nextCaseButton)
    panel.parent.exit()
    slicer.mrmlScene.Clear(0)
    nothing_under_way(panel)
    panel.parent.enter()
    assert panel.ui.volumeSelector.currentNode().GetName() == "scan-2"


def test_a_job_is_written_while_another_module_is_open(opened):
    panel = opened(slow=0.3)
    harness.click(panel.ui.writeJobButton)
    panel.parent.exit()
    nothing_under_way(panel)
    panel.parent.enter()
    harness.process_events(0.3)
    assert panel.ui.jobTabs.visible and panel.ui.startButton.enabled


def test_a_job_is_written_while_the_scene_is_closed(opened):
    panel = opened(slow=0.3)
    harness.click(panel.ui.writeJobButton)
    slicer.mrmlScene.Clear(0)
    nothing_under_way(panel)
    assert panel.ui.jobTabs.visible and panel.ui.startButton.enabled


def test_a_job_is_not_shown_with_other_cases_than_its_own(opened, place):
    panel = opened(slow=0.3)
    harness.click(panel.ui.writeJobButton)
    choose_folder(panel, other_folder(place))
    nothing_under_way(panel)
    assert not panel.ui.jobTabs.visible and not panel.ui.startButton.enabled
    assert "heart_job_1.json" in panel.ui.jobMessage.text


def test_the_next_case_is_not_one_of_other_cases(opened, place):
    panel = opened(PREDICTED, slow=0.3)
    harness.click(panel.ui.nextCaseButton)
    choose_folder(panel, other_folder(place))
    nothing_under_way(panel)
    assert panel.logic.getParameterNode().volume is None
    assert "Another case folder" in panel.ui.nextMessage.text


def test_a_case_is_added_to_the_folder_that_was_chosen_when_it_was_added(opened, place):
    panel = opened(PREDICTED)
    chosen_scan(panel)
    harness.click(panel.ui.addButton)
    choose_folder(panel, other_folder(place))
    nothing_under_way(panel)
    assert str(place / "heart") in panel.ui.addMessage.text
    assert len(texts(panel.ui.casesTable)) == 3


def test_nodes_that_are_deleted_while_they_are_added_are_added_all_the_same(opened):
    panel = opened(PREDICTED)
    nodes = chosen_scan(panel)
    harness.click(panel.ui.addButton)
    for node in nodes:
        slicer.mrmlScene.RemoveNode(node)
    nothing_under_way(panel)
    assert "scan-9" in [row[0] for row in texts(panel.ui.casesTable)]
    assert not panel.ui.addButton.enabled


@pytest.mark.parametrize("what", ["volume", "segmentation"])
def test_a_chosen_node_that_is_deleted_leaves_a_sentence(opened, what):
    panel = opened()
    slicer.mrmlScene.RemoveNode(dict(zip(("volume", "segmentation"), chosen_scan(panel), strict=True))[what])
    harness.process_events(0.4)
    assert not panel.ui.addButton.enabled
    assert "Choose the" in panel.ui.takenLabel.text


def test_the_scene_is_closed_while_a_model_is_published(opened, place):
    train_examples.write_run(place / "run", train_examples.write_case_folder(place / "heart"))
    panel = opened(slow=0.3)
    typed_model(panel, "ours")
    harness.click(panel.ui.publishNowButton)
    slicer.mrmlScene.Clear(0)
    nothing_under_way(panel)
    assert "ours" in [model.card.id for model in list_models()]
    assert "ours" in panel.ui.reportMessage.text


def test_a_model_is_published_while_another_module_is_open(opened, place):
    train_examples.write_run(place / "run", train_examples.write_case_folder(place / "heart"))
    panel = opened(slow=0.3)
    typed_model(panel, "ours")
    harness.click(panel.ui.publishNowButton)
    harness.open_module("MedSegDL")
    nothing_under_way(panel)
    titles = [model.card.title for model in list_models()]
    assert "Our scanner" in titles


def test_one_run_is_published_twice_under_two_ids_only(opened, place):
    train_examples.write_run(place / "run", train_examples.write_case_folder(place / "heart"))
    panel = opened()
    for model_id in ("ours", "ours_2"):
        typed_model(panel, model_id)
        harness.click(panel.ui.publishNowButton)
        nothing_under_way(panel)
    typed_model(panel, "ours")
    assert "already" in panel.ui.publishReason.text and not panel.ui.publishNowButton.enabled
    assert {"ours", "ours_2"} <= {model.card.id for model in list_models()}


def test_two_trainings_at_once_are_watched_and_stopped_each(opened, place):
    panel = opened(steps=1000)
    ui = panel.ui
    write_job(panel)
    for name in ("run", "run-2"):
        if name == "run-2":
            harness.answer("Ok")  # that the second is wanted
        harness.click(ui.startButton)
        harness.wait_until(lambda name=name: is_owned(place / name), 30)
        nothing_under_way(panel)
        harness.wait_until(lambda: "Step" in ui.runState.text, 20)
    assert sorted(row[:2] for row in texts(ui.runsTable)) == [["run", "running"], ["run-2", "running"]]
    harness.click(ui.stopButton)
    harness.wait_until(lambda: "Stopped" in ui.runState.text, 20)
    assert not is_owned(place / "run-2") and is_owned(place / "run")
    row = [cells[0] for cells in texts(ui.runsTable)].index("run")
    harness.click_item(ui.runsTable, ui.runsTable.item(row, 0))
    assert "Running" in ui.runState.text and ui.stopButton.enabled


@pytest.fixture
def reloadable():
    """Other tests go on with the modules that they have imported."""
    before = {name: module for name, module in sys.modules.items() if name.startswith("MedSegDL")}
    yield
    harness.close_modules()
    for name in [name for name in sys.modules if name.startswith("MedSegDL")]:
        del sys.modules[name]
    sys.modules.update(before)


def test_both_modules_are_reloaded_during_a_training(opened, place, reloadable):
    panel = opened(steps=1000)
    write_job(panel)
    harness.click(panel.ui.startButton)
    harness.wait_until(lambda: panel.ui.pauseButton.enabled, 30)
    harness.open_module("MedSegDL").onReload()
    harness.process_events(0.2)
    harness.open_module("MedSegDLTrain").onReload()
    again = harness.open_module("MedSegDLTrain")
    assert again is not panel
    harness.wait_until(lambda: "Running" in again.ui.runState.text, 20)
    assert is_owned(place / "run")
    harness.click(again.ui.stopButton)
    harness.wait_until(lambda: "Stopped" in again.ui.runState.text, 20)


def test_a_run_whose_folder_is_deleted_is_missing_and_no_more(opened, place):
    panel = opened(steps=1000)
    train_examples.write_run(place / "run", place / "heart")
    panel.parent.exit()
    panel.parent.enter()
    harness.process_events(0.3)
    shutil.rmtree(place / "run")
    harness.process_events(2.2)
    assert not panel.ui.pauseButton.enabled and not panel.ui.stopButton.enabled
    panel.parent.exit()
    panel.parent.enter()
    harness.process_events(0.3)
    assert texts(panel.ui.runsTable) == []


def test_a_case_folder_that_is_deleted_is_told(opened, place):
    panel = opened()
    write_job(panel)
    shutil.rmtree(place / "heart")
    harness.click(panel.ui.writeJobButton)
    nothing_under_way(panel)
    panel.parent.exit()
    panel.parent.enter()
    assert "no such folder" in panel.ui.caseFolderSummary.text


def test_a_job_that_is_deleted_is_told(opened, place):
    panel = opened()
    write_job(panel)
    (place / "heart_job_1.json").unlink()
    harness.click(panel.ui.startButton)
    nothing_under_way(panel)
    assert "heart_job_1.json" in panel.ui.runMessage.text


def test_a_folder_that_cannot_be_written_is_told(opened, place):
    panel = opened()
    choose_folder(panel, Path("/proc/cases"))
    chosen_scan(panel)
    harness.answer("Ok")
    harness.click(panel.ui.addButton)
    nothing_under_way(panel)
    assert "/proc/cases" in panel.ui.addMessage.text
    assert panel.ui.addButton.enabled


def test_a_file_is_no_case_folder(opened, place):
    panel = opened()
    (place / "notes.txt").write_text("no cases")
    choose_folder(panel, place / "notes.txt")
    add_scan()
    harness.process_events(0.4)
    assert not panel.ui.addButton.enabled or panel.ui.takenLabel.text


@pytest.mark.parametrize(
    ("name", "selector", "field"), [("MedSegDL", "inputSelector", "inputVolume"), ("MedSegDLTrain", "volumeSelector", "volume")]
)
def test_a_module_that_was_reloaded_follows_the_next_scene(opened, reloadable, name, selector, field):
    opened()
    harness.open_module(name).onReload()
    slicer.mrmlScene.Clear(0)
    volume, _segmentation = add_scan()
    panel = getattr(slicer.modules, f"{name}Widget")
    getattr(panel.ui, selector).setCurrentNode(volume)
    harness.process_events(0.3)
    assert getattr(panel.logic.getParameterNode(), field) is volume
