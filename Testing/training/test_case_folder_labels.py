"""Labels of a case folder: matched by name, numbered once, and what nobody annotated is ignored."""

import json

import numpy as np
import pytest

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import read_labelmap
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Code, Label, LabelTable, Terminology
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.segmentation_file import write_segmentation
from MedSegDLTrainLib.case_folder import NewCase, add_case, problems_of
from MedSegDLTrainLib.cases import IGNORE, case_labels, label_path, label_table_of, read_cases, read_dataset
from Testing.training.added_cases import GEOMETRY, TABLE, add_scan, labels_file, scan_file


def test_only_annotated_slices_count(folder, tmp_path):
    case = add_scan(folder, tmp_path, slices=(1, 2))
    assert (read_labelmap(label_path(folder, case)).array[0] == 3).all()
    stored = case_labels(folder, case, read_dataset(folder)).array
    assert (stored[0] == IGNORE).all() and set(np.unique(stored[1:])) == {0, 1}


def test_segments_are_matched_by_name(folder, tmp_path):
    add_scan(folder, tmp_path)
    array = np.zeros(GEOMETRY.shape_zyx, np.uint8)
    array[0, 0, 0], array[2, 3, 4] = 1, 2  # here 1 is "right" and 2 is "left"
    swapped = LabelTable((Label(1, "right", (0, 0, 9)), Label(2, "left", (9, 0, 0))))
    path = tmp_path / "corrected.seg.nrrd"
    write_segmentation(Segmentation(LabelMap(array, GEOMETRY), swapped), path)
    case = add_case(folder, NewCase(scan_file(tmp_path, 1), path, "B"))
    stored = read_labelmap(label_path(folder, case)).array
    assert (stored[0, 0, 0], stored[2, 3, 4]) == (2, 1)


def test_segments_name_the_labels_of_a_new_folder(folder, tmp_path):
    path = tmp_path / "new.seg.nrrd"
    write_segmentation(Segmentation(LabelMap(np.ones(GEOMETRY.shape_zyx, np.uint8), GEOMETRY), TABLE), path)
    add_case(folder, NewCase(scan_file(tmp_path, 0), path, "A"))
    assert json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["labels"]["right"] == 2
    assert label_table_of(folder) == TABLE


def _assert_stored_without_the_ignore_segment(folder, tmp_path, array, table):
    path = tmp_path / "partly.seg.nrrd"
    write_segmentation(Segmentation(LabelMap(array, GEOMETRY), table), path)
    case = add_case(folder, NewCase(scan_file(tmp_path, 0), path, "A"))
    dataset = read_dataset(folder)
    assert (dataset.labels, dataset.ignore) == ({"left": 1, "right": 2}, 3)
    stored = case_labels(folder, case, dataset).array
    assert (stored[0, 0, 0], stored[2, 3, 4]) == (1, 2) and (stored[1] == IGNORE).all()


def test_a_segment_called_ignore_marks_what_nobody_annotated(folder, tmp_path):
    array = np.zeros(GEOMETRY.shape_zyx, np.uint8)
    array[0, 0, 0], array[1], array[2, 3, 4] = 1, 2, 3
    table = LabelTable((Label(1, "left", (9, 0, 0)), Label(2, "ignore", (1, 1, 1)), Label(3, "right", (0, 0, 9))))
    _assert_stored_without_the_ignore_segment(folder, tmp_path, array, table)


def test_labels_of_a_new_folder_are_numbered_without_the_ignore_segment(folder, tmp_path):
    array = np.zeros(GEOMETRY.shape_zyx, np.uint8)
    array[1], array[0, 0, 0], array[2, 3, 4] = 1, 2, 3
    table = LabelTable((Label(1, "ignore", (1, 1, 1)), Label(2, "left", (9, 0, 0)), Label(3, "right", (0, 0, 9))))
    _assert_stored_without_the_ignore_segment(folder, tmp_path, array, table)
    assert [(label.value, label.name) for label in label_table_of(folder).labels] == [(1, "left"), (2, "right")]


