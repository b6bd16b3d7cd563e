"""Measured is what users get, by label name, where somebody annotated."""

import numpy as np
import pytest

from MedSegDLLib.checkpoint import load_model
from MedSegDLLib.errors import InputError
from MedSegDLLib.files import write_image, write_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.metrics import evaluate
from MedSegDLLib.options import SegmentOptions
from MedSegDLTrainLib.cases import IGNORE, Case, Dataset, image_path, label_path
from MedSegDLTrainLib.measure import case_rows, comparison, confusion, is_better, patient_scores, rows_of, score
from Testing.models import BRIGHT_AND_BRIGHTEST, write_bright_model

GRID = Geometry((12, 10, 6), (1.0, 1.0, 4.0))
TABLE = LabelTable((Label(1, "liver", (255, 0, 0)), Label(2, "spleen", (0, 255, 0))))


def _labelmap(array):
    return LabelMap(np.asarray(array, np.uint8), GRID)


def _balls(shift):
    """Two boxes of labels 1 and 2 in slices 1…4."""
    array = np.zeros(GRID.shape_zyx, np.uint8)
    array[1:5, 2:8, 1 + shift : 5 + shift] = 1
    array[1:5, 3 : 6 + shift, 8:11] = 2
    return array


def test_labels_are_matched_by_name_and_not_by_value():
    reference = np.zeros(GRID.shape_zyx)
    reference[2, 2:4, 2:6] = 7  # 8 voxels of the folder's spleen
    reference[2, 8, :] = 3  # a label that the model does not know
    prediction = np.zeros(GRID.shape_zyx)
    prediction[2, 2:4, 4:8] = 2  # half of it, and as much beside it
    prediction[2, 8, 0] = 1  # a label that the folder does not know
    pair = comparison(_labelmap(reference), {"spleen": 7, "kidney": 3}, _labelmap(prediction), TABLE)
    (row,) = rows_of(pair, surfaces=False)
    assert (row["name"], row["dice"], row["jaccard"]) == ("spleen", 0.5, 4 / 12)
    assert confusion(pair).tolist() == [[720 - 12, 4], [4, 4]]
    assert "hd95_mm" not in row


def test_where_nobody_annotated_nothing_counts():
    reference = np.zeros(GRID.shape_zyx)
    reference[2, 2:4, 2:6] = 1
    reference[3:] = IGNORE
    prediction = reference.copy()
    prediction[3:] = 2
    liver, spleen = rows_of(comparison(_labelmap(reference), {"liver": 1, "spleen": 2}, _labelmap(prediction), TABLE), True)
    assert (liver["dice"], liver["hausdorff_mm"], liver["reference_voxels"]) == (1, 0, 8)
    assert (spleen["dice"], spleen["prediction_voxels"]) == (None, 0)
    assert spleen["reason"].startswith("in neither")


def test_fully_annotated_cases_are_measured_as_evaluate_measures_them():
    reference, prediction = _labelmap(_balls(0)), _labelmap(_balls(1))
    expected = evaluate(reference, prediction, TABLE)["labels"]
    measured = rows_of(comparison(reference, {"liver": 1, "spleen": 2}, prediction, TABLE), True)
    for row, other in zip(measured, expected, strict=True):
        assert row == {key: other[key] for key in row}
        assert row["hd95_mm"] > 0


def test_the_end_of_the_annotation_is_no_surface():
    """The prediction goes on beyond the annotated slices, as the organ may do: no distance there."""
    reference, prediction = _balls(0), _balls(0)
    prediction[0] = prediction[5] = prediction[1]
    reference[[0, 1, 5]] = IGNORE
    rows = rows_of(comparison(_labelmap(reference), {"liver": 1, "spleen": 2}, _labelmap(prediction), TABLE), True)
    assert [row["hausdorff_mm"] for row in rows] == [0, 0]
    reference[1] = _balls(0)[1]
    reference[0] = 0  # now somebody says that the organ ends there
    rows = rows_of(comparison(_labelmap(reference), {"liver": 1, "spleen": 2}, _labelmap(prediction), TABLE), True)
    assert [row["hausdorff_mm"] for row in rows] == [4, 4]


def test_annotated_slices_are_measured_as_evaluate_measures_labelled_slices():
    reference, prediction = _balls(0), _balls(1)
    reference[[0, 3, 5]] = IGNORE
    as_empty = np.where(reference == IGNORE, 0, reference)
    expected = evaluate(_labelmap(as_empty), _labelmap(prediction), TABLE, only_labelled_slices=True)["labels"]
    measured = rows_of(comparison(_labelmap(reference), {"liver": 1, "spleen": 2}, _labelmap(prediction), TABLE), True)
    for row, other in zip(measured, expected, strict=True):
        assert row == pytest.approx({key: other[key] for key in row})


def test_a_case_goes_through_segment(tmp_path):
    model = load_model(write_bright_model(tmp_path, labels=BRIGHT_AND_BRIGHTEST))
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "labelsTr").mkdir()
    case = Case("a", "A", "validation")
    image = np.zeros((1, *GRID.shape_zyx), np.float32)
    image[0, 1:3, 2:4, 2:4] = 100
    write_image(Image(image, GRID), image_path(tmp_path, case))
    write_labelmap(_labelmap(np.where(image[0] > 0, 9, 0)), label_path(tmp_path, case))
    options = SegmentOptions(device="cpu", precision="float32")
    (row,) = case_rows(model, tmp_path, case, Dataset({"Brightest": 9}, "MR", 10), options, surfaces=True)
    assert (row["dice"], row["hd95_mm"], row["reference_voxels"]) == (1, 0, 8)
    with pytest.raises(InputError, match="The model marks Bright, Brightest, but the cases are labelled liver"):
        case_rows(model, tmp_path, case, Dataset({"liver": 9}, "MR", 10), options, surfaces=False)


def test_what_cannot_be_compared_is_a_sentence():
    other = LabelMap(np.zeros(GRID.shape_zyx, np.uint8), Geometry(GRID.size, (2.0, 1.0, 4.0)), "c")
    with pytest.raises(InputError, match="lie on different grids: export the segmentation"):
        comparison(other, {"liver": 1}, _labelmap(_balls(0)), TABLE)
    nothing = _labelmap(np.full(GRID.shape_zyx, IGNORE))
    with pytest.raises(InputError, match="nothing is annotated"):
        rows_of(comparison(nothing, {"liver": 1}, _labelmap(_balls(0)), TABLE), True)


def test_scores_are_means_over_labels_then_cases_then_patients():
    rows = {
        "a1": [{"dice": 0.2}, {"dice": 0.4}],
        "a2": [{"dice": 0.9}, {"dice": None}],
        "b": [{"dice": 1.0}],
        "c": [{"dice": None}],
    }
    patients = {"a1": "A", "a2": "A", "b": "B", "c": "C"}
    assert patient_scores(rows, patients, "dice") == pytest.approx({"A": 0.6, "B": 1.0})
    assert score(rows, patients, "dice") == pytest.approx(0.8)
    assert score({"c": rows["c"]}, patients, "dice") is None


def test_better_is_larger_for_overlaps_and_smaller_for_distances():
    assert is_better("dice", 0.9, 0.8) and not is_better("dice", 0.8, 0.8)
    assert is_better("hd95_mm", 3, 4) and not is_better("hd95_mm", 4, 3)
    assert is_better("hd95_mm", 4, None) and not is_better("hd95_mm", None, 4) and not is_better("dice", None, None)
