"""How well a prediction agrees with a reference: overlap, volume and surface distance of each label.

Empty masks, one policy everywhere (nothing is dropped in silence; every None comes with a `reason`):

- label in neither: every agreement is undefined, so None. It is no success to find nothing where there is nothing to
  find: counting it as Dice 1 would let a table of 125 bones look good on a scan of ten.
- only in the reference (missed) or only in the prediction (invented): Dice and Jaccard 0, volumetric overlap error 1,
  coefficient of variation 1; recall (missed) or precision (invented) 0, the other one None; distances None, because
  there is no surface to measure to. Means over cases of distances therefore say over how many cases they go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import find_objects

from MedSegDLLib.errors import InputError
from MedSegDLLib.evaluation import detection_ratio
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.surface_distance import SurfaceDistances, surface_distances, surface_of

LARGEST_LABEL = 65535


@dataclass(frozen=True)
class Overlap:
    """Voxels in the reference, in the prediction and in both; every agreement follows from these three numbers.

    A property is None where it is undefined (see the policy at the top of this module).
    """

    reference: int
    prediction: int
    intersection: int

    @property
    def union(self) -> int:
        return self.reference + self.prediction - self.intersection

    @property
    def dice(self) -> float | None:
        """2|A∩B| / (|A| + |B|), 0…1."""
        return _ratio(2 * self.intersection, self.reference + self.prediction)

    @property
    def jaccard(self) -> float | None:
        """Intersection over union, 0…1."""
        return _ratio(self.intersection, self.union)

    @property
    def volumetric_overlap_error(self) -> float | None:
        """1 − intersection over union, 0…1."""
        return _ratio(self.union - self.intersection, self.union)

    @property
    def coefficient_of_variation(self) -> float | None:
        """See `coefficient_of_variation`, of the two volumes."""
        return coefficient_of_variation(self.reference, self.prediction)

    @property
    def precision(self) -> float | None:
        """Share of the prediction that is right."""
        return _ratio(self.intersection, self.prediction)

    @property
    def recall(self) -> float | None:
        """Share of the reference that was found."""
        return _ratio(self.intersection, self.reference)


def overlap(reference: np.ndarray, prediction: np.ndarray) -> Overlap:
    """The overlap of two boolean masks of one shape."""
    counts = (np.count_nonzero(mask) for mask in (reference, prediction, np.logical_and(reference, prediction)))
    return Overlap(*map(int, counts))


def dice(reference: np.ndarray, prediction: np.ndarray) -> float | None:
    """Dice coefficient of two boolean masks; None if both are empty."""
    return overlap(reference, prediction).dice


def coefficient_of_variation(volume: float, other: float) -> float | None:
    """Standard deviation over mean of a pair of volumes: |a − b| / (a + b), 0…1; None if both are 0.

    The standard deviation divides by 2, not by 1 (as in the code of Desai et al. 2019, arXiv:1902.01977); multiply by √2
    for the other convention. Over cases take the root mean square: `evaluation.root_mean_square`.
    """
    return _ratio(abs(volume - other), volume + other)


def evaluate(
    reference: LabelMap, prediction: LabelMap, labels: LabelTable | None = None, only_labelled_slices: bool = False
) -> dict:
    """Every metric of every label, ready for JSON.

    `labels` names the values; without it labels are called "label 1" and so on. Evaluated are the labels of the table and
    every other value above 0 that occurs in either label map. With `only_labelled_slices`, slices in which the reference
    has no label at all are unlabelled instead of empty and are left out of both: they count nowhere, and surfaces end
    open where the labelled slices end. Slices lie across the axis of largest spacing (the last of xyz among equals).

    Raises InputError if the label maps are not on one grid, hold values outside of 0…65535, or have nothing to compare.
    """
    _check_same_grid(reference.geometry, prediction.geometry)
    for labelmap, role in ((reference, "reference"), (prediction, "prediction")):
        _check_values(labelmap, role)
    axis = slice_axis(reference.geometry)
    labelled = np.any(reference.array, axis=tuple({0, 1, 2} - {axis}))
    compared = np.flatnonzero(labelled) if only_labelled_slices else np.arange(len(labelled))
    if not len(compared):
        raise InputError("The reference has no label in any slice, so there is no labelled slice to compare.")
    overlaps, foreground = _count(np.moveaxis(reference.array, axis, 0), np.moveaxis(prediction.array, axis, 0), compared)
    arrays = reference.array, prediction.array
    if only_labelled_slices:
        arrays = tuple(_spanned(array, axis, compared) for array in arrays)
    pair = _LabelPair(arrays, reference.geometry.spacing_zyx, axis if only_labelled_slices else None)
    volume, absent = reference.geometry.voxel_volume_ml, Overlap(0, 0, 0)
    named = _names(labels, overlaps)
    rows = [_row(value, name, overlaps.get(value, absent), pair, volume) for value, name in named.items()]
    return {
        "reference": reference.name,
        "prediction": prediction.name,
        "size": list(reference.geometry.size),
        "spacing_mm": list(reference.geometry.spacing),
        "only_labelled_slices": only_labelled_slices,
        "slice_axis": "zyx"[axis],
        "slices_compared": len(compared),
        "slices_left_out": len(labelled) - len(compared),
        "labels": rows,
        "foreground": _agreement(foreground, volume),
        "summary": summary(rows),
    }


def summary(rows: Sequence[dict]) -> dict:
    """Figures over the labels of one case from the rows of `evaluate`.

    The mean Dice is over every label that is in the reference or the prediction, missed and invented ones included.
    """
    present = [row for row in rows if row["reference_voxels"]]
    scores = [row["dice"] for row in rows if row["dice"] is not None]
    return {
        "labels_in_reference": len(present),
        "labels_missed": [row["name"] for row in present if not row["prediction_voxels"]],
        "labels_invented": [row["name"] for row in rows if row["prediction_voxels"] and not row["reference_voxels"]],
        "detection_ratio": detection_ratio(rows),
        "dice_mean": float(np.mean(scores)) if scores else None,
        "dice_labels": len(scores),
    }


def slice_axis(geometry: Geometry) -> int:
    """The array axis (0 is z) across which slices lie: that of the largest spacing, the last of xyz among equals."""
    return int(np.argmax(geometry.spacing_zyx))


def _row(value: int, name: str, counts: Overlap, pair: _LabelPair, voxel_volume_ml: float) -> dict:
    distances, reason = None, ""
    if counts.reference and counts.prediction:
        distances = pair.surface_distances(value)
    elif counts.reference or counts.prediction:
        reason = f"only in the {'reference' if counts.reference else 'prediction'}: no second surface to measure to"
    else:
        reason = "in neither label map: nothing to agree on"
    return {
        "name": name,
        "value": value,
        **_agreement(counts, voxel_volume_ml),
        "surface_distance_mean_mm": distances and distances.mean,
        "surface_distance_std_mm": distances and distances.standard_deviation,
        "hausdorff_mm": distances and distances.hausdorff,
        "hd95_mm": distances and distances.hd95,
        "reason": reason,
    }


def _agreement(counts: Overlap, voxel_volume_ml: float) -> dict:
    names = ("dice", "jaccard", "volumetric_overlap_error", "coefficient_of_variation", "precision", "recall")
    return {
        **{name: getattr(counts, name) for name in names},
        "reference_voxels": counts.reference,
        "prediction_voxels": counts.prediction,
        "reference_volume_ml": counts.reference * voxel_volume_ml,
        "prediction_volume_ml": counts.prediction * voxel_volume_ml,
    }


class _LabelPair:
    """Two arrays (Z, Y, X) of labels on one grid, ready to measure one label after another inside its own box."""

    def __init__(self, arrays: tuple[np.ndarray, np.ndarray], spacing_zyx: tuple[float, ...], open_axis: int | None) -> None:
        self._arrays, self._spacing, self._open_axis = arrays, spacing_zyx, open_axis
        self._boxes = tuple(find_objects(array) for array in arrays)

    def surface_distances(self, value: int) -> SurfaceDistances:
        """Distances of the surfaces of the label `value`, which both arrays have."""
        first, second = (boxes[value - 1] for boxes in self._boxes)
        box = [slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True)]
        if self._open_axis is not None:
            box[self._open_axis] = slice(None)
        masks = (array[tuple(box)] == value for array in self._arrays)
        return surface_distances(*(surface_of(mask, self._spacing, self._open_axis) for mask in masks))


def _count(reference: np.ndarray, prediction: np.ndarray, slices: np.ndarray) -> tuple[dict[int, Overlap], Overlap]:
    """The overlap of each value above 0 that occurs, and of everything above 0; slices lie across the first axis."""
    length = int(max(reference.max(), prediction.max())) + 1
    counts, foreground_both = np.zeros((3, length), np.int64), 0
    for index in slices:
        first, second = reference[index].ravel(), prediction[index].ravel()
        for row, values in enumerate((first, second, first[first == second])):
            counts[row] += np.bincount(values.astype(np.intp), minlength=length)
        foreground_both += np.count_nonzero((first > 0) & (second > 0))
    present = np.flatnonzero(counts[:2, 1:].any(axis=0)) + 1
    overlaps = {int(value): Overlap(*counts[:, value].tolist()) for value in present}
    return overlaps, Overlap(*counts[:2, 1:].sum(axis=1).tolist(), int(foreground_both))


def _spanned(array: np.ndarray, axis: int, slices: np.ndarray) -> np.ndarray:
    """The array from the first to the last of `slices`; slices between that are not among them repeat the nearest one."""
    span = np.arange(slices[0], slices[-1] + 1)
    return array.take(slices[np.abs(slices[:, None] - span).argmin(axis=0)], axis=axis)


def _names(labels: LabelTable | None, overlaps: dict[int, Overlap]) -> dict[int, str]:
    known = {label.value: label.name for label in labels.labels} if labels else {}
    return {value: known.get(value, f"label {value}") for value in sorted({*known, *overlaps})}


def _check_values(labelmap: LabelMap, role: str) -> None:
    low, high = int(labelmap.array.min()), int(labelmap.array.max())
    if low < 0 or high > LARGEST_LABEL:
        raise InputError(
            f"The {role} holds values from {low} to {high}, but labels are 0 (background) to {LARGEST_LABEL}: "
            "check that it is a label map and not an image."
        )


def _check_same_grid(reference: Geometry, prediction: Geometry) -> None:
    if reference.same_grid(prediction):
        return
    raise InputError(
        f"Reference and prediction are not on the same grid: {'; '.join(_differences(reference, prediction))}. Compare a "
        "prediction of the very image that the reference was drawn on, or bring one onto the other's grid first (in Slicer: "
        "Segmentations, Export with the other one's image as reference volume)."
    )


def _differences(reference: Geometry, prediction: Geometry) -> list[str]:
    differences = []
    if reference.size != prediction.size:
        differences.append(f"sizes {_times(reference.size)} and {_times(prediction.size)} voxels")
    if not np.allclose(reference.spacing, prediction.spacing, rtol=1e-4):
        differences.append(f"spacings {_times(reference.spacing)} and {_times(prediction.spacing)} mm")
    if (angle := _largest_angle(reference.axes, prediction.axes)) > 0.01:
        differences.append(f"axes up to {angle:.3g}° apart")
    if shift := round(float(np.linalg.norm(np.subtract(reference.origin, prediction.origin))), 3):
        differences.append(f"first voxels {shift:.3g} mm apart")
    return differences or ["their far corners drift apart by small differences of spacing and direction"]


def _largest_angle(axes: np.ndarray, other: np.ndarray) -> float:
    """Degrees between those two corresponding axes that differ most."""
    return float(np.degrees(np.arccos(np.clip((axes * other).sum(axis=0), -1, 1))).max())


def _times(values: tuple[float, ...]) -> str:
    return " × ".join(f"{value:.4g}" for value in values)


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator else None
