"""Image files and label maps: NIfTI, NRRD, MetaImage and DICOM in, the same but DICOM out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.dicom import is_dicom, largest_series, read_dicom
from MedSegDLLib.errors import InputError, OutputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.itk_files import image_from, read_metaimage, read_nrrd, write_with_itk
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.nifti import read_nifti
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.segmentation_file import SEGMENTATION_SUFFIX, read_segmentation
from MedSegDLLib.stored_image import SeriesDescription, StoredImage, check_present

_READERS = {
    ".nii.gz": read_nifti,
    ".nii": read_nifti,
    ".nrrd": read_nrrd,
    ".nhdr": read_nrrd,
    ".mha": read_metaimage,
    ".mhd": read_metaimage,
}
IMAGE_SUFFIXES = tuple(_READERS)
"""What can be read, beside DICOM."""
LABEL_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
"""What images and label maps can be written as; .seg.nrrd, with names and colours, is segmentation_file's."""

_LARGEST_VOXEL_MM = 100.0
_SMALLEST_VOLUME_MM = 1.0


@dataclass(frozen=True)
class ImageDescription:
    """What a file or folder holds; size, spacing (mm), origin (LPS mm) and direction (row-major) as in Geometry.

    `minimum` and `maximum` leave out NaN and infinite values, which `warnings` count.
    """

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
    """The image in a file or DICOM folder: float32, or an integer type of at most 32 bit; one channel for grey values.

    `frame` counts from 0 and is needed where there are several; `series` is a DICOM series' UID or description, needed
    where a folder holds several. Raises InputError with a sentence for whatever is missing, damaged, no volume, in
    colour, not finite, or on no orthogonal grid.
    """
    stored = _stored(path, series)
    return _image(stored, _frame_number(stored, frame, path), path)


def read_frames(path: Path, series: str | None = None) -> list[Image]:
    """All frames in order of time; a volume without a time axis is one frame. Raises InputError as `read_image`."""
    stored = _stored(path, series)
    return [_image(stored, frame, path) for frame in range(stored.frames)]


def describe(path: Path, series: str | None = None) -> ImageDescription:
    """What a file or folder holds; of several DICOM series, without `series`, the one with most images, with a warning.

    Raises InputError where not even the grid can be told.
    """
    ambiguous = series is None and path.is_dir() and path.exists()
    stored = _stored(path, largest_series(path) if ambiguous else series)
    warnings = stored.warnings
    if ambiguous and len(stored.series) > 1:
        warnings += (f"The folder holds {len(stored.series)} series; the one with most images is described.",)
    finite = stored.array[np.isfinite(stored.array)]
    if wrong := stored.array.size - finite.size:
        warnings += (f"{wrong} values are NaN or infinite.",)
    geometry = stored.geometry
    return ImageDescription(
        path,
        stored.kind,
        geometry.size,
        geometry.spacing,
        geometry.origin,
        geometry.direction,
        stored.frames,
        stored.frame_times_ms,
        stored.channels,
        str(stored.array.dtype),
        float(finite.min()) if finite.size else math.nan,
        float(finite.max()) if finite.size else math.nan,
        stored.series,
        warnings,
    )


def read_labels(path: Path, frame: int | None = None) -> Segmentation:
    """A label map, with the labels that a .seg.nrrd names; other formats name none. Raises InputError as `read_labelmap`.

    `frame` chooses one of several; of a label map that is drawn for a single frame it is not asked for.
    """
    if path.name.lower().endswith(SEGMENTATION_SUFFIX):
        return read_segmentation(path)
    return Segmentation(_whole_numbers(path, frame), LabelTable(()))


def read_labelmap(path: Path) -> LabelMap:
    """Whole numbers of any image format, or the label values of a .seg.nrrd, as uint8, uint16, int16 or int32.

    Raises InputError as `read_image`, for values that are not whole numbers, several channels, and segments that overlap.
    """
    return read_labels(path).labelmap


def _whole_numbers(path: Path, frame: int | None) -> LabelMap:
    stored = _stored(path, None)
    image = _image(stored, _frame_number(stored, frame if stored.frames > 1 else None, path), path)
    if image.channels > 1:
        raise InputError(f"{path} has {image.channels} values a voxel; a label map has one.")
    array = image.array[0]
    if not np.issubdtype(array.dtype, np.integer):
        if (array != np.rint(array)).any() or np.abs(array).max() > np.iinfo(np.int32).max:
            raise InputError(f"{path} is no label map: it holds values that are not whole numbers, or very large ones.")
        array = array.astype(np.int64)
    return LabelMap(_compact(array, path), image.geometry, image.name)


def write_image(image: Image, path: Path) -> None:
    """Write an image to a file whose suffix is one of LABEL_SUFFIXES; whole or not at all.

    NIfTI keeps positions in 32 bit. Raises OutputError where that is not possible.
    """
    array = image.array
    if array.dtype == np.uint8 and image.channels > 1:
        array = array.astype(np.int16)  # bytes with several channels would be taken for colours
    if array.dtype in (np.float16, np.bool_):
        array = array.astype(np.float32 if array.dtype == np.float16 else np.uint8)
    _write(array[0] if image.channels == 1 else np.moveaxis(array, 0, -1), image.geometry, path)


