"""DICOM images: a folder with one or several series, or a single file; read by GDCM through SimpleITK."""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MedSegDLLib.dicom_slices import Slice, arranged, place_count
from MedSegDLLib.errors import InputError
from MedSegDLLib.itk_files import DICOM, read_metadata, read_with_itk
from MedSegDLLib.stored_image import SeriesDescription, StoredImage

_STUDY, _SERIES, _DESCRIPTION, _FRAME_OF_REFERENCE = "0020|000d", "0020|000e", "0008|103e", "0020|0052"
_INSTANCE_UID, _MODALITY = "0008|0018", "0008|0060"
_POSITION, _ORIENTATION, _PIXEL_SPACING, _THICKNESS = "0020|0032", "0020|0037", "0028|0030", "0018|0050"
_ROWS, _COLUMNS, _FRAMES = "0028|0010", "0028|0011", "0028|0008"
_TRIGGER_TIME, _TRIGGER_DELAY = "0018|1060", "0020|9153"
# Temporal position, trigger time, acquisition number, instance number.
_ORDER = ("0020|0100", _TRIGGER_TIME, "0020|0012", "0020|0013")
_INTERCEPT, _SLOPE = "0028|1052", "0028|1053"

_NOT_FROM_A_SCANNER = ("SEG", "RTDOSE", "RTSTRUCT", "RTPLAN", "SR", "PR", "KO", "DOC", "REG")
# SOP classes without pixels, which GDCM cannot read as images and which lie in the folders of studies all the same:
# DICOMDIR, presentation states, raw data, reports, waveforms, documents, radiotherapy plans.
_WITHOUT_PIXELS = tuple(
    f"1.2.840.10008.{end}" for end in ("1.3.10", *(f"5.1.4.1.1.{n}" for n in ("11.", "66", "88.", "9.", "104.", "481.")))
)


@dataclass(frozen=True)
class _Series:
    """Slices that belong together, and the UIDs that they were filed under."""

    uids: tuple[str, ...]
    description: str
    modality: str
    slices: tuple[Slice, ...]

    def __str__(self) -> str:
        return f"{self.uids[0]} ({self.description or 'no description'}, {len(self.slices)} images)"


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do: 128 bytes of anything, then DICM. Raises InputError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError as reason:
        raise InputError(f"{path} cannot be read: {reason.strerror}.") from reason


def read_dicom(path: Path, series: str | None = None) -> StoredImage:
    """The frames of a DICOM series, rescaled as the files say; MONOCHROME1 is inverted so that bright is high.

    `path` is a file or a folder, searched with its subfolders; `series` a series' UID or description, needed where there
    are several. Images at one position are frames, in order of temporal position, trigger time, acquisition or instance
    number. Series that hold one position each and are otherwise alike (so do some scanners with short-axis cine) are
    one stack. Raises InputError where there is no series, or several to choose from, for damaged files, colour, and
    slices that make no regular grid.
    """
    everything = _all_series(path)
    chosen = _chosen(everything, series, path)
    try:
        frames, geometry, times = arranged(list(chosen.slices))
    except InputError as reason:
        raise InputError(f"{path}: {reason}") from reason
    pixels = {file: _pixels(file) for file in {one.file for one in chosen.slices}}
    array = np.stack([[pixels[one.file][one.index] for one in frame] for frame in frames])[:, np.newaxis]
    return StoredImage("DICOM", array, geometry, times, _listed(everything), _warnings(chosen))


def series_of(path: Path) -> tuple[SeriesDescription, ...]:
    """The series of images in a file or folder, without reading their pixels; raises InputError where there is none."""
    return _listed(_all_series(path))


def largest_series(path: Path) -> str:
    """The UID of the series with most images."""
    return max(_all_series(path), key=lambda one: len(one.slices)).uids[0]


def _listed(everything: list[_Series]) -> tuple[SeriesDescription, ...]:
    return tuple(SeriesDescription(one.uids[0], one.description, len(one.slices), one.modality) for one in everything)


