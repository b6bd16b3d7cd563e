"""How good a model is on cases of a case folder, through the same `segment` that users run.

Labels are matched by name: the values of model and folder may differ. Labels that only one of them knows count as
background. Voxels that nobody annotated count nowhere; where whole slices are not annotated, surfaces end open, so that the
end of the annotation is not taken for the end of the organ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from MedSegDLLib.checkpoint import Model
from MedSegDLLib.errors import InputError
from MedSegDLLib.evaluation import LARGER_IS_BETTER
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.metrics import Overlap, slice_axis
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.progress import CancelToken
from MedSegDLLib.segment import segment
from MedSegDLLib.surface_distance import SurfaceDistances, surface_distances, surface_of
from MedSegDLTrainLib.cases import IGNORE, Case, Dataset, check_same_grid, read_case

_OVERLAP_MEASURES = ("dice", "jaccard", "volumetric_overlap_error", "coefficient_of_variation", "precision", "recall")


@dataclass(frozen=True)
class Comparison:
    """Reference and prediction of one case on one grid, with the same values.

    `reference` and `prediction` (Z, Y, X): n is the n-th of `names`, 0 everything else, also where not `annotated` (bool).
    """

    names: tuple[str, ...]
    reference: np.ndarray
    prediction: np.ndarray
    annotated: np.ndarray
    geometry: Geometry


def case_rows(
    model: Model,
    folder: Path,
    case: Case,
    dataset: Dataset,
    options: SegmentOptions,
    surfaces: bool,
    cancel: CancelToken | None = None,
) -> list[dict]:
    """Segment the case's image and measure it: one row for each label of the model that the folder knows.

    Rows are like those of `MedSegDLLib.metrics.evaluate`; without `surfaces` the distances are left out, which is fast.
    Raises InputError for files that cannot be compared, and what `segment` raises.
    """
    image, reference = read_case(folder, case, dataset)
    prediction = segment(image, model, options, cancel=cancel).segmentation.labelmap
    return rows_of(comparison(reference, dataset.labels, prediction, model.labels), surfaces)


def comparison(reference: LabelMap, values: Mapping[str, int], prediction: LabelMap, table: LabelTable) -> Comparison:
    """Put side by side a reference, whose values by name are `values` (and IGNORE), and a prediction with those of `table`.

    Raises InputError if they lie on different grids or have no label in common.
    """
    check_same_grid(prediction, reference)
    names = tuple(label.name for label in table.labels if label.name in values)
    if not names:
        known = ", ".join(label.name for label in table.labels)
        raise InputError(f"The model marks {known}, but the cases are labelled {', '.join(values)}: nothing to compare.")
    found = {label.name: label.value for label in table.labels}
    annotated = reference.array != IGNORE
    arrays = (
        np.where(annotated, _renumbered(array, [by_name[name] for name in names]), 0)
        for array, by_name in ((reference.array, values), (prediction.array, found))
    )
    return Comparison(names, *arrays, annotated, prediction.geometry)


def rows_of(pair: Comparison, surfaces: bool) -> list[dict]:
    """One row for each label of `pair`, see `case_rows`."""
    counts = confusion(pair)
    spanned = _spanned(pair) if surfaces else None
    rows = []
    for n, name in enumerate(pair.names, 1):
        overlap = Overlap(int(counts[n].sum()), int(counts[:, n].sum()), int(counts[n, n]))
        row = {"name": name, **_agreement(overlap, pair.geometry.voxel_volume_ml)}
        rows.append(row | _distances(spanned, n, overlap) if spanned else row)
    return rows


def confusion(pair: Comparison) -> np.ndarray:
    """(n + 1, n + 1) annotated voxels of each reference class (row) and predicted class (column); 0 is background."""
    classes = len(pair.names) + 1
    counts = np.zeros(classes * classes, np.int64)
    for reference, prediction, annotated in zip(pair.reference, pair.prediction, pair.annotated, strict=True):
        codes = reference[annotated].astype(np.int64) * classes + prediction[annotated]
        counts += np.bincount(codes, minlength=classes * classes)
    return counts.reshape(classes, classes)


def patient_scores(rows: Mapping[str, Sequence[Mapping]], patients: Mapping[str, str], metric: str) -> dict[str, float]:
    """A value for each patient: the mean over labels in a case, then over the patient's cases.

    `rows` are those of `case_rows` by case, `patients` the patients' keys by case. What is undefined (None) is left out;
    so are patients of whom nothing is defined.
    """
    scores: dict[str, list[float]] = {}
    for case, labels in rows.items():
        defined = [row[metric] for row in labels if row[metric] is not None]
        if defined:
            scores.setdefault(patients[case], []).append(fmean(defined))
    return {patient: fmean(values) for patient, values in scores.items()}


def score(rows: Mapping[str, Sequence[Mapping]], patients: Mapping[str, str], metric: str) -> float | None:
    """The mean of `patient_scores`; None if nothing is defined."""
    scores = patient_scores(rows, patients, metric)
    return fmean(scores.values()) if scores else None


def is_better(metric: str, score: float | None, other: float | None) -> bool:
    """Whether `score` beats `other`: larger for overlaps, smaller for distances; anything beats None."""
    if score is None or other is None:
        return score is not None
    return score > other if metric in LARGER_IS_BETTER else score < other


def _renumbered(array: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """uint16 array in which the n-th of `values`, counted from 1, is n and all others are 0."""
    lookup = np.zeros(max(values) + 2, np.uint16)
    lookup[list(values)] = np.arange(1, len(values) + 1)
    return lookup.take(array, mode="clip")  # negative values become 0, those beyond the last entry, which is 0


def _agreement(overlap: Overlap, voxel_volume_ml: float) -> dict:
    return {
        **{measure: getattr(overlap, measure) for measure in _OVERLAP_MEASURES},
        "reference_voxels": overlap.reference,
        "prediction_voxels": overlap.prediction,
        "reference_volume_ml": overlap.reference * voxel_volume_ml,
        "prediction_volume_ml": overlap.prediction * voxel_volume_ml,
    }


@dataclass(frozen=True)
class _Spanned:
    """Reference and prediction (Z, Y, X) whose ends along `axis` are open."""

    reference: np.ndarray
    prediction: np.ndarray
    axis: int
    spacing_zyx: tuple[float, float, float]


def _spanned(pair: Comparison) -> _Spanned:
    """From the first to the last annotated slice; slices between that are not annotated repeat the nearest one.

    Slices lie across the axis of largest spacing. Where the annotation reaches the image's end there is background behind
    it, as everywhere else in `metrics`; elsewhere the surface ends open.
    """
    axis = slice_axis(pair.geometry)
    annotated = np.flatnonzero(pair.annotated.any(axis=tuple({0, 1, 2} - {axis})))
    if not len(annotated):
        raise InputError("A case in which nothing is annotated cannot be measured: annotate a slice, or remove the case.")
    span = np.arange(annotated[0], annotated[-1] + 1)
    nearest = annotated[np.searchsorted((annotated[1:] + annotated[:-1]) / 2, span)]
    padding = [(0, 0)] * 3
    padding[axis] = (int(span[0] == 0), int(span[-1] == pair.annotated.shape[axis] - 1))
    arrays = (np.pad(array.take(nearest, axis=axis), padding) for array in (pair.reference, pair.prediction))
    return _Spanned(*arrays, axis, pair.geometry.spacing_zyx)


def _distances(pair: _Spanned, value: int, overlap: Overlap) -> dict:
    measured, reason = None, ""
    if overlap.reference and overlap.prediction:
        measured = _surface_distances(pair, value)
    elif overlap.reference or overlap.prediction:
        reason = f"only in the {'reference' if overlap.reference else 'prediction'}: no second surface to measure to"
    else:
        reason = "in neither label map: nothing to agree on"
    figures = asdict(measured) if measured else {}
    return {
        "surface_distance_mean_mm": figures.get("mean"),
        "surface_distance_std_mm": figures.get("standard_deviation"),
        "hausdorff_mm": figures.get("hausdorff"),
        "hd95_mm": figures.get("hd95"),
        "reason": reason,
    }


def _surface_distances(pair: _Spanned, value: int) -> SurfaceDistances:
    masks = [array == value for array in (pair.reference, pair.prediction)]
    either = np.logical_or(*masks)
    box = []
    for axis in range(3):
        found = np.flatnonzero(either.any(axis=tuple({0, 1, 2} - {axis})))
        box.append(slice(None) if axis == pair.axis else slice(found[0], found[-1] + 1))
    return surface_distances(*(surface_of(mask[tuple(box)], pair.spacing_zyx, pair.axis) for mask in masks))
