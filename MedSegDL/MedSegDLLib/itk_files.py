"""NRRD, MetaImage and single DICOM files through ITK, with ITK's habits caught.

ITK and the libraries inside it print warnings to the process's stderr and put C++ source lines into their exceptions;
neither reaches the user. What they print is kept, because it is sometimes the only sign that reading failed.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.nifti import read_nifti
from MedSegDLLib.stored_image import StoredImage

NRRD, METAIMAGE, DICOM = "NrrdImageIO", "MetaImageIO", "GDCMImageIO"
_KINDS = {NRRD: "NRRD", METAIMAGE: "MetaImage", DICOM: "DICOM"}
_HEADER_BYTES = 1 << 20


def read_with_itk(path: Path, image_io: str) -> tuple[sitk.Image, dict[str, str]]:
    """The image in the file `path` and its metadata, read by the ITK class `image_io`.

    Raises InputError with a sentence where ITK throws, or prints that it failed.
    """
    reader = _reader(path, image_io)
    with _itk_silenced() as printed:
        try:
            image = reader.Execute()
        except RuntimeError as reason:
            raise InputError(_sentence(path, image_io, str(reason))) from reason
        printed.seek(0)
        if b"failed" in printed.read():  # all that MetaImage does about a damaged compressed block
            raise InputError(_sentence(path, image_io, ""))
    return image, _metadata(reader)


def read_metadata(path: Path, image_io: str) -> dict[str, str] | None:
    """The metadata of a file without its voxels; None if ITK's class `image_io` cannot read it."""
    reader = _reader(path, image_io)
    with _itk_silenced():
        try:
            reader.ReadImageInformation()
        except RuntimeError:
            return None
    return _metadata(reader)


def write_with_itk(image: sitk.Image, path: Path) -> None:
    """Write `image` compressed, by the suffix of `path`; raises OSError, whatever the reason, with nothing printed.

    The file is read again, because ITK may not notice that the disk is full.
    """
    try:
        with _itk_silenced():
            sitk.WriteImage(image, str(path), useCompression=True)
        if ".nii" in path.suffixes:
            read_nifti(path)
        else:
            read_with_itk(path, NRRD if path.suffix == ".nrrd" else METAIMAGE)
    except (RuntimeError, InputError) as reason:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from reason


def read_nrrd(path: Path) -> StoredImage:
    """The frames and channels of an NRRD file; an axis of kind "list" is taken for time, as in Slicer's sequences."""
    fields = _nrrd_fields(path)
    spacing = _nrrd_spacing(fields)
    _check_spacing(path, spacing)
    image, metadata = read_with_itk(path, NRRD)
    array, geometry = array_and_geometry(image, path)
    if metadata.get("NRRD_kinds[pixel]") == "list":
        return StoredImage("NRRD", array.swapaxes(0, 1), geometry, _nrrd_times(fields, metadata), warnings=_no_spacing(spacing))
    return StoredImage("NRRD", array, geometry, warnings=_no_spacing(spacing))


def read_metaimage(path: Path) -> StoredImage:
    """The frames and channels of a MetaImage file."""
    fields = _metaimage_fields(path)
    if fields.get("NDims") not in ("2", "3", "4"):  # others crash the process inside ITK
        raise InputError(_sentence(path, METAIMAGE, ""))
    spacing = _numbers(fields.get("ElementSpacing") or fields.get("ElementSize") or "")
    _check_spacing(path, spacing)
    image, _ = read_with_itk(path, METAIMAGE)
    array, geometry = array_and_geometry(image, path)
    return StoredImage("MetaImage", array, geometry, warnings=_no_spacing(spacing))


def array_and_geometry(image: sitk.Image, path: Path) -> tuple[np.ndarray, Geometry]:
    """Values (T, C, Z, Y, X) and grid of an ITK image; InputError for what is no volume of real numbers."""
    if image.GetDimension() not in (3, 4):
        what = "is a picture without a third dimension" if image.GetDimension() == 2 else "has more than four dimensions"
        raise InputError(f"{path} {what}; give a volume, of one slice if need be, or a volume over time.")
    array = sitk.GetArrayFromImage(image)
    if np.iscomplexobj(array):
        raise InputError(f"{path} holds complex values; save their magnitude and give that.")
    if image.GetDimension() == 3:
        array = array[np.newaxis]
    array = array[:, np.newaxis] if image.GetNumberOfComponentsPerPixel() == 1 else np.moveaxis(array, -1, 1)
    direction = np.array(image.GetDirection()).reshape(image.GetDimension(), -1)[:3, :3]
    geometry = Geometry(image.GetSize()[:3], image.GetSpacing()[:3], image.GetOrigin()[:3], tuple(direction.ravel()))
    return array, geometry


