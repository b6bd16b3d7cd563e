"""The report as JSON."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.report import Result, label_volumes, report_of
from MedSegDLLib.segmentation import Segmentation


def test_report_has_the_agreed_keys_and_values_by_hand():
    array = np.zeros((2, 3, 4), np.uint8)
    array[0, 0, :3] = 2
    array[1, 2, 3] = 9  # has no name: not reported
    table = LabelTable((Label(1, "absent", (0, 0, 0)), Label(2, "there", (0, 0, 0))))
    segmentation = Segmentation(LabelMap(array, Geometry((4, 3, 2), (10, 5, 2))), table)
    model = SimpleNamespace(card=SimpleNamespace(id="lv", weights_sha256="ab" * 32))
    report = report_of("in.nii", "out.seg.nrrd", model, Result(segmentation, "cpu", "float32", {"network": 1.23456}, 321.04))
    assert report.pop("versions").keys() >= {"medsegdl", "python", "torch", "numpy"}
    assert json.loads(json.dumps(report)) == {
        "input": "in.nii",
        "output": "out.seg.nrrd",
        "model": {"id": "lv", "sha256": "ab" * 32},
        "device": "cpu",
        "precision": "float32",
        "seconds": {"network": 1.235},
        "peak_memory_mib": 321.0,
        "labels": [
            {"name": "absent", "value": 1, "voxels": 0, "volume_ml": 0.0},
            {"name": "there", "value": 2, "voxels": 3, "volume_ml": 0.3},
        ],
    }


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
@pytest.mark.parametrize("number", [3, 40])
def test_voxels_are_counted_alike_for_few_and_many_labels_of_any_type(dtype, number):
    array = np.random.default_rng(0).integers(0, 120, (4, 30, 20)).astype(dtype)
    table = LabelTable(tuple(Label(value, str(value), (0, 0, 0)) for value in range(90, 90 + number)))
    rows = label_volumes(Segmentation(LabelMap(array[:, ::-1], Geometry((20, 30, 4))), table))
    assert [row["voxels"] for row in rows] == [int((array == value).sum()) for value in range(90, 90 + number)]
