"""Small image files for the tests of reading them, some with headers that were tampered with."""

import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedSegDLLib.files import LABEL_SUFFIXES, write_image
from MedSegDLLib.image import Image
from Testing.engine.grids import GRIDS

GRID = GRIDS["oblique, left-handed"]
ALL_SUFFIXES = pytest.mark.parametrize("suffix", LABEL_SUFFIXES)

# Bytes of the NIfTI-1 header.
PIXDIM, UNITS, QFORM_CODE, SFORM_CODE, SROW = 76, 123, 252, 254, 280


def an_array(dtype=np.int16) -> np.ndarray:
    """Values from 0 to 119 as (1, 5, 6, 7) = (C, Z, Y, X)."""
    return np.random.default_rng(0).integers(0, 120, (1, 5, 6, 7)).astype(dtype)


def nifti(path: Path, *changes: tuple[int, str, tuple]) -> Path:
    """An uncompressed NIfTI file on GRID with some fields of its header changed: byte, struct format, values."""
    write_image(Image(an_array(), GRID), path)
    content = bytearray(path.read_bytes())
    for byte, kind, values in changes:
        struct.pack_into(f"<{kind}", content, byte, *values)
    path.write_bytes(content)
    return path


def with_header_text(path: Path, old: str, new: str) -> Path:
    """The file with the first `old` in it replaced by `new`."""
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode(), 1))
    return path


def itk_file(path: Path, array: np.ndarray, is_vector: bool = False, compressed: bool = False) -> Path:
    """An array (Z, Y, X) as SimpleITK writes it."""
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=is_vector), str(path), compressed)
    return path
