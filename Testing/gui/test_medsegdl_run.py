"""Apply, Cancel, the queue and what goes wrong, as a person meets them in MedSegDL's panel."""

from __future__ import annotations

import pytest
import slicer

from MedSegDLScene.worker_client import Device
from Testing.gui import harness
from Testing.gui.medsegdl_panel import add_volume, cells, choose_model, labels, open_panel, segmentations
from Testing.scene.fake_client import FakeClient

TITLE = "Whatever is bright"


pytestmark = pytest.mark.usefixtures("zoo")


@pytest.fixture
def client():
    client = FakeClient()
    client.devices = (Device("cuda:0", "NVIDIA RTX 4000, 11 GB free"), Device("cpu", "CPU, bfloat16"))
    return client


@pytest.fixture
def panel(client, monkeypatch):
    return open_panel(client, monkeypatch)


@pytest.fixture
def ready(panel):
    """The panel with a volume and the model chosen."""
    add_volume()
    choose_model(panel, TITLE)
    return panel


def apply(panel):
    harness.click(panel.ui.applyButton)
    harness.process_events(0.05)


def test_at_first_it_says_what_to_do(panel):
    assert not panel.ui.applyButton.enabled
    assert panel.ui.applyButton.toolTip == panel.ui.reasonLabel.text
    assert "Choose the volume" in panel.ui.reasonLabel.text
    harness.grab(panel, "medsegdl_first_start")


def test_with_volume_and_model_it_is_ready(ready):
    assert ready.ui.applyButton.enabled
    assert not ready.ui.reasonLabel.visible
    harness.grab(ready, "medsegdl_ready")


def test_the_chosen_model_is_loaded_ahead_once(ready, client):
    assert [folder.name for folder in client.warmed] == ["two"]
    add_volume("another")
    assert len(client.warmed) == 1


def test_apply_shows_stage_and_time_left_and_becomes_cancel(ready, client):
    apply(ready)
    assert ready.ui.applyButton.text == "&Cancel"
    client.progress("network", 0.4, 41.0)
    harness.process_events(0.05)
    assert "Segmenting" in ready.ui.stageLabel.text
    assert "about 40 s left" in ready.ui.stageLabel.text
    harness.grab(ready, "medsegdl_running")


def test_a_long_name_of_a_series_is_read_whole(ready, client):
    """A label breaks lines at spaces only; names of series have underscores."""
    name = "0003_t1_vibe_dixon_tra_p4_bh_320_W_20s_post_contrast_delayed_phase_2nd_attempt"
    ready.ui.inputSelector.setCurrentNode(add_volume(name))
    apply(ready)
    client.progress("network", 0.4, 4100.0)
    harness.process_events(0.05)
    label = ready.ui.stageLabel
    words = label.text.replace("\u200b", "\u200b ").split(" ")
    assert label.text.replace("\u200b", "").startswith(name)
    assert max(label.fontMetrics().horizontalAdvance(word) for word in words) < 380
    harness.grab(ready, "medsegdl_long_name")


def test_nothing_is_said_of_the_time_while_it_is_unknown_or_only_of_a_stage(ready, client):
    apply(ready)
    client.progress("preprocess", 0.9, 0.1)
    harness.process_events(0.05)
    assert "left" not in ready.ui.stageLabel.text
    client.progress("network", 0.0, None)
    harness.process_events(0.05)
    assert "left" not in ready.ui.stageLabel.text


def test_the_bar_never_goes_back(ready, client):
    apply(ready)
    seen = []
    for stage in ("model", "preprocess", "trial", "network", "postprocess"):
        for fraction in (0.0, 0.5, 1.0):
            client.progress(stage, fraction)
            harness.process_events(0.03)
            seen.append(ready.ui.progressBar.value)
    assert seen == sorted(seen)
    assert seen[-1] == ready.ui.progressBar.maximum


def test_a_result_is_in_the_scene_and_in_the_table(ready, client):
    apply(ready)
    client.finish(labels(v1=64, v2=16))
    harness.wait_until(lambda: ready.ui.resultButton.visible)
    assert [node.GetName() for node in segmentations()] == ["MR Whatever is bright"]
    assert cells(ready) == [["Bright", "1.00"], ["Brightest", "0.251"]]
    assert ready.ui.applyButton.text == "&Apply"
    assert not ready.ui.progressBar.visible


def test_a_double_click_on_apply_cancels_nothing(ready, client):
    apply(ready)
    harness.click(ready.ui.applyButton)
    assert client.cancelled == [] and ready.ui.applyButton.text == "&Cancel"


def test_cancel_ends_the_run_and_says_so(ready, client):
    apply(ready)
    client.progress("network", 0.4, 41.0)
    harness.process_events(0.5)  # a person takes longer than a double click
    harness.click(ready.ui.applyButton)
    assert client.cancelled == [client.last.request]
    assert "Cancelled" in ready.ui.stageLabel.text
    assert ready.ui.applyButton.text == "&Apply"
    assert segmentations() == []
    harness.grab(ready, "medsegdl_cancelled")


