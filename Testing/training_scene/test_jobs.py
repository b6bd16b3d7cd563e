"""Jobs from choices, their text with reasons, edited text, and what is to be published (no slicer)."""

import argparse
import json

import pytest

from MedSegDLLib.errors import InputError
from MedSegDLLib.strict_json import write_json
from MedSegDLScene.command_process import CommandProcess
from MedSegDLScene.interpreter import this_interpreter
from MedSegDLTrainLib.commands.train_publish import add_arguments
from MedSegDLTrainLib.run_folder import JOB_FILE, VALIDATION_FILE, BestValidation, CaseRows
from MedSegDLTrainScene.jobs import (
    PUBLISH_TEXTS,
    JobWishes,
    checked_job,
    new_job_arguments,
    publish_arguments,
    read_job_text,
    reason_rows,
    save_job_text,
    starting_networks,
)
from MedSegDLTrainScene.validation import (
    ValidationRow,
    best_validation,
    compared_cases,
    report_arguments,
    report_page,
    report_pictures,
    validation_rows,
)
from Testing.training.finished_run import write_run
from Testing.training_scene.heart import ended


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path, "ttv")


def test_choices_become_a_command(tmp_path):
    wishes = JobWishes(tmp_path / "cases", like="lv_cine_mr", minutes=2.5, seed=7)
    assert new_job_arguments(wishes, tmp_path / "job.json") == (
        *("-m", "MedSegDLLib", "train", "new", str(tmp_path / "cases"), "--like", "lv_cine_mr", "--minutes", "2.5"),
        *("--seed", "7", "--output", str(tmp_path / "job.json")),
    )
    scratch = new_job_arguments(JobWishes(tmp_path, network=starting_networks()[0], epochs=3), tmp_path / "job.json")
    assert scratch[5:9] == ("--network", starting_networks()[0], "--epochs", "3")


@pytest.mark.parametrize("like, network", [("", ""), ("a", "unet_2d")])
def test_a_job_begins_with_one_thing(tmp_path, like, network):
    with pytest.raises(InputError, match="not both"):
        new_job_arguments(JobWishes(tmp_path, like, network), tmp_path / "job.json")


def test_a_job_is_shown_with_its_reasons_edited_and_kept(run):
    text = read_job_text(run / JOB_FILE)
    (row,) = reason_rows(checked_job(text))
    assert (row.setting, row.value, row.why) == ("seed", "3", "<b>any</b>")
    save_job_text(text.replace('"seed": 3', '"seed": 4'), run / "edited.json")
    assert checked_job(read_job_text(run / "edited.json")).seed == 4


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda text: text[:-5], "The job is not a JSON file"),
        (lambda text: text.replace('"seed": 3', '"seed": "three"'), "The job: seed must be a whole number"),
        (lambda text: text.replace('"seed": 3', '"sede": 3'), "unknown keys: sede"),
        (lambda text: text.replace('"epochs": 2', '"epochs": -2'), "epochs -2 must not be negative"),
    ],
)
def test_a_slip_is_told_and_the_file_stays_as_it_was(run, change, words):
    text = read_job_text(run / JOB_FILE)
    with pytest.raises(InputError, match=words):
        save_job_text(change(text), run / JOB_FILE)
    assert read_job_text(run / JOB_FILE) == text


def test_a_reason_for_a_setting_that_there_is_not_is_left_out(run):
    document = json.loads(read_job_text(run / JOB_FILE))
    document["reasons"] = {"sampling.batch_size": "fits", "sampling.size.of": "no such thing"}
    rows = reason_rows(checked_job(json.dumps(document)))
    assert [(row.setting, row.value) for row in rows] == [("sampling.batch_size", "4")]


def test_what_may_be_said_of_a_model_is_what_the_command_takes(run):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    texts = {name: f"-{name}" for name in PUBLISH_TEXTS} | {"notes": "  "}
    arguments = publish_arguments(run, "mine", "real and synthetic", texts, replace=True, although_worse=True)
    chosen = parser.parse_args(arguments[4:])
    assert (chosen.id, chosen.title, chosen.not_for, chosen.notes) == ("mine", "-title", ["-not-for"], None)
    assert chosen.replace and chosen.although_worse and chosen.data_kind == "real and synthetic"
    with pytest.raises(InputError, match="no text 'colour'"):
        publish_arguments(run, "mine", "real", {"colour": "red"})


def test_validation_rows_begin_with_the_worst(run):
    def row(name, dice):
        return {"name": name, "dice": dice, "reference_volume_ml": 2.0, "prediction_volume_ml": 1.0}

    cases = {"a": CaseRows("A", (row("x", 0.9), row("y", None))), "b": CaseRows("B", (row("x", 0.2),))}
    write_json(BestValidation(20, "dice", 0.55, cases), run / VALIDATION_FILE)
    assert [(one.case, one.label, one.dice) for one in validation_rows(run)] == [
        ("b", "x", 0.2),
        ("a", "x", 0.9),
        ("a", "y", None),
    ]
    assert validation_rows(run)[0] == ValidationRow("b", "B", "x", 0.2, 2.0, 1.0)
    assert best_validation(run).score == 0.55
    (run / VALIDATION_FILE).unlink()
    assert validation_rows(run) == () and best_validation(run) is None


def test_pictures_of_the_worst_and_best_cases_come_with_the_report(run):
    assert report_pictures(run) == () and report_page(run) is None and compared_cases(run) == ()
    process = ended(CommandProcess(this_interpreter(), (*report_arguments(run), "--device", "cpu")), 100)
    assert process.status == 0, process.lines
    assert report_page(run).is_file()
    pictures = report_pictures(run)
    assert pictures[0].caption == "Worst case"
    assert compared_cases(run) == ("c",)
    assert all(picture.path.read_bytes().startswith(b"\x89PNG") for picture in pictures)
