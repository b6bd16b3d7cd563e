"""A tiny case folder: dark squares on a bright ground, in three patients, one of them held out."""

import json
from pathlib import Path

import numpy as np
import pytest

from MedSegDLLib.files import write_image, write_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLTrainLib.cases import Case, image_path, label_path, write_cases


def write_square_case(folder: Path, case: Case, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.zeros((3, 24, 20), np.uint8)
    for z in range(2):
        row, column = random.integers(2, 10, 2)
        labels[z, row : row + 9, column : column + 8] = 1
    image = (100 - 60.0 * labels + random.normal(0, 5, labels.shape)).astype(np.float32)
    geometry = Geometry((20, 24, 3), (2.0, 2.0, 8.0))
    write_image(Image(image[None], geometry), image_path(folder, case))
    write_labelmap(LabelMap(labels, geometry), label_path(folder, case))


@pytest.fixture
def folder(tmp_path):
    """Where a case folder may come to be; there is none yet."""
    return tmp_path / "cases"


@pytest.fixture
def case_folder(tmp_path):
    folder = tmp_path / "cases"
    (folder / "imagesTr").mkdir(parents=True)
    (folder / "labelsTr").mkdir()
    cases = [Case("a", "A", "train"), Case("b", "B", "train"), Case("c", "C", "test")]
    for seed, case in enumerate(cases):
        write_square_case(folder, case, seed)
    write_cases(folder, cases, {"square": 1}, "MR")
    return folder


@pytest.fixture
def job_file(tmp_path, case_folder):
    """A job of eight steps on the tiny cases that uses every augmentation."""
    job = {
        "cases": "cases",
        "network": {"key": "unet_2d", "in_channels": 1, "out_channels": 1, "numbers": {"features_per_stage": [4, 6]}},
        "preprocessing": {
            "orientation": "slices",
            "spacing": [2.0, 2.0, None],
            "normalisation": {"method": "zscore", "region": "slice"},
        },
        "sampling": {
            "patch_size": [16, 16, 1],
            "batch_size": 4,
            "sampler": "slices",
            "foreground_fraction": 0.8,
            "jitter_mm": 6.0,
            "empty_slice_fraction": 0.1,
        },
        "augmentation": {
            "scale": [0.8, 1.25],
            "stretch": 0.1,
            "rotation_degrees": 20.0,
            "right_angles": True,
            "shear": 0.1,
            "elastic_mm": 1.0,
            "gamma": [0.7, 1.4],
            "curve": 0.5,
            "contrast": [0.8, 1.2],
            "brightness": 0.2,
            "bias_field": 0.2,
            "blur_pixels": 1.0,
            "low_resolution": 2.0,
            "motion_blur_pixels": 3.0,
            "flips": "x",
            "noise": 0.1,
        },
        "loss": "dice_and_cross_entropy",
        "optimisation": {
            "epochs": 4,
            "steps_per_epoch": 2,
            "learning_rate": 0.01,
            "clip_norm": 1.0,
            "average_decay": 0.9,
        },
        "inference": {"patch_size": [16, 16, 1], "activation": "sigmoid"},
        "seed": 3,
        "validation": {"patients": ["B"], "share": 1.0},
    }
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    return path
