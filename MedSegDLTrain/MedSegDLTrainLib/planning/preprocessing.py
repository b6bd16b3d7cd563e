"""Spacing and normalisation for a new network, out of what the cases are like."""

from __future__ import annotations

import numpy as np

from MedSegDLLib.commands.text_table import plural
from MedSegDLLib.model_card import Normalisation, Preprocessing
from MedSegDLTrainLib.planning.fingerprint import Fingerprint

ORIENTATIONS = {2: "slices", 3: "LPS"}
"""How images are turned for a network of slices or of volumes."""

_ANISOTROPIC = 3  # nnU-Net: an axis this much coarser, and this much shorter in voxels, than the others is a special one
_PERCENTILES = (0.5, 99.5)


def planned_preprocessing(found: Fingerprint, dimensions: int) -> tuple[Preprocessing, dict[str, str]]:
    """How images reach a new network of 2 or 3 dimensions (after nnU-Net, Isensee et al. 2021), and why."""
    spacing, why = _slice_spacing(found) if dimensions == 2 else _volume_spacing(found)
    normalisation, why_so = _normalisation(found, dimensions)
    turned = (
        "each slice on its own, whichever way it was acquired" if dimensions == 2 else "every volume the same way round (LPS)"
    )
    reasons = {
        "preprocessing.orientation": turned,
        "preprocessing.spacing": why,
        "preprocessing.normalisation": why_so,
    }
    return Preprocessing(ORIENTATIONS[dimensions], spacing, normalisation), reasons


def _slice_spacing(found: Fingerprint) -> tuple[tuple[float | None, ...], str]:
    """One spacing for x and y; slices stay where they are."""
    steps = np.array([case.spacing[:2] for case in found.cases])
    middle = _rounded(np.median(steps))
    return (middle, middle, None), f"median of pixel sizes of {steps.min():.3g} to {steps.max():.3g} mm; slices as they are"


def _volume_spacing(found: Fingerprint) -> tuple[tuple[float, ...], str]:
    """The median of each axis; a much coarser one gets its 10th percentile, so that thin slices keep their detail."""
    spacings, sizes = np.array([case.spacing for case in found.cases]), np.array([case.size for case in found.cases])
    target, counts = np.median(spacings, axis=0), np.median(sizes, axis=0)
    worst = int(target.argmax())
    others = [axis for axis in range(3) if axis != worst]
    why = f"median of {plural(len(spacings), 'case')}"
    coarse = target[worst] > _ANISOTROPIC * target[others].max() and counts[worst] * _ANISOTROPIC < counts[others].min()
    if coarse:
        target[worst] = max(np.percentile(spacings[:, worst], 10), target[others].max())
        why += f"; {'xyz'[worst]} is far coarser than the others: the 10th percentile there"
    return tuple(_rounded(value) for value in target), why


def _normalisation(found: Fingerprint, dimensions: int) -> tuple[Normalisation, str]:
    inside = found.foreground
    if found.modality.upper() == "CT" and inside is not None and inside.low < inside.high:
        window = (_rounded(inside.low), _rounded(inside.high))
        return Normalisation("window", window=window), (
            f"CT numbers mean the same on every scanner: 0.5 to 99.5 % of those inside the labels (median {inside.median:.4g})"
        )
    region = "slice" if dimensions == 2 else "volume"
    how = Normalisation("zscore", region, _PERCENTILES)
    return how, f"intensities of {found.modality or 'these images'} have no unit: each {region} to mean 0, deviation 1"


def _rounded(value: float) -> float:
    """Three significant digits, and whole numbers from 100 on: more would pretend."""
    return float(round(value)) if abs(value) >= 100 else float(f"{value:.3g}")
