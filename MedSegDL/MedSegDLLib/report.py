"""What came out of a segmentation, and the report of it as JSON; imports nothing heavy."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import MedSegDLLib
from MedSegDLLib.segmentation import Segmentation

if TYPE_CHECKING:  # checkpoint imports torch, which a reader of reports need not have
    from MedSegDLLib.checkpoint import Model

# Comparing all voxels with each value is faster for few labels; sorting all voxels is slow for any number.
_FEW_LABELS = 8
_REPORTED_PACKAGES = ("torch", "numpy", "SimpleITK")


@dataclass(frozen=True)
class Result:
    """A segmentation on the grid of the image that it was made from, and how it was made."""

    segmentation: Segmentation
    device: str  # where the network ran, for example cpu or cuda:0
    precision: str  # float32, bfloat16 or float16
    seconds: dict[str, float]  # stage -> seconds, in the order in which they ran
    peak_memory_mib: float  # see segment.segment
    mean_entropy: float | None = None  # bits a voxel, see uncertainty.py; None: nobody asked for it


def report_of(source: Path, output: Path, model: Model, result: Result) -> dict:
    """The report of one segmentation, ready for json.dump.

    Keys: input, output, model {id, sha256}, device, precision, seconds {stage: s}, peak_memory_mib,
    labels [{name, value, voxels, volume_ml}] (every label of the segmentation, found or not) and versions.
    """
    return {
        "input": str(source),
        "output": str(output),
        "model": {"id": model.card.id, "sha256": model.card.weights_sha256},
        "device": result.device,
        "precision": result.precision,
        "seconds": {stage: round(seconds, 3) for stage, seconds in result.seconds.items()},
        "peak_memory_mib": round(result.peak_memory_mib, 1),
        "labels": label_volumes(result.segmentation),
        "versions": versions(),
    }


def label_volumes(segmentation: Segmentation) -> list[dict]:
    """One row {name, value, voxels, volume_ml} for each label, in order of their values; absent ones have 0 voxels."""
    labelmap, labels = segmentation.labelmap, segmentation.labels.labels
    voxels = _count(labelmap.array, [label.value for label in labels])
    millilitres = labelmap.geometry.voxel_volume_ml
    return [
        {"name": label.name, "value": label.value, "voxels": count, "volume_ml": round(count * millilitres, 4)}
        for label, count in zip(labels, voxels, strict=True)
    ]


def versions() -> dict[str, str]:
    """Versions of this program, Python and the packages that can change a result; absent packages are left out."""
    own = {"medsegdl": MedSegDLLib.__version__, "python": platform.python_version()}
    return own | {package: version for package in _REPORTED_PACKAGES if (version := _version(package))}


@cache  # looking it up reads files
def _version(package: str) -> str:
    """The installed version; "" if there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _count(array: np.ndarray, values: Sequence[int]) -> list[int]:
    if len(values) <= _FEW_LABELS:
        return [int(np.count_nonzero(array == value)) for value in values]
    if array.dtype in (np.uint8, np.uint16):
        voxels = sum(np.bincount(plane.ravel(), minlength=max(values) + 1)[: max(values) + 1] for plane in array)
        return voxels[list(values)].tolist()
    present, counts = np.unique(array, return_counts=True)
    voxels = dict(zip(present.tolist(), counts.tolist(), strict=True))
    return [voxels.get(value, 0) for value in values]
