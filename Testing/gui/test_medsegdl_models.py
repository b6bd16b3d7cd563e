"""Models in MedSegDL's panel: found, read about, doubted, imported, downloaded and removed."""

from __future__ import annotations

import dataclasses
import json

import pytest
import slicer

from MedSegDLLib.geometry import Geometry
from MedSegDLLib.model_card import Expected, Quality, Training
from Testing.gui import harness
from Testing.gui.medsegdl_panel import FakeCommand, add_volume, choose_model, model_item, open_panel, take_commands
from Testing.models import write_bright_model
from Testing.scene.fake_client import FakeClient

TITLE = "Whatever is bright"
LV = "Left ventricle in short-axis cine MR"


pytestmark = pytest.mark.usefixtures("zoo")


@pytest.fixture
def own_zoo(tmp_path):
    return tmp_path / "home" / "MedSegDL" / "models"


@pytest.fixture
def commands(monkeypatch):
    return take_commands(monkeypatch)


@pytest.fixture
def panel(monkeypatch, commands):
    return open_panel(FakeClient(), monkeypatch)


def visible(panel):
    return [title for title in (TITLE, LV) if not model_item(panel, title).isHidden()]


def test_a_model_is_chosen_from_the_start(panel):
    assert panel.ui.modelTree.currentItem().text(0) == TITLE
    assert panel.logic.getParameterNode().modelId == "two"


def test_searching_finds_models_by_any_word_of_theirs(panel):
    harness.type_text(panel.ui.modelSearchEdit, "vent heart")
    assert visible(panel) == [LV]
    harness.grab(panel, "medsegdl_search")
    harness.type_text(panel.ui.modelSearchEdit, "brightest")
    assert visible(panel) == [TITLE]


def test_a_search_that_finds_nothing_says_so(panel):
    note = panel.ui.modelTree.topLevelItem(panel.ui.modelTree.topLevelItemCount - 1)
    assert note.isHidden()
    harness.type_text(panel.ui.modelSearchEdit, "kidney")
    assert visible(panel) == [] and not note.isHidden() and note.text(0) == "No model has all these words."
    harness.grab(panel, "medsegdl_search_nothing")
    harness.type_text(panel.ui.modelSearchEdit, "heart")
    assert note.isHidden()


def test_the_glance_tells_modality_anatomy_and_the_worst_case(panel):
    choose_model(panel, LV)
    assert panel.ui.glanceLabel.text == f"{LV}: MR · Heart, left ventricle · Dice 0.94, worst 0.86 (cases not trained on: 6)"


def test_the_card_tells_what_for_what_not_and_how_good(panel):
    choose_model(panel, LV)
    harness.click(panel.ui.cardButton)
    for part in ("Not for diagnosis", "Sunnybrook", "worst 0.86", "worst 2.0 mm", "CC0 1.0", "Never trained on"):
        assert part in panel.ui.cardLabel.text
    assert panel.parent.minimumSizeHint.width() <= 400
    harness.grab(panel, "medsegdl_card")


def test_a_card_cannot_write_html_into_the_panel(panel, tmp_path):
    write_bright_model(tmp_path / "listed", "sly", title="<b>Sly</b>", description="<img src='file:///etc/passwd'>")
    panel.parent.enter()
    choose_model(panel, "<b>Sly</b>")
    assert "<img" not in panel.ui.cardLabel.text
    assert "&lt;img" in panel.ui.cardLabel.text


def test_a_volume_that_looks_different_is_warned_of_and_can_be_applied(panel, tmp_path):
    expected = Expected(spacing_mm=(0.5, 1.0), field_of_view_mm=(200.0, 500.0))
    write_bright_model(tmp_path / "listed", "choosy", title="Choosy", expected=expected)
    panel.parent.enter()
    add_volume("small", Geometry((40, 36, 12), (1.4, 1.4, 8.0)))
    choose_model(panel, "Choosy")
    assert "pixels of 1.4" in panel.ui.warningLabel.text
    assert "field of view" in panel.ui.warningLabel.text
    assert panel.ui.applyButton.enabled
    harness.grab(panel, "medsegdl_warning")
    choose_model(panel, TITLE)
    assert not panel.ui.warningLabel.visible


def test_a_volume_that_changes_is_looked_at_again(panel):
    volume = add_volume()
    assert not panel.ui.warningLabel.visible
    slicer.util.arrayFromVolume(volume)[:] = -900
    slicer.util.arrayFromVolumeModified(volume)
    harness.process_events()
    assert "as CT has" in panel.ui.warningLabel.text


def test_import_takes_the_folder_of_the_card_that_was_chosen(panel, commands, tmp_path, own_zoo):
    harness.answer(str(tmp_path / "elsewhere" / "new" / "card.json"))
    harness.click(panel.ui.importButton)
    assert commands[-1].arguments == ["-m", "MedSegDLLib", "models", "import", str(tmp_path / "elsewhere" / "new")]
    write_bright_model(own_zoo, "new", title="New one")
    commands[-1].end(0, f"new: imported into {own_zoo / 'new'}")
    harness.wait_until(lambda: panel.ui.modelTree.currentItem().text(0) == "New one")
    assert panel.ui.transferLabel.text == "The model 'new' is there now."


