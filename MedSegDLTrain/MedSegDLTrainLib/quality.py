"""How good a model is on the held-out cases of a case folder: the rows of a card's quality table.

    python -m MedSegDLTrainLib.quality MODEL_FOLDER CASE_FOLDER PATTERN

Every held-out case whose name fits PATTERN (for example "SC-*-ED") goes through `segment`, as a user's image does, and is
compared by `metrics.evaluate` in its annotated slices only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from MedSegDLLib.checkpoint import Model, load_model
from MedSegDLLib.errors import InputError, MedSegDLError
from MedSegDLLib.evaluation import spread
from MedSegDLLib.files import read_image
from MedSegDLLib.image import LabelMap
from MedSegDLLib.metrics import evaluate
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.segment import segment
from MedSegDLTrainLib.cases import IGNORE, Case, case_labels, image_path, read_cases, read_dataset

METRICS = ("dice", "surface_distance_mean_mm", "hd95_mm")


def measured_cases(model: Model, folder: Path, pattern: str) -> dict[str, list[dict]]:
    """For each held-out case that fits `pattern`: the rows of `metrics.evaluate`, one a label."""
    cases = [case for case in read_cases(folder) if case.split == "test" and fnmatchcase(case.name, pattern)]
    if not cases:
        raise InputError(f"{folder} has no held-out case whose name fits {pattern}.")
    return {case.name: _rows(model, folder, case) for case in cases}


def _rows(model: Model, folder: Path, case: Case) -> list[dict]:
    # Not "auto": the figures of a card are the same on every machine.
    options = SegmentOptions(device="cpu", precision="float32")
    prediction = segment(read_image(image_path(folder, case)), model, options).segmentation.labelmap
    reference = case_labels(folder, case, read_dataset(folder))
    annotated = np.where(reference.array == IGNORE, 0, reference.array)
    reference = LabelMap(annotated, reference.geometry, reference.name)
    return evaluate(reference, prediction, model.labels, only_labelled_slices=True)["labels"]


def quality_rows(measured: dict[str, list[dict]], metrics: Sequence[str] = METRICS) -> list[dict]:
    """One row of the card's table (without its `data`) for each label and metric."""
    rows = []
    for labels in zip(*measured.values(), strict=True):
        for metric in metrics:
            if figures := spread([row[metric] for row in labels], metric):
                rows.append(
                    {
                        "cases": figures.count,
                        "label": labels[0]["name"],
                        "metric": metric,
                        "mean": round(figures.mean, 4),
                        "standard_deviation": round(figures.standard_deviation, 4),
                        "worst": round(figures.worst, 4),
                    }
                )
    return rows


def _main(model_folder: str, case_folder: str, pattern: str) -> None:
    measured = measured_cases(load_model(Path(model_folder)), Path(case_folder), pattern)
    for name, labels in measured.items():
        print(name, *(f"{row['name']}: Dice {row['dice']:.4f}" for row in labels))
    print(json.dumps(quality_rows(measured), indent=2))


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except MedSegDLError as error:
        sys.exit(str(error))
