"""`medsegdl cases` as somebody types it."""

import json

import pytest

from MedSegDLLib.__main__ import main
from MedSegDLLib.errors import InputError
from MedSegDLLib.labels import Label, LabelTable, write_label_table
from MedSegDLTrainLib.cases import Case, image_path, label_path
from MedSegDLTrainLib.slice_numbers import numbers_of
from Testing.engine.small_model import write_model


@pytest.fixture
def given(case_folder):
    """Image and labels of a case that lie elsewhere, as options."""
    case = Case("a", "A", "train")
    return ["--image", str(image_path(case_folder, case)), "--labels", str(label_path(case_folder, case))]


@pytest.fixture
def table(tmp_path):
    write_label_table(LabelTable((Label(1, "square", (200, 0, 0)),)), tmp_path / "table.csv")
    return ["--table", str(tmp_path / "table.csv")]


def test_add_list_check_remove(tmp_path, given, table, capsys):
    folder = str(tmp_path / "mine")
    assert main(["cases", "add", folder, *given, *table, "--patient", "P 1", "--modality", "CT"]) == 0
    assert capsys.readouterr().out == "a: patient P 1, corrected, train, version 1\n"
    assert main(["cases", "add", folder, *given, "--patient", "P 1", "--status", "approved", "--slices", "0-1"]) == 0
    assert capsys.readouterr().out == "a: patient P 1, approved, train, version 2\n"
    assert main(["cases", "list", folder]) == 0
    assert capsys.readouterr().out == "CASE  PATIENT  STATUS    SPLIT\na     P 1      approved  train\n"
    assert main(["cases", "list", folder, "--json"]) == 0
    row = {"case": "a", "patient": "P 1", "status": "approved", "split": "train"}
    assert json.loads(capsys.readouterr().out) == [row]
    assert main(["cases", "check", folder]) == 0
    assert capsys.readouterr().out == "1 case, no problems\n"
    assert main(["cases", "remove", folder, "a"]) == 0
    assert main(["cases", "list", folder, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.removeprefix("a: removed\n")) == []


def test_the_model_that_was_corrected_gives_names_and_is_remembered(tmp_path, given, monkeypatch):
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "zoo"))
    write_model(tmp_path / "zoo", "small")
    assert main(["cases", "add", str(tmp_path / "mine"), *given, "--patient", "A", "--from", "small"]) == 0
    (case,) = json.loads((tmp_path / "mine" / "cases.json").read_text(encoding="utf-8"))["cases"]
    card = json.loads((tmp_path / "zoo" / "small" / "card.json").read_text(encoding="utf-8"))
    assert (case["model"], case["model_sha256"], case["source"]) == ("small", card["weights_sha256"], "a_0000.nii.gz")
    assert json.loads((tmp_path / "mine" / "dataset.json").read_text(encoding="utf-8"))["labels"]["left"] == 1


def test_the_model_may_be_named_with_its_weights_where_it_is_not_installed(tmp_path, given, table, capsys):
    made = ["--from", "gone", "--from-sha256", "ab" * 32, "--json"]
    assert main(["cases", "add", str(tmp_path / "mine"), *given, *table, "--patient", "A", *made]) == 0
    added = json.loads(capsys.readouterr().out)
    assert (added["event"], added["name"], added["version"]) == ("added", "a", 1)
    assert (added["model"], added["model_sha256"]) == ("gone", "ab" * 32)


def test_problems_are_told_with_exit_status_2(case_folder, capsys):
    (case_folder / "labelsTr" / "b.nii.gz").unlink()
    assert main(["cases", "check", str(case_folder)]) == 2
    told = capsys.readouterr()
    assert told.out == "3 cases, 1 problem\n" and told.err.startswith("b: ") and "Traceback" not in told.err


def test_a_folder_without_cases_is_a_sentence(tmp_path, capsys):
    assert main(["cases", "list", str(tmp_path)]) == 2
    assert "cases.json cannot be read" in capsys.readouterr().err


def test_lists_of_slices():
    assert numbers_of("7, 0,2-4,3") == (0, 2, 3, 4, 7)
    for wrong in ("", "a", "1-", "-2", "1;2"):
        with pytest.raises(InputError, match="no list of slices"):
            numbers_of(wrong)
