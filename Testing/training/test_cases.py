"""The case folder: patients in one split only, files there, nnU-Net's own layout."""

import json

import numpy as np
import pytest

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import read_labelmap, write_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Label, LabelTable, write_label_table
from MedSegDLLib.options import SegmentOptions
from MedSegDLTrainLib.case_folder import problems_of
from MedSegDLTrainLib.cases import (
    IGNORE,
    Case,
    case_labels,
    label_path,
    label_table_of,
    read_case,
    read_case_list,
    read_cases,
    read_dataset,
    write_case_labels,
    write_cases,
)
from MedSegDLTrainLib.measure import case_rows
from MedSegDLTrainLib.planning.fingerprint import read_fingerprint

CASE = Case("a", "A", "train")


def _says(folder, **labels):
    """Let dataset.json have these labels beside the background."""
    document = {"channel_names": {"0": "MR"}, "labels": {"background": 0} | labels}
    (folder / "dataset.json").write_text(json.dumps(document), encoding="utf-8")


def _labelmap(*values):
    return LabelMap(np.array(values).reshape(1, 1, -1), Geometry((len(values), 1, 1)))


def test_round_trip_and_nnunets_dataset_json(case_folder):
    assert [case.name for case in read_cases(case_folder)] == ["a", "b", "c"]
    dataset = json.loads((case_folder / "dataset.json").read_text(encoding="utf-8"))
    assert dataset == {
        "channel_names": {"0": "MR"},
        "labels": {"background": 0, "square": 1, "ignore": 2},
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


@pytest.mark.parametrize("ignore", [3, 255])
def test_ignored_voxels_are_255_inside_whatever_the_files_say(case_folder, ignore):
    _says(case_folder, one=1, two=2, ignore=ignore)
    write_labelmap(_labelmap(0, 2, ignore, 1), label_path(case_folder, CASE))
    dataset = read_dataset(case_folder)
    labels = case_labels(case_folder, CASE, dataset)
    assert labels.array.tolist() == [[[0, 2, IGNORE, 1]]] and labels.array.dtype == np.uint8
    write_case_labels(case_folder, CASE, labels, dataset)
    assert read_labelmap(label_path(case_folder, CASE)).array.tolist() == [[[0, 2, ignore, 1]]]


def test_a_value_that_the_dataset_does_not_name_is_a_sentence(case_folder):
    write_labelmap(_labelmap(0, 2, 255), label_path(case_folder, CASE))
    with pytest.raises(InputError, match=r"a\.nii\.gz holds the value 255, which is none of 0, 1, 2: correct"):
        case_labels(case_folder, CASE, read_dataset(case_folder))
    _says(case_folder, one=1)
    with pytest.raises(InputError, match="the value 2, which is none of 0, 1: "):
        case_labels(case_folder, CASE, read_dataset(case_folder))


def test_labels_that_cannot_be_trained_on_are_sentences(case_folder):
    for labels, sentence in (
        ({"one": 255}, "values from 1 to 254, but one is 255"),
        ({"one": 1, "two": 1}, "two have 1"),
        ({"one": 1, "ignore": 1}, "two have 1"),
        ({"one": 1, "ignore": 256}, "value from 1 to 255 in a case folder, but it is 256"),
        ({"one": [1, 2]}, "no dataset.json of one channel with labels by name"),
    ):
        _says(case_folder, **labels)
        with pytest.raises(InputError, match=rf"dataset\.json.*{sentence}"):
            read_dataset(case_folder)


def test_two_channels_are_refused(case_folder):
    document = {"channel_names": {"0": "T1", "1": "T2"}, "labels": {"background": 0, "one": 1}}
    (case_folder / "dataset.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match="of one channel"):
        read_dataset(case_folder)


@pytest.mark.parametrize("name", ["../a", "", ".prepared", "a:b"])
def test_a_name_that_is_no_name_of_a_file_is_refused(case_folder, name):
    write_cases(case_folder, [Case(name, "A", "train")], {"square": 1}, "MR")
    with pytest.raises(InputError, match="cannot be the name of a file"):
        read_case_list(case_folder)


def test_two_cases_of_one_name_are_refused(case_folder):
    write_cases(case_folder, [Case("a", "A", "train"), Case("a", "B", "train")], {"square": 1}, "MR")
    with pytest.raises(InputError, match="two cases are called a"):
        read_case_list(case_folder)


def test_the_label_table_has_the_datasets_values_and_the_tables_colours(case_folder):
    _says(case_folder, three=3, one=1, two=2, ignore=4)
    write_label_table(LabelTable((Label(7, "two", (1, 2, 3)), Label(8, "gone", (0, 0, 0)))), case_folder / "labels.csv")
    labels = label_table_of(case_folder).labels
    assert [(label.value, label.name) for label in labels] == [(1, "one"), (2, "two"), (3, "three")]
    assert labels[1].colour == (1, 2, 3)


def test_colours_without_a_table_are_easy_to_tell_apart(case_folder):
    _says(case_folder, **{f"label {value}": value for value in range(1, 13)})
    colours = np.array([label.colour for label in label_table_of(case_folder).labels], float)
    distances = np.linalg.norm(colours[:, None] - colours, axis=2)[np.triu_indices(len(colours), 1)]
    assert distances.min() > 40


def test_labels_on_another_grid_are_told_in_the_same_words_wherever_they_are_met(case_folder):
    """Also by measuring, which needs no model to say so."""
    (case, *_), dataset = read_cases(case_folder), read_dataset(case_folder)
    geometry = Geometry((20, 24, 2), (2.0, 2.0, 8.0))
    write_labelmap(LabelMap(np.ones(geometry.shape_zyx, np.uint8), geometry), label_path(case_folder, case))
    sentence = (
        "Image (20×24×3 voxels) and labels (20×24×2 voxels) of 'a' lie on different grids: "
        "export the segmentation with the image as its reference, and add it again."
    )
    for look in (
        lambda: read_case(case_folder, case, dataset),
        lambda: case_rows(None, case_folder, case, dataset, SegmentOptions(), surfaces=False),
        lambda: read_fingerprint(case_folder, "slices"),
    ):
        with pytest.raises(InputError) as caught:
            look()
        assert str(caught.value) == sentence
    assert problems_of(case_folder, [case]) == [f"a: {sentence}"]
