"""The table of a case folder, its pictures, and which case to correct next, as a panel asks for them."""

import json

import numpy as np
import pytest

from MedSegDLLib.errors import InputError
from MedSegDLScene.command_process import CommandProcess
from MedSegDLScene.interpreter import this_interpreter
from MedSegDLTrainScene.case_table import (
    CaseRow,
    ThumbnailMaker,
    is_case_folder,
    kept_thumbnail,
    read_case_table,
    remove_arguments,
)
from MedSegDLTrainScene.next_case import NextCases
from Testing.training_scene.heart import added, draft, ended, segments, volume


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "cases"
    for number, (name, status) in enumerate((("first", "corrected"), ("second", "predicted"))):
        node = volume(name, seed=number)
        added(draft(folder, volumeNode=node, segmentationNode=segments(node), patient=f"P{number}", status=status))
    return folder


def test_rows_say_what_a_person_wants_to_know(folder):
    first = CaseRow("first", "P0", "corrected", "training", 1, "first.mha", "")
    second = CaseRow("second", "P1", "predicted", "to correct", 1, "second.mha", "")
    assert read_case_table(folder) == (first, second)


def test_a_folder_that_is_none_or_damaged_is_told(folder, tmp_path):
    assert is_case_folder(folder) and not is_case_folder(tmp_path)
    with pytest.raises(InputError):
        read_case_table(tmp_path)
    (folder / "cases.json").write_text(json.dumps({"cases": 3}), encoding="utf-8")
    with pytest.raises(InputError, match="cases"):
        read_case_table(folder)


def test_pictures_are_made_in_a_process_and_then_kept(folder):
    assert kept_thumbnail(folder, "first") is None
    maker = ended(ThumbnailMaker(folder, this_interpreter()))
    assert (maker.made, maker.sentence, maker.warnings) == (["first", "second"], "", [])
    picture = kept_thumbnail(folder, "first")
    assert picture.shape == (96, 96, 3) and (picture == (230, 25, 75)).all(axis=2).sum() > 50
    assert kept_thumbnail(folder, "none") is None
    assert ended(ThumbnailMaker(folder, this_interpreter())).made == []


def test_a_case_is_removed_with_its_pictures(folder):
    ended(ThumbnailMaker(folder, this_interpreter()))
    process = CommandProcess(this_interpreter(), remove_arguments(folder, "first"))
    assert ended(process).status == 0
    assert [row.name for row in read_case_table(folder)] == ["second"]
    assert kept_thumbnail(folder, "first") is None and kept_thumbnail(folder, "second") is not None


def test_the_next_case_comes_with_its_prediction_and_the_model_it_is_of(folder, zoo, tmp_path):
    work = ended(NextCases(folder, "bright", this_interpreter()))
    assert (work.sentence, work.done, work.of, work.warnings) == ("", 1, 1, [])
    (candidate,) = work.ranked
    assert (candidate.case, candidate.name, candidate.model_id) == ("second", "second", "bright")
    assert candidate.prediction.is_file() and candidate.mean_entropy >= 0
    assert len(candidate.model_sha256) == 64


def test_a_model_that_is_not_there_is_one_sentence(folder):
    work = ended(NextCases(folder, "gone", this_interpreter()))
    assert work.failed and work.ranked == ()
    assert work.sentence.startswith("There is no model 'gone'")


def test_a_cancelled_search_ends_without_a_sentence_of_its_own(folder, zoo):
    work = NextCases(folder, "bright", this_interpreter())
    work.cancel()
    ended(work)
    assert work.ranked == () and np.all(work.failed)