@pytest.mark.parametrize(("voxels", "advice"), [(1, "rename it"), (0, "it is empty, so rename it or delete it")])
def test_an_unknown_segment_is_refused_with_what_can_be_done(folder, tmp_path, voxels, advice):
    add_scan(folder, tmp_path)
    array = np.zeros(GEOMETRY.shape_zyx, np.uint8)
    array[0, 0, 0], array[2, 3, 4] = 1, 3 * voxels
    path = tmp_path / "unknown.seg.nrrd"
    table = LabelTable((Label(1, "left", (9, 0, 0)), Label(3, "Segment_1", (0, 0, 9))))
    write_segmentation(Segmentation(LabelMap(array, GEOMETRY), table), path)
    with pytest.raises(InputError, match=rf"'Segment_1' is none of the folder's labels \(left, right\): {advice}\.$"):
        add_case(folder, NewCase(scan_file(tmp_path, 1), path, "B"))


def test_a_folder_keeps_the_table_it_began_with(folder, tmp_path):
    heart = Terminology(Code("SCT", "123037004", "Anatomical Structure"), Code("SCT", "80891009", "Heart"))
    table = LabelTable((Label(1, "left", (200, 0, 0), heart), Label(2, "right", (0, 0, 200))))
    new = NewCase(scan_file(tmp_path, 0), labels_file(tmp_path), "A")
    add_case(folder, new, table)
    add_case(folder, new, LabelTable((Label(1, "other", (1, 2, 3)),)))
    assert label_table_of(folder) == table


def test_what_a_plain_label_map_may_say_of_voxels_nobody_annotated(folder, tmp_path):
    """255 always; the folder's own value once the folder is there, since in a new one it is more likely a mistake."""
    with pytest.raises(InputError, match="the value 3, which is none of 1, 2, 0 or 255"):
        add_scan(folder, tmp_path, value=3, slices=(1,))
    add_scan(folder, tmp_path)
    for value in (3, IGNORE):
        case = add_scan(folder, tmp_path, value=value, status="approved")
        assert case_labels(folder, case, read_dataset(folder)).array[1, 1, 1] == IGNORE


def test_labels_that_a_case_folder_cannot_hold_are_sentences(folder, tmp_path):
    tables = {
        "values from 1 to 254, but one is 255": LabelTable((Label(255, "left", (200, 0, 0)),)),
        "cannot be called 'background'": LabelTable((Label(1, "background", (200, 0, 0)),)),
    }
    for sentence, table in tables.items():
        with pytest.raises(InputError, match=sentence):
            add_case(folder, NewCase(scan_file(tmp_path, 0), labels_file(tmp_path), "A"), table)
    assert not (folder / "cases.json").exists()


def test_a_folder_without_a_value_for_ignored_voxels_gets_one(folder, tmp_path):
    add_scan(folder, tmp_path)
    path = folder / "dataset.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["labels"]["ignore"]
    path.write_text(json.dumps(document), encoding="utf-8")
    case = add_scan(folder, tmp_path, 1, slices=(1,))
    assert read_dataset(folder).ignore == 3
    assert (case_labels(folder, case, read_dataset(folder)).array[0] == IGNORE).all()


def test_what_is_truly_empty_is_a_case_once_somebody_says_so(folder, tmp_path):
    case = add_scan(folder, tmp_path, value=0, slices=(0, 2))
    assert set(np.unique(read_labelmap(label_path(folder, case)).array)) == {0, 3}
    approved = add_scan(folder, tmp_path, 1, value=0, status="approved")
    assert not read_labelmap(label_path(folder, approved)).array.any()
    assert problems_of(folder, read_cases(folder)) == []


def test_a_new_folder_needs_names(folder, tmp_path):
    with pytest.raises(InputError, match="say what its labels are called"):
        add_case(folder, NewCase(scan_file(tmp_path, 0), labels_file(tmp_path), "A"))
