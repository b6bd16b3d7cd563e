"""Compare a segmentation with a reference on the same grid: overlap, volumes, and distances between surfaces in mm.

Label maps are compared by value. If both are .seg.nrrd files that share names of segments, they are compared by name,
because Slicer may renumber segments.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.errors import InputError
from MedSegDLLib.files import read_labels
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.metrics import evaluate
from MedSegDLLib.segmentation import Segmentation

_COLUMNS = (
    ("Dice", "dice", ".3f"),
    ("Jaccard", "jaccard", ".3f"),
    ("precision", "precision", ".3f"),
    ("recall", "recall", ".3f"),
    ("mean mm", "surface_distance_mean_mm", ".2f"),
    ("HD95 mm", "hd95_mm", ".2f"),
    ("HD mm", "hausdorff_mm", ".2f"),
    ("reference ml", "reference_volume_ml", ".1f"),
    ("prediction ml", "prediction_volume_ml", ".1f"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """REFERENCE, PREDICTION and what to compare of them."""
    parser.add_argument("reference", metavar="REFERENCE", type=Path, help="label map or .seg.nrrd that is taken for true")
    parser.add_argument("prediction", metavar="PREDICTION", type=Path, help="label map or .seg.nrrd to judge")
    parser.add_argument("--labels", metavar="LABEL[,LABEL…]", help="compare only these names or values")
    parser.add_argument(
        "--only-labelled-slices",
        action="store_true",
        help="leave out slices in which the reference has none of the labels compared: they are unlabelled, not empty",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write every number as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print a table and write the JSON file; returns the exit status."""
    reference, prediction, labels = comparable(read_labels(arguments.reference), read_labels(arguments.prediction))
    if arguments.labels:
        values = _values(arguments.labels, labels, reference, prediction)
        reference, prediction = (_only(labelmap, values) for labelmap in (reference, prediction))
        labels = LabelTable(tuple(label for label in labels.labels if label.value in values))
    figures = evaluate(reference, prediction, labels, arguments.only_labelled_slices)
    if arguments.json:
        with written_beside(arguments.json) as beside:
            beside.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(_table(figures["labels"]))
    left_out = figures["slices_left_out"]
    if left_out:
        print(f"{figures['slices_compared']} slices compared, {left_out} without a label in the reference left out.")
    return 0


def comparable(reference: Segmentation, prediction: Segmentation) -> tuple[LabelMap, LabelMap, LabelTable]:
    """Both label maps with one meaning of their values, and the names of these values.

    Names that both have decide, and the prediction's other labels get new values; without common names, values decide.
    """
    own = {label.name: label.value for label in reference.labels.labels}
    if not own.keys() & {label.name for label in prediction.labels.labels}:
        return reference.labelmap, prediction.labelmap, _joined(reference.labels.labels, prediction.labels.labels)
    array, labels = np.zeros_like(prediction.labelmap.array, np.int32), list(reference.labels.labels)
    for label in prediction.labels.labels:
        if label.name not in own:
            own[label.name] = max(own.values()) + 1
            labels.append(replace(label, value=own[label.name]))
        array[prediction.labelmap.array == label.value] = own[label.name]
    return reference.labelmap, replace(prediction.labelmap, array=array), LabelTable(tuple(labels))


def _joined(first: tuple[Label, ...], second: tuple[Label, ...]) -> LabelTable:
    taken = {label.value for label in first}
    return LabelTable((*first, *(label for label in second if label.value not in taken)))


def _values(wanted: str, labels: LabelTable, *labelmaps: LabelMap) -> set[int]:
    """The values that a list of names or values stands for; raises InputError for what occurs nowhere."""
    by_name = {label.name: label.value for label in labels.labels}
    present = {*by_name.values(), *(int(value) for labelmap in labelmaps for value in np.unique(labelmap.array))} - {0}
    values = set()
    for name in (part.strip() for part in wanted.split(",")):
        value = by_name.get(name, int(name) if name.isdecimal() else None)
        if value not in present:
            known = ", ".join([*by_name, *map(str, sorted(present - set(by_name.values())))]) or "none"
            raise InputError(f"There is no label '{name}' in either file; known are {known}.")
        values.add(value)
    return values


def _only(labelmap: LabelMap, values: set[int]) -> LabelMap:
    return replace(labelmap, array=np.where(np.isin(labelmap.array, list(values)), labelmap.array, 0))


def _table(rows: list[dict]) -> str:
    cells = [["label", *(title for title, _, _ in _COLUMNS)]]
    cells += [[row["name"], *(_cell(row[key], form) for _, key, form in _COLUMNS)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for name, *numbers in cells:
        lines.append("  ".join([name.ljust(widths[0]), *(n.rjust(w) for n, w in zip(numbers, widths[1:], strict=True))]))
    reasons = [f"{row['name']}: {row['reason']}." for row in rows if row["reason"]]
    return "\n".join([*lines, *reasons])


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