def _chosen(everything: list[_Series], series: str | None, path: Path) -> _Series:
    fitting = [one for one in everything if series is None or series in one.uids or series == one.description]
    if len(fitting) == 1:
        return fitting[0]
    listed = "; ".join(map(str, fitting or everything))
    if not fitting:
        raise InputError(f"{path} holds no DICOM series {series}; there is {listed}.")
    raise InputError(f"{path} holds {len(fitting)} DICOM series; choose one with --series and its UID: {listed}.")


def _warnings(chosen: _Series) -> tuple[str, ...]:
    warnings = ()
    if len(chosen.uids) > 1:
        warnings += (f"{len(chosen.uids)} series of one slice position each were put together into one stack.",)
    if len(chosen.slices) == 1 and chosen.slices[0].thickness is None:
        warnings += ("The file does not tell the slice thickness; 1 mm is taken.",)
    return warnings


def _all_series(path: Path) -> list[_Series]:
    """Every series of images, stacks of single positions put together, in the order of their files."""
    found = {}
    for file, metadata in _images(path):
        found.setdefault(_text(metadata, _INSTANCE_UID) or str(file), (file, metadata))
    filed = defaultdict(list)
    for file, metadata in found.values():
        filed[_text(metadata, _SERIES)].append((file, metadata))
    stacks = defaultdict(list)
    for uid, files in filed.items():
        slices = tuple(one for file, metadata in files for one in _slices(file, metadata))
        first = files[0][1]
        single = _Series((uid,), _text(first, _DESCRIPTION), _text(first, _MODALITY), slices)
        stacks[_stack_key(single, first)].append(single)
    return [one for alike in stacks.values() for one in _joined(alike)]


def _stack_key(series: _Series, metadata: dict[str, str]) -> tuple:
    """Equal for series of one slice position each that may be one stack."""
    if place_count(list(series.slices)) > 1:
        return series.uids
    first = series.slices[0]
    named = tuple(_text(metadata, tag) for tag in (_STUDY, _FRAME_OF_REFERENCE, _DESCRIPTION))
    return (*named, tuple(np.round(first.orientation, 3)), first.spacing, first.size)


def _joined(alike: list[_Series]) -> list[_Series]:
    slices = tuple(one for series in alike for one in series.slices)
    if len(alike) == 1 or place_count(list(slices)) < len(alike):
        return alike
    return [_Series(tuple(series.uids[0] for series in alike), alike[0].description, alike[0].modality, slices)]