def write_labelmap(labelmap: LabelMap, path: Path) -> None:
    """Write the values of a label map to a file whose suffix is one of LABEL_SUFFIXES; whole or not at all.

    Raises OutputError where that is not possible.
    """
    _write(_compact(labelmap.array, path), labelmap.geometry, path)


def name_of(path: Path) -> str:
    """What a person calls the image: the name of the file without its suffixes, or of the folder."""
    name = path.resolve().name
    suffix = suffix_of(path, (SEGMENTATION_SUFFIX, *IMAGE_SUFFIXES, ".dcm", ".ima"))
    return name[: -len(suffix)] if suffix and path.is_file() else name


def suffix_of(path: Path, suffixes: tuple[str, ...]) -> str:
    """Which of `suffixes` the name ends in, in lower case; empty if in none."""
    return next((suffix for suffix in suffixes if path.name.lower().endswith(suffix)), "")


def _stored(path: Path, series: str | None) -> StoredImage:
    try:
        stored = _read(path, series)
    except OSError as reason:
        raise InputError(f"{path} cannot be read: {reason.strerror or reason}.") from reason
    except InputError as reason:
        # Geometry does not know whose it is.
        raise reason if str(path) in str(reason) else InputError(f"{path}: {reason}") from reason
    if stored.array.dtype == np.uint8 and stored.channels in (3, 4):
        raise InputError(f"{path} is a colour image; give the grey values that the scanner made.")
    _check_plausible(stored.geometry, path)
    return stored


def _read(path: Path, series: str | None) -> StoredImage:
    check_present(path)
    if path.is_dir():
        return read_dicom(path, series)
    if suffix := suffix_of(path, IMAGE_SUFFIXES):
        return _READERS[suffix](path)
    if is_dicom(path):
        return read_dicom(path, series)
    known = ", ".join(IMAGE_SUFFIXES)
    raise InputError(f"{path} is of no known kind; give {known}, a DICOM file or a folder of DICOM files.")


def _check_plausible(geometry: Geometry, path: Path) -> None:
    largest_side = max(np.multiply(geometry.size, geometry.spacing))
    if max(geometry.spacing) <= _LARGEST_VOXEL_MM and largest_side >= _SMALLEST_VOLUME_MM:
        return
    size, unit = ("small", "metres") if largest_side < _SMALLEST_VOLUME_MM else ("large", "micrometres")
    spacing = " × ".join(f"{edge:.4g}" for edge in geometry.spacing)
    raise InputError(f"{path} has voxels of {spacing} mm, too {size} for a patient: are these {unit}? Correct the header.")


def _frame_number(stored: StoredImage, frame: int | None, path: Path) -> int:
    if frame is not None and 0 <= frame < stored.frames:
        return frame
    if frame is None and stored.frames == 1:
        return 0
    times = [f" ({time:g} ms)" for time in stored.frame_times_ms] or [""] * stored.frames
    listed = ", ".join(f"{number}{time}" for number, time in enumerate(times))
    if frame is None:
        raise InputError(f"{path} holds {stored.frames} frames: choose one with --frame, or all. There are {listed}.")
    raise InputError(f"{path} has no frame {frame}. There are {listed}.")


def _image(stored: StoredImage, frame: int, path: Path) -> Image:
    array = stored.array[frame]
    if array.dtype.kind in "iu" and array.dtype.itemsize > 4:
        limits = np.iinfo(np.int32)
        fits = limits.min <= array.min() and array.max() <= limits.max
        array = array.astype(np.int32 if fits else np.float32)
    elif array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            array = array.astype(np.float32, copy=False)
        if wrong := int(array.size - np.isfinite(array).sum()):
            raise InputError(f"{path} has {wrong} values that are NaN, infinite or too large: repair it first.")
    return Image(np.ascontiguousarray(array), stored.geometry, name_of(path))


def _compact(array: np.ndarray, path: Path) -> np.ndarray:
    """The same whole numbers in the first of uint8, int16, uint16 and int32 that holds them."""
    lowest, highest = int(array.min()), int(array.max())
    for dtype in (np.uint8, np.int16, np.uint16, np.int32):
        if np.iinfo(dtype).min <= lowest and highest <= np.iinfo(dtype).max:
            return array.astype(dtype, copy=False)
    raise InputError(f"{path}: label values from {lowest} to {highest} are too large.")


def _write(array: np.ndarray, geometry: Geometry, path: Path) -> None:
    suffix = suffix_of(path, LABEL_SUFFIXES)
    if not suffix or path.name.lower().endswith(SEGMENTATION_SUFFIX):
        raise OutputError(f"{path} cannot be written: its name must end in {', '.join(LABEL_SUFFIXES)}.")
    with written_beside(path) as beside:
        write_with_itk(image_from(array, geometry), beside)
