"""What the readers of the single formats hand to files.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry


@dataclass(frozen=True)
class SeriesDescription:
    """One DICOM series of a folder: its UID, what the scanner's operator called it, and how many images it has.

    Slices that a scanner has spread over several series (short-axis cine) count as one series, under the first one's UID.
    """

    uid: str
    description: str
    slices: int
    modality: str


@dataclass(frozen=True)
class StoredImage:
    """All that a file or folder holds: `array` (T, C, Z, Y, X), T frames of C values a voxel, on one grid.

    `frame_times_ms` has T entries, or none where the file does not tell; `warnings` are sentences for a person.
    """

    kind: str
    array: np.ndarray
    geometry: Geometry
    frame_times_ms: tuple[float, ...] = ()
    series: tuple[SeriesDescription, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        return self.array.shape[0]

    @property
    def channels(self) -> int:
        return self.array.shape[1]


def check_present(path: Path) -> None:
    """Raise InputError if there is nothing at `path`, or an empty file."""
    if not path.exists():
        raise InputError(f"{path} does not exist: check the name.")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path} is empty: get a complete copy of it.")
