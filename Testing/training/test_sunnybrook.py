"""The Sunnybrook recipe on a made-up source: which slices become what, and the split that never moves."""

import numpy as np
import pytest

from MedSegDLLib.files import write_image, write_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLTrainLib.cases import IGNORE, case_labels, read_cases, read_dataset
from MedSegDLTrainLib.recipes.sunnybrook import HELD_OUT, sunnybrook_cases


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    names = ["SC-HF-I-01-IM-0001-0048", "SC-HF-I-02-IM-0001-0048", "SC-HF-I-01-IM-0001-0059"]
    masks = np.zeros((3, 6, 8), np.uint8)
    masks[:, 2:4, 2:5] = 1
    images = np.arange(3 * 48, dtype=np.uint8).reshape(3, 6, 8)
    np.savez(folder / "sunnybrook_parts1and2.npz", image=images, lv=masks, name=names)
    labels = np.zeros((8, 6, 8), np.uint8)
    labels[3:5, 1:5, 1:6] = 2
    labels[3:5, 2:4, 2:5] = 1
    geometry = Geometry((8, 6, 8), (1.3, 1.3, 8.0))
    everywhere = np.broadcast_to(labels[3], labels.shape)
    for name, array in (("1_ED", labels), ("2_ED", labels), ("1_ES", everywhere)):
        write_image(Image(np.zeros((1, 8, 6, 8), np.int16), geometry), folder / f"SC-HF-I-{name}_img.nii.gz")
        write_labelmap(LabelMap(array, geometry), folder / f"SC-HF-I-{name}_lab.nii.gz")
    return folder


def test_cases_and_negatives(source, tmp_path):
    output = tmp_path / "cases"
    sunnybrook_cases(source, output)
    cases, dataset = {case.name: case for case in read_cases(output)}, read_dataset(output)
    assert {name: case.split for name, case in cases.items()} == {
        "SC-HF-I-01": "train",
        "SC-HF-I-02": "test",
        "SC-HF-I-01-beyond-ED": "train",
        "SC-HF-I-02-ED": "test",
    }
    assert case_labels(output, cases["SC-HF-I-01"], dataset).array.sum() == 2 * 6
    beyond = case_labels(output, cases["SC-HF-I-01-beyond-ED"], dataset).array
    # Contours lie in slices 3 and 4: 0, 1 and 6, 7 are two or more away, 2 and 5 stay unlabelled.
    assert [int(beyond[z].max()) for z in range(8)] == [0, 0, IGNORE, IGNORE, IGNORE, IGNORE, 0, 0]
    stack = case_labels(output, cases["SC-HF-I-02-ED"], dataset).array
    assert [int(stack[z].max()) for z in range(8)] == [IGNORE, IGNORE, IGNORE, 1, 1, IGNORE, IGNORE, IGNORE]
    assert stack[3].sum() == 6


def test_the_held_out_patients_never_change():
    assert HELD_OUT == ("SC-HF-I-02", "SC-HF-I-05", "SC-HF-I-06", "SC-HF-NI-04", "SC-HYP-37", "SC-N-07")
