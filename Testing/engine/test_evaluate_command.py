import json
from pathlib import Path

import numpy as np
import pytest

from MedSegDLLib.files import write_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.segmentation_file import write_segmentation
from Testing.engine.conftest import CommandLine

GRID = Geometry((10, 10, 4), (1.0, 1.0, 5.0))


def box(value: int, rows: slice, slices: slice = slice(None)) -> np.ndarray:
    array = np.zeros(GRID.shape_zyx, np.uint8)
    array[slices, rows, 2:6] = value
    return array


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Rows 2…5 in slices 0…1 of the reference and rows 4…7 in every slice of the prediction, all with value 1."""
    reference, prediction = tmp_path / "reference.nii.gz", tmp_path / "prediction.nii.gz"
    write_labelmap(LabelMap(box(1, slice(2, 6), slice(0, 2)), GRID), reference)
    write_labelmap(LabelMap(box(1, slice(4, 8)), GRID), prediction)
    return reference, prediction


def test_hand_computed_dice(command_line: CommandLine, pair: tuple[Path, Path], tmp_path: Path):
    # 32 and 64 voxels, 16 of them common: 2·16 / 96.
    outcome = command_line("evaluate", *pair, "--json", tmp_path / "f.json")
    assert outcome.status == 0 and outcome.err == ""
    (row,) = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))["labels"]
    assert row["dice"] == pytest.approx(1 / 3)
    assert row["reference_volume_ml"] == pytest.approx(0.16) and row["prediction_volume_ml"] == pytest.approx(0.32)
    assert "0.333" in outcome.out


def test_only_labelled_slices(command_line: CommandLine, pair: tuple[Path, Path]):
    # 32 and 32 voxels in the two labelled slices, 16 common.
    outcome = command_line("evaluate", *pair, "--only-labelled-slices")
    assert " 0.500 " in outcome.out and "2 slices compared, 2 without a label" in outcome.out


def test_only_the_labels_asked_for(command_line: CommandLine, pair: tuple[Path, Path], tmp_path: Path):
    reference, prediction = pair
    write_labelmap(LabelMap(box(1, slice(2, 6)) + box(7, slice(8, 9)), GRID), reference)
    assert "label 7" in command_line("evaluate", reference, prediction).out
    outcome = command_line("evaluate", reference, prediction, "--labels", "1")
    assert outcome.status == 0 and "label 7" not in outcome.out
    refused = command_line("evaluate", reference, prediction, "--labels", "3")
    assert refused.status == 2 and "There is no label '3'" in refused.err and "1, 7" in refused.err


def test_segments_are_matched_by_name_not_by_value(command_line: CommandLine, tmp_path: Path):
    left, right, aorta = Label(1, "Left", (9, 9, 9)), Label(2, "Right", (9, 9, 9)), Label(1, "Aorta", (9, 9, 9))
    renumbered = (Label(5, "Left", (1, 1, 1)), Label(3, "Right", (1, 1, 1)), aorta)
    reference = Segmentation(LabelMap(box(1, slice(0, 2)) + box(2, slice(2, 4)), GRID), LabelTable((left, right)))
    arrays = box(5, slice(0, 2)) + box(3, slice(2, 4)) + box(1, slice(6, 7))
    prediction = Segmentation(LabelMap(arrays, GRID), LabelTable(renumbered))
    paths = tmp_path / "reference.seg.nrrd", tmp_path / "prediction.seg.nrrd"
    for segmentation, path in zip((reference, prediction), paths, strict=True):
        write_segmentation(segmentation, path)
    outcome = command_line("evaluate", *paths, "--json", tmp_path / "f.json")
    assert outcome.status == 0, outcome.err
    rows = {row["name"]: row["dice"] for row in json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))["labels"]}
    assert rows == {"Left": 1.0, "Right": 1.0, "Aorta": 0.0}


def test_other_grid_is_refused(command_line: CommandLine, pair: tuple[Path, Path], tmp_path: Path):
    shifted = tmp_path / "shifted.nii.gz"
    write_labelmap(LabelMap(box(1, slice(2, 6)), Geometry(GRID.size, GRID.spacing, (3.0, 0.0, 0.0))), shifted)
    outcome = command_line("evaluate", pair[0], shifted, "--json", tmp_path / "f.json")
    assert outcome.status == 2 and "not on the same grid" in outcome.err and not (tmp_path / "f.json").exists()