def test_control_return_applies_and_never_cancels(ready, client):
    harness.key(ready.ui.modelSearchEdit, "Ctrl+Return")
    harness.process_events(0.05)
    assert len(client.asked) == 1
    harness.key(ready.ui.modelSearchEdit, "Ctrl+Return")
    harness.process_events(0.05)
    assert client.cancelled == []
    assert not client.last.request.ended


def test_several_volumes_wait_and_each_can_be_cancelled(ready, client):
    apply(ready)
    for name in ("second", "third"):
        harness.process_events()
        ready.ui.inputSelector.setCurrentNode(add_volume(name))
        assert ready.ui.applyButton.text == "&Apply"
        apply(ready)
    client.progress("network", 0.3, 12.0)
    harness.process_events(0.05)
    tree = ready.ui.queueTree
    assert [tree.topLevelItem(n).text(1) for n in range(tree.topLevelItemCount)] == ["running", "waits", "waits"]
    assert tree.topLevelItem(2).text(0) == f"third · {TITLE}"
    assert ready.ui.applyButton.text == "&Cancel this volume (it waits)"  # the third; the bar is about the first
    harness.click_item(tree, tree.topLevelItem(1))
    harness.grab(ready, "medsegdl_queue")
    harness.click(ready.ui.cancelQueuedButton)
    harness.process_events(0.05)
    assert [tree.topLevelItem(n).text(0).split(" ·")[0] for n in range(tree.topLevelItemCount)] == ["MR", "third"]
    assert client.cancelled == []


def test_the_delete_key_cancels_the_chosen_volume(ready, client):
    apply(ready)
    ready.ui.inputSelector.setCurrentNode(add_volume("second"))
    apply(ready)
    tree = ready.ui.queueTree
    harness.click_item(tree, tree.topLevelItem(0))
    harness.key(tree, "Delete")
    harness.process_events(0.05)
    assert client.cancelled == [client.asked[0].request]
    assert not ready.ui.queueFrame.visible


def test_a_failure_is_a_sentence_with_the_log_behind_a_button(ready, client):
    apply(ready)
    client.fail("The segmentation process ran out of memory: choose a region, or close other programs.", "loading", "Killed")
    harness.wait_until(lambda: ready.ui.errorFrame.visible)
    assert "ran out of memory" in ready.ui.errorLabel.text
    assert not ready.ui.errorLog.visible
    harness.click(ready.ui.errorLogButton)
    assert ready.ui.errorLog.plainText == "loading\nKilled"
    harness.grab(ready, "medsegdl_failed_details")
    harness.click(ready.ui.applyButton)
    assert not ready.ui.errorFrame.visible


def test_a_worker_that_cannot_start_is_told_once(ready, client):
    from MedSegDLScene.worker_client import Failure

    client.failure = Failure("PyTorch cannot be imported: install it again.", ("ImportError: libtorch",))
    ready.panel.show()
    assert "PyTorch cannot be imported" in ready.ui.errorLabel.text
    harness.click(ready.ui.errorCloseButton)
    ready.panel.show()
    assert not ready.ui.errorFrame.visible


def test_closing_the_scene_during_a_run_drops_the_result(ready, client):
    apply(ready)
    slicer.mrmlScene.Clear(0)
    harness.process_events(0.1)
    assert segmentations() == []
    assert "removed" in ready.ui.errorLabel.text
    assert not ready.ui.applyButton.enabled
    assert client.last.request.ended


def test_deleting_the_volume_during_a_run_drops_the_result(ready, client):
    apply(ready)
    slicer.mrmlScene.RemoveNode(ready.ui.inputSelector.currentNode())
    harness.process_events(0.1)
    assert "removed" in ready.ui.errorLabel.text
    assert segmentations() == []


def test_deleting_the_result_takes_its_table_away(ready, client):
    apply(ready)
    client.finish(labels(v1=64))
    harness.wait_until(lambda: ready.ui.resultButton.visible)
    slicer.mrmlScene.RemoveNode(segmentations()[0])
    harness.process_events()
    assert not ready.ui.resultButton.visible


def test_a_run_goes_on_while_another_module_is_open(ready, client):
    apply(ready)
    ready.parent.exit()
    client.finish(labels(v1=64))
    harness.wait_until(lambda: segmentations())
    ready.parent.enter()
    assert cells(ready) == [["Bright", "1.00"]]


def test_closing_slicer_during_a_run_ends_the_worker(ready, client):
    closed = []
    client.close = lambda: closed.append(True)
    apply(ready)
    harness.close_modules()
    assert client.cancelled == [client.last.request]
    assert closed == [True]


def test_the_clock_stands_still_when_nothing_is_under_way(ready, client):
    apply(ready)
    client.finish(labels(v1=64))
    harness.wait_until(lambda: ready.ui.resultButton.visible)
    harness.process_events(0.05)
    polled = []
    client.poll = lambda: polled.append(True)
    harness.process_events(0.1)
    assert polled == []


def test_a_click_is_answered_while_a_run_is_under_way(ready, client):
    apply(ready)
    harness.click(ready.ui.optionsButton)
    assert not ready.ui.optionsButton.collapsed
