"""What a plan knows of a case folder, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import write_image
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLTrainLib.cases import IGNORE, Case, image_path, label_path, new_dataset, write_case_labels, write_cases
from MedSegDLTrainLib.planning.cases import reasons_of_cases
from MedSegDLTrainLib.planning.fingerprint import Intensities, read_fingerprint

LABELS = {"wall": 2, "cavity": 1}  # not in the order of their values
CASES = [Case("a", "A", "train"), Case("b", "A", "train"), Case("c", "C", "validation"), Case("d", "D", "test")]


def write(folder, case, image, labels, geometry):
    write_image(Image(image[None], geometry), image_path(folder, case))
    write_case_labels(folder, case, LabelMap(labels, geometry), new_dataset(LABELS, "MR"))


@pytest.fixture
def folder(tmp_path):
    """Four cases of 4 × 5 × 6 voxels; the one that is held out is no image at all."""
    for part in ("imagesTr", "labelsTr"):
        (tmp_path / part).mkdir()
    labels = np.zeros((6, 5, 4), np.uint8)
    labels[1, 1:4, 1:3] = 1
    labels[2, 2, 3] = 2
    labels[4:] = IGNORE
    image = np.where(labels == 1, 50, 10).astype(np.float32)
    for case in CASES[:3]:
        write(tmp_path, case, image, labels, Geometry((4, 5, 6), (2.0, 1.0, 8.0)))
    for path in (image_path, label_path):
        path(tmp_path, CASES[3]).write_bytes(b"never opened")
    write_cases(tmp_path, CASES, LABELS, "MR")
    return tmp_path


def test_a_case_is_counted(folder):
    found = read_fingerprint(folder, "slices")
    first = found.cases[0]
    assert (first.name, first.patient, first.split) == ("a", "A", "train")
    assert (first.size, first.spacing, first.sides) == ((4, 5, 6), (2.0, 1.0, 8.0), "L P H")
    assert first.voxels == (6, 1)  # cavity, wall: by value
    assert first.annotated_voxels == 4 * 20
    assert first.extent_mm == (3 * 2.0, 3 * 1.0, 2 * 8.0)
    assert (first.annotated_slices, first.empty_slices) == (4, 2)


def test_the_folder_is_counted_and_held_out_cases_are_not_opened(folder):
    found = read_fingerprint(folder, "slices")
    assert (found.modality, found.labels) == ("MR", ("cavity", "wall"))
    assert [case.name for case in found.cases] == ["a", "b", "c"]
    assert [case.name for case in found.training] == ["a", "b"]
    assert found.counts == {"train": (2, 1), "validation": (1, 1), "test": (1, 1)}


def test_what_is_only_predicted_is_counted_apart_and_not_opened(folder):
    cases = [CASES[0], replace(CASES[1], status="predicted"), replace(CASES[2], status="predicted"), CASES[3]]
    label_path(folder, CASES[1]).write_bytes(b"never opened")
    write_cases(folder, cases, LABELS, "MR")
    found = read_fingerprint(folder, "slices")
    assert ([case.name for case in found.cases], found.predicted) == (["a"], 2)
    assert found.counts == {"train": (1, 1), "test": (1, 1)}
    assert reasons_of_cases(found, folder)["cases"] == (
        "1 case of 1 patient to train on; 1 case of 1 patient held out, not opened; "
        "2 only predicted, left out until somebody corrects them"
    )
    write_cases(folder, cases[1:], LABELS, "MR")
    with pytest.raises(InputError, match="no case to train on, only predicted ones: correct some"):
        read_fingerprint(folder, "slices")


def test_percentiles_are_those_of_numpy(folder):
    found = read_fingerprint(folder, "slices")
    inside = np.array([50] * 6 + [10])
    assert found.foreground == Intensities(*np.percentile(np.tile(inside, 3), (0.5, 50, 99.5)))
    assert (found.whole.low, found.whole.median, found.whole.high) == (10, 10, 50)


def test_sizes_are_those_of_the_turned_image(folder):
    labels = np.zeros((4, 6, 5), np.uint8)
    labels[0, 0, 0:2] = 1
    geometry = Geometry((5, 6, 4), (7.0, 1.0, 2.0), direction=(0, 0, 1, 1, 0, 0, 0, 1, 0))  # x runs to posterior, z to the left
    write(folder, CASES[0], np.ones((4, 6, 5), np.float32), labels, geometry)
    first = read_fingerprint(folder, "LPS").cases[0]
    assert (first.size, first.spacing, first.sides) == ((4, 5, 6), (2.0, 7.0, 1.0), "P H L")
    assert first.extent_mm == (2.0, 14.0, 1.0)
    sliced = read_fingerprint(folder, "slices").cases[0]  # the coarsest axis is across the slices
    assert (sliced.size, sliced.spacing, sliced.annotated_slices, sliced.empty_slices) == ((6, 4, 5), (1.0, 2.0, 7.0), 5, 3)


def test_a_case_without_a_label_has_no_extent(folder):
    write(folder, CASES[0], np.ones((6, 5, 4), np.float32), np.zeros((6, 5, 4), np.uint8), Geometry((4, 5, 6)))
    assert read_fingerprint(folder, "slices").cases[0].extent_mm is None


def test_what_cannot_be_planned_for_is_a_sentence(folder):
    write_cases(folder, CASES[2:], LABELS, "MR")
    with pytest.raises(InputError, match="no case to train on: add some with 'medsegdl cases add'"):
        read_fingerprint(folder, "slices")
    write_cases(folder, CASES, {}, "MR")
    with pytest.raises(InputError, match="names no label"):
        read_fingerprint(folder, "slices")
    write_cases(folder, CASES, {"cavity": 1}, "MR")  # 2 then stands for what nobody annotated, 3 for nothing
    with pytest.raises(InputError, match="value 3"):
        read_fingerprint(folder, "slices")


def test_a_case_that_nobody_annotated_is_a_sentence(folder):
    write(folder, CASES[1], np.ones((6, 5, 4), np.float32), np.full((6, 5, 4), IGNORE, np.uint8), Geometry((4, 5, 6)))
    with pytest.raises(InputError, match="Nobody has annotated anything in case b"):
        read_fingerprint(folder, "slices")


def test_labels_on_another_grid_are_a_sentence(folder):
    write_image(Image(np.ones((1, 6, 5, 4), np.float32), Geometry((4, 5, 6), (2.0, 1.0, 3.0))), image_path(folder, CASES[1]))
    with pytest.raises(InputError, match="of 'b' lie on different grids: export the segmentation"):
        read_fingerprint(folder, "slices")