def test_a_cancelled_file_dialog_imports_nothing(panel, commands):
    harness.answer(None)
    harness.click(panel.ui.importButton)
    assert commands == []


def test_a_model_that_is_there_already_is_told_without_a_command_line_option(panel, commands):
    harness.answer("/some/model.zip")
    harness.click(panel.ui.importButton)
    commands[-1].end(2, "There is a model 'two' in /home already: add --replace to replace it.")
    harness.wait_until(lambda: panel.ui.importButton.enabled)
    assert panel.ui.transferLabel.text == "There is a model 'two' in /home already: remove it first."


def test_download_shows_how_much_has_come_and_goes_on_after_a_stop(panel, commands):
    harness.click(panel.ui.downloadButton)
    assert not panel.ui.startDownloadButton.enabled
    harness.type_text(panel.ui.addressEdit, "https://example.org/model.zip")
    harness.click(panel.ui.startDownloadButton)
    command = commands[-1]
    assert command.arguments[2:5] == ["models", "download", "https://example.org/model.zip"]
    command.say(json.dumps({"stage": "download", "fraction": 0.43, "seconds_left": 20}))
    harness.wait_until(lambda: panel.ui.transferBar.value == 43)
    harness.grab(panel, "medsegdl_download")
    harness.click(panel.ui.transferCancelButton)
    assert command.cancelled
    command.end(-15)
    harness.wait_until(lambda: not panel.ui.transferFrame.visible)
    assert "go on from there" in panel.ui.transferLabel.text
    harness.click(panel.ui.startDownloadButton)
    assert commands[-1] is not command
    assert commands[-1].arguments == command.arguments
    commands[-1].end(
        3, "The connection to example.org was cut after 3 of 9 MB. Run the same command again to go on from there."
    )
    harness.wait_until(lambda: panel.ui.startDownloadButton.enabled)
    assert "cut after 3 of 9 MB. Press 'Get it' again" in panel.ui.transferLabel.text
    harness.grab(panel, "medsegdl_download_failed")


def test_only_own_models_can_be_removed_after_a_question(panel, own_zoo):
    write_bright_model(own_zoo, "mine", title="Mine")
    panel.parent.enter()
    choose_model(panel, TITLE)
    assert not panel.ui.removeButton.enabled
    assert "cannot be removed here" in panel.ui.removeButton.toolTip
    choose_model(panel, "Mine")
    harness.answer("Cancel")
    harness.click(panel.ui.removeButton)
    assert (own_zoo / "mine").is_dir()
    harness.answer("Ok")
    harness.click(panel.ui.removeButton)
    assert not (own_zoo / "mine").exists()
    assert panel.ui.modelTree.currentItem().text(0) == TITLE


def test_a_model_without_quality_says_so(panel):
    assert "quality not measured" in panel.ui.glanceLabel.text
    assert "Nobody has measured" in panel.ui.cardLabel.text


def test_a_figure_of_the_patients_that_chose_the_weights_is_called_so(panel, tmp_path):
    row = Quality("1 patient (1 case) of the validation: not trained on, but …", 1, "Bright", "dice", 0.95, 0.0, 0.95)
    training = Training("Cases of a user.", "synthetic", 1, 1)
    write_bright_model(tmp_path / "listed", "own", title="Own", quality=(row,), training=training)
    panel.parent.enter()
    choose_model(panel, "Own")
    assert "Dice 0.95 (validation cases, which chose the weights: 1)" in panel.ui.glanceLabel.text
    assert "not trained on" not in panel.ui.glanceLabel.text
    assert "Cases of a user (synthetic images; 1 patient, 1 case)" in panel.ui.cardLabel.text
    assert "Bright: Dice 0.95. 1 case: 1 patient" in panel.ui.cardLabel.text


def test_quality_of_another_kind_than_dice_is_listed_in_the_card(panel, tmp_path):
    row = Quality("ten patients", 10, "Bright", "hd95_mm", 3.1, 0.5, 6.2)
    write_bright_model(tmp_path / "listed", "measured", title="Measured", quality=(row, dataclasses.replace(row, label="B")))
    panel.parent.enter()
    choose_model(panel, "Measured")
    assert "Hausdorff distance 3.1 ± 0.5 mm, worst 6.2 mm" in panel.ui.cardLabel.text


def test_closing_slicer_ends_a_download(panel, commands):
    harness.click(panel.ui.downloadButton)
    harness.type_text(panel.ui.addressEdit, "https://example.org/model.zip")
    harness.key(panel.ui.addressEdit, "Return")
    assert isinstance(commands[-1], FakeCommand)
    harness.close_modules()
    assert commands[-1].cancelled
