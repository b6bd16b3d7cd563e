"""Image files and label maps: NIfTI, NRRD, MetaImage and DICOM in, the same but DICOM out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from MedSegDLLib.image import Image, LabelMap

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
LABEL_SUFFIXES = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".mha")


@dataclass(frozen=True)
class SeriesDescription:
    """One DICOM series of a folder: its UID, what the scanner's operator called it, and how many files it has."""

    uid: str
    description: str
    files: int


@dataclass(frozen=True)
class ImageDescription:
    """What a file or folder holds; size, spacing (mm), origin (LPS mm) and direction (row-major) as in Geometry."""

    path: Path
    kind: str
    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]
    frames: int
    frame_times_ms: tuple[float, ...]
    channels: int
    value_type: str
    minimum: float
    maximum: float
    series: tuple[SeriesDescription, ...]
    warnings: tuple[str, ...]


def read_image(path: Path, frame: int | None = None, series: str | None = None) -> Image:
    raise NotImplementedError


def read_frames(path: Path, series: str | None = None) -> list[Image]:
    raise NotImplementedError


def describe(path: Path, series: str | None = None) -> ImageDescription:
    raise NotImplementedError


def read_labelmap(path: Path) -> LabelMap:
    raise NotImplementedError


def write_image(image: Image, path: Path) -> None:
    raise NotImplementedError


def write_labelmap(labelmap: LabelMap, path: Path) -> None:
    raise NotImplementedError
