"""The case folder: patients in one split only, files there, nnU-Net's own layout."""

import json

import pytest

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.cases import Case, read_cases, write_cases


def test_round_trip_and_nnunets_dataset_json(case_folder):
    assert [case.name for case in read_cases(case_folder)] == ["a", "b", "c"]
    dataset = json.loads((case_folder / "dataset.json").read_text(encoding="utf-8"))
    assert dataset == {
        "channel_names": {"0": "MR"},
        "labels": {"background": 0, "square": 1, "ignore": 255},
        "numTraining": 3,
        "file_ending": ".nii.gz",
    }


def test_a_patient_in_two_splits_is_refused(case_folder):
    write_cases(case_folder, [Case("a", "A", "train"), Case("b", "A", "test")], {"square": 1}, "MR")
    with pytest.raises(InputError, match="patient A is both in train and in test"):
        read_cases(case_folder)


def test_missing_files_and_unknown_splits_are_sentences(case_folder):
    (case_folder / "labelsTr" / "b.nii.gz").unlink()
    with pytest.raises(InputError, match=r"b\.nii\.gz of case b is missing"):
        read_cases(case_folder)
    document = {"cases": [{"name": "a", "patient": "A", "split": "maybe"}]}
    (case_folder / "cases.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match="split is 'maybe', but must be one of 'train', 'validation', 'test'"):
        read_cases(case_folder)