def _images(path: Path) -> list[tuple[Path, dict[str, str]]]:
    """The DICOM images of a folder with their metadata; what else lies there is left out, but damaged images are named."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    files = [file for file in files if is_dicom(file)]
    read = [(file, read_metadata(file, DICOM)) for file in files]
    damaged = [file.name for file, metadata in read if metadata is None and _should_have_pixels(file)]
    if damaged:
        listed = ", ".join(damaged[:5]) + (" and more" if len(damaged) > 5 else "")
        raise InputError(f"{path} holds DICOM images that are damaged or cut short: {listed}. Get complete copies of them.")
    images = [(file, data) for file, data in read if data and _text(data, _MODALITY) not in _NOT_FROM_A_SCANNER]
    if not images:
        raise InputError(f"{path} holds no DICOM image; give the folder or file that a scanner or PACS has written.")
    return images


def _should_have_pixels(file: Path) -> bool:
    with file.open("rb") as opened:
        uid = next(iter(_elements(opened.read(4096), "0002|0002", b"UI")), b"").decode("ascii", "replace")
    return not uid.startswith(_WITHOUT_PIXELS)


def _slices(file: Path, metadata: dict[str, str]) -> list[Slice]:
    frames = int(_numbers(metadata, _FRAMES)[0]) if _numbers(metadata, _FRAMES) else 1
    if frames > 1 or _POSITION not in metadata:
        return _enhanced_slices(file, metadata, frames)
    position, orientation = _numbers(metadata, _POSITION), _numbers(metadata, _ORIENTATION)
    spacing = _numbers(metadata, _PIXEL_SPACING)
    if (len(position), len(orientation), len(spacing)) != (3, 6, 2):
        raise InputError(_without_geometry(file))
    order = tuple((_numbers(metadata, tag) or [math.nan])[0] for tag in _ORDER)
    time_ms = order[_ORDER.index(_TRIGGER_TIME)]
    thickness = (_numbers(metadata, _THICKNESS) or [None])[0]
    grid = (tuple(position), tuple(orientation), tuple(spacing[::-1]), _size(metadata))
    return [Slice(file, 0, *grid, thickness, order, time_ms)]


def _enhanced_slices(file: Path, metadata: dict[str, str], frames: int) -> list[Slice]:
    """The frames of an enhanced multi-frame file.

    SimpleITK does not show the sequences that tell where its frames lie, so their elements are looked up in the
    file's bytes, and only believed if there is one for each frame, or one for all.
    """
    data = file.read_bytes()
    tags = (_POSITION, _ORIENTATION, _PIXEL_SPACING, _SLOPE, _INTERCEPT)
    position, orientation, spacing, *scaling = ([_floats(value) for value in _elements(data, tag, b"DS")] for tag in tags)
    counts = len(position) == frames and len(orientation) in (1, frames) and len(spacing) in (1, frames)
    lengths = [{len(value) for value in values} for values in (position, orientation, spacing)]
    if not counts or lengths != [{3}, {6}, {2}]:
        raise InputError(_without_geometry(file))
    if any(values.count(values[0]) < len(values) for values in scaling if values):
        raise InputError(f"{file} scales its frames differently, which cannot be read: convert it with dcm2niix first.")
    delays = [struct.unpack("<d", value)[0] for value in _elements(data, _TRIGGER_DELAY, b"FD")]
    times = delays if len(delays) == frames else [math.nan] * frames
    thickness = next((number for value in _elements(data, _THICKNESS, b"DS") for number in _floats(value)), None)
    slices = []
    for n in range(frames):
        plane = (tuple(position[n]), tuple(orientation[n % len(orientation)]), tuple(spacing[n % len(spacing)][::-1]))
        slices.append(Slice(file, n, *plane, _size(metadata), thickness, (times[n], n), times[n]))
    return slices


def _without_geometry(file: Path) -> str:
    return f"{file} does not tell where in the patient its pixels lie and how large they are; give slices of a scanner."


def _pixels(file: Path) -> np.ndarray:
    """Values of the frames of a file, (frames, rows, columns); ITK rescales them and inverts MONOCHROME1."""
    image, _ = read_with_itk(file, DICOM)
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise InputError(f"{file} is a colour image; give the grey values that the scanner made.")
    array = sitk.GetArrayFromImage(image)
    return array.reshape(-1, *array.shape[-2:])


def _elements(data: bytes, tag: str, representation: bytes) -> list[bytes]:
    """Values of all elements of a tag in the bytes of an explicit little-endian file, whatever sequence holds them."""
    group, element = (int(part, 16) for part in tag.split("|"))
    mark, values = struct.pack("<HH", group, element) + representation, []
    at = data.find(mark)
    while at >= 0:
        (length,) = struct.unpack_from("<H", data, at + 6)
        values.append(data[at + 8 : at + 8 + length])
        at = data.find(mark, at + 8)
    return values


def _text(metadata: dict[str, str], tag: str) -> str:
    return metadata.get(tag, "").strip(" \0")


def _size(metadata: dict[str, str]) -> tuple[int, int]:
    return int(metadata[_COLUMNS]), int(metadata[_ROWS])


def _numbers(metadata: dict[str, str], tag: str) -> list[float]:
    return _floats(_text(metadata, tag).encode())


def _floats(value: bytes) -> list[float]:
    """Numbers of a decimal string; none if it is not one."""
    try:
        return [float(part) for part in value.strip(b" \0").split(b"\\") if part.strip()]
    except ValueError:
        return []