def image_from(array: np.ndarray, geometry: Geometry) -> sitk.Image:
    """An ITK image of an array (Z, Y, X), or (Z, Y, X, C) for several values a voxel, on `geometry`."""
    image = sitk.GetImageFromArray(array, isVector=array.ndim == 4)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    return image


def _check_spacing(path: Path, spacing: list[float]) -> None:
    if not all(0 < value < np.inf for value in spacing):
        text = " × ".join(f"{value:g}" for value in spacing)
        raise InputError(f"{path} gives voxels of {text} mm: correct the header's spacing.")


def _no_spacing(spacing: list[float]) -> tuple[str, ...]:
    return () if spacing else ("The header gives no voxel size; 1 mm is taken.",)


def _nrrd_fields(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        header = re.split(rb"\r?\n\r?\n", file.read(_HEADER_BYTES), maxsplit=1)[0]
    return dict(re.findall(r"^([\w ]+): *(.*?)\s*$", header.decode("utf-8", "replace"), re.MULTILINE))


def _metaimage_fields(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES).partition(b"ElementDataFile")[0]
    return dict(re.findall(r"^(\w+) *= *(.*?)\s*$", header.decode("utf-8", "replace"), re.MULTILINE))


def _nrrd_spacing(fields: dict[str, str]) -> list[float]:
    """Voxel edges along the axes of space; empty if the header has none."""
    if "space directions" in fields:
        vectors = [_numbers(text) for text in re.findall(r"\(([^)]*)\)", fields["space directions"])]
        return [float(np.linalg.norm(vector)) for vector in vectors]
    spacing = _numbers(fields.get("spacings", ""))
    kinds = fields.get("kinds", "").split() or ["domain"] * len(spacing)
    return [value for value, kind in zip(spacing, kinds, strict=False) if kind in ("domain", "space", "time")]


def _nrrd_times(fields: dict[str, str], metadata: dict[str, str]) -> tuple[float, ...]:
    """Times in ms of a Slicer sequence, if its axis says that it is one of time."""
    unit = {"s": 1000.0, "ms": 1.0}.get(next(iter(re.findall(r'"([^"]*)"', fields.get("units", ""))), ""))
    return tuple(unit * value for value in _numbers(metadata.get("axis 0 index values", ""))) if unit else ()


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in re.split(r"[\s,]+", text.strip()) if part]
    except ValueError:
        return [float("nan")]


def _reader(path: Path, image_io: str) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetImageIO(image_io)
    reader.SetFileName(str(path))
    return reader


def _metadata(reader: sitk.ImageFileReader) -> dict[str, str]:
    # SimpleITK hands out bytes that are no UTF-8 as lone surrogates, and does not find them again in a key.
    keys = [key for key in reader.GetMetaDataKeys() if key.isprintable()]
    return {key: _legible(reader.GetMetaData(key)) for key in keys}


def _legible(text: str) -> str:
    """The text itself, or read as Latin-1 (old DICOM files, old Slicer) where it was no UTF-8."""
    content = text.encode("utf-8", "surrogateescape")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _sentence(path: Path, image_io: str, reason: str) -> str:
    if "direction" in reason:
        return f"{path} has axes that do not span a volume: correct the header's directions."
    if "number of domain axes" in reason:
        return f"{path} stores time as a fourth axis of space; save it as a Slicer sequence (.seq.nrrd) or as NIfTI."
    return f"{path} cannot be read as {_KINDS[image_io]}: it is damaged, cut short, or not what its name says."


@contextmanager
def _itk_silenced() -> Iterator[BinaryIO]:
    """What ITK and its C libraries would print to stderr meanwhile goes into a file, which is the value."""
    warnings = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        with tempfile.TemporaryFile() as printed, _stderr_into(printed):
            yield printed
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(warnings)


@contextmanager
def _stderr_into(file: BinaryIO) -> Iterator[None]:
    try:
        stderr = os.dup(2)
    except OSError:  # a program with windows only may have no stderr
        yield
        return
    try:
        os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
