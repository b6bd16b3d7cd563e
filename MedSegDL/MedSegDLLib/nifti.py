"""Reading NIfTI-1 and NIfTI-2 files (.nii, .nii.gz).

Not through ITK, which fills truncated files with zeros, reads NaN as 0, replaces a spacing of 0 or NaN by 1, refuses
an sform that is off by rounding and uses one with other voxel sizes in part. Where a header holds two different
positions, the choice is ITK's, so that images lie in Slicer where they lie here.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.stored_image import StoredImage

# Name: (type, byte), only of the fields that say what the values are and where they lie.
_NIFTI_1 = np.dtype(
    {
        "size": ("i4", 0),
        "dim": ("8i2", 40),
        "datatype": ("i2", 70),
        "pixdim": ("8f4", 76),
        "vox_offset": ("f4", 108),
        "slope": ("f4", 112),
        "inter": ("f4", 116),
        "units": ("u1", 123),
        "qform_code": ("i2", 252),
        "sform_code": ("i2", 254),
        "quatern": ("3f4", 256),
        "qoffset": ("3f4", 268),
        "srow": ("(3,4)f4", 280),
        "magic": ("S4", 344),
    }
)
_NIFTI_2 = np.dtype(
    {
        "size": ("i4", 0),
        "magic": ("S8", 4),
        "datatype": ("i2", 12),
        "dim": ("8i8", 16),
        "pixdim": ("8f8", 104),
        "vox_offset": ("i8", 168),
        "slope": ("f8", 176),
        "inter": ("f8", 184),
        "qform_code": ("i4", 344),
        "sform_code": ("i4", 348),
        "quatern": ("3f8", 352),
        "qoffset": ("3f8", 376),
        "srow": ("(3,4)f8", 400),
        "units": ("i4", 500),
        "unused": ("S15", 525),
    }
)
_VALUE_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_COLOUR = (128, 2304)
_MILLIMETRES = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_MILLISECONDS = {8: 1000.0, 16: 1.0, 24: 0.001}
_SCANNER_POSITION = 1
# How far the nearest orthogonal grid may lie from the header's corners, as a share of the smallest voxel edge.
_SHEAR_TOLERANCE = 0.1


def read_nifti(path: Path) -> StoredImage:
    """The frames and channels of a NIfTI file, values scaled as its header says.

    Raises InputError for what is no NIfTI file, damaged or cut short, for pictures without a third dimension, colour or
    complex values, and for headers that describe no orthogonal grid in space.
    """
    try:
        with _opened(path) as file, np.errstate(invalid="ignore", over="ignore"):  # looked for below, and by the caller
            header = _header(file, path)
            array = _voxels(file, header, path)
            geometry, warnings = _geometry(header, array.shape[:-4:-1], path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as reason:
        raise InputError(f"{path} is damaged or cut short: get a complete copy of it.") from reason
    return StoredImage("NIfTI", array, geometry, _frame_times(header, len(array)), warnings=warnings)


def _opened(path: Path) -> BinaryIO:
    # By content and not by suffix: .nii.gz files that are not compressed, and the other way round, are about.
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if compressed else path.open("rb")


def _header(file: BinaryIO, path: Path) -> np.void:
    raw = file.read(_NIFTI_2.itemsize)
    for layout, magic in ((_NIFTI_1, b"n+1"), (_NIFTI_2, b"n+2")):
        for order in "<>":
            dtype = layout.newbyteorder(order)
            if len(raw) >= dtype.itemsize and (header := np.frombuffer(raw, dtype, 1)[0])["size"] == dtype.itemsize:
                if not header["magic"].startswith(magic):
                    break
                return header
    raise InputError(f"{path} is not a NIfTI file (.nii or .nii.gz), whatever its name says, or it is cut short.")


def _voxels(file: BinaryIO, header: np.void, path: Path) -> np.ndarray:
    shape, dtype = _shape(header, path), _value_type(header, path)
    count = int(np.prod(shape, dtype=object)) * dtype.itemsize
    # Deflate packs no tighter than 1:1032; asking for more would only waste memory before it fails.
    if count > 1032 * path.stat().st_size:
        raise EOFError
    offset = float(header["vox_offset"])
    if not 0 <= offset < 2**40:
        raise InputError(f"{path} has a damaged header: its voxels begin at byte {offset:g}.")
    file.seek(max(int(offset), header.dtype.itemsize))
    data = bytearray(file.read(count))
    if len(data) < count:
        raise EOFError
    file.read()  # to the end, where gzip compares its checksum
    array = np.frombuffer(data, dtype).astype(dtype.newbyteorder("="), copy=False).reshape(shape).swapaxes(0, 1)
    slope, inter = float(header["slope"]), float(header["inter"])
    if slope == 0 or not np.isfinite([slope, inter]).all() or (slope, inter) == (1, 0):
        return array
    return (array * slope + inter).astype(np.float32)


def _shape(header: np.void, path: Path) -> tuple[int, ...]:
    """Array shape in the file's order: (C, T, Z, Y, X)."""
    dimensions = int(header["dim"][0])
    sizes = [int(n) for n in header["dim"][1 : dimensions + 1]]
    if not 1 <= dimensions <= 7 or min(sizes) < 1:
        raise InputError(f"{path} has a damaged header: its sizes are {sizes}.")
    if dimensions < 3:
        raise InputError(f"{path} is a picture without a third dimension; give a volume, of one slice if need be.")
    if max(sizes[5:], default=1) > 1:
        raise InputError(f"{path} has {dimensions} dimensions; give a volume (3), or a volume over time (4).")
    sizes += [1] * (5 - len(sizes))
    return tuple(sizes[4::-1])


def _value_type(header: np.void, path: Path) -> np.dtype:
    code = int(header["datatype"])
    if code in _COLOUR:
        raise InputError(f"{path} is a colour image; give the grey values that the scanner made.")
    if code not in _VALUE_TYPES:
        raise InputError(f"{path} holds complex or unusual values (NIfTI type {code}); save it with real numbers.")
    return np.dtype(_VALUE_TYPES[code]).newbyteorder(header.dtype["size"].byteorder)


def _frame_times(header: np.void, frames: int) -> tuple[float, ...]:
    unit = _MILLISECONDS.get(int(header["units"]) & 0x38)
    step = float(header["pixdim"][4])
    if frames == 1 or unit is None or not 0 < step < np.inf:
        return ()
    return tuple(round(frame * step * unit, 3) for frame in range(frames))


def _geometry(header: np.void, size: tuple[int, int, int], path: Path) -> tuple[Geometry, tuple[str, ...]]:
    units = int(header["units"]) & 0x07
    scale = _MILLIMETRES.get(units, 1.0)
    spacing = header["pixdim"][1:4].astype(float) * scale
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise InputError(f"{path} gives voxels of {_text(spacing)} mm: correct the header's spacing (pixdim).")
    affine, warnings = _affine_ijk_to_ras(header, size, path)
    affine[:3] *= scale
    norms = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(norms, spacing, rtol=0.01):
        warnings += (f"The header gives two voxel sizes, {_text(spacing)} mm (pixdim, used) and {_text(norms)} mm (sform).",)
    if (shear := _shear(affine[:3, :3], size)) > _SHEAR_TOLERANCE:
        raise InputError(
            f"{path} has axes that are not perpendicular (by up to {shear:.2g} voxels): "
            "resample it onto an orthogonal grid first."
        )
    lps = np.diag([-1.0, -1.0, 1.0])
    axes, origin = lps @ _nearest_rotation(affine[:3, :3]), lps @ affine[:3, 3]
    return Geometry(size, tuple(spacing), tuple(origin), tuple(axes.ravel())), warnings


def _affine_ijk_to_ras(header: np.void, size: tuple[int, int, int], path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The transform that ITK would choose, in the header's unit of length."""
    sform, qform = np.vstack([header["srow"].astype(float), [0, 0, 0, 1]]), _qform(header)
    has_sform, has_qform = header["sform_code"] > 0, header["qform_code"] > 0
    if not has_sform and not has_qform:
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.diag([*header["pixdim"][1:4].astype(float), 1.0])
        return affine, ("The header does not say where in the patient the image lies; its axes are taken for LPS.",)
    has_sform = has_sform and np.isfinite(sform).all() and np.linalg.norm(sform[:3, :3], axis=0).all()
    has_qform = has_qform and np.isfinite(qform).all()
    if not has_sform and not has_qform:
        raise InputError(f"{path} has an sform or qform that describes no volume: correct the header.")
    if not (has_sform and has_qform):
        return (sform if has_sform else qform), ()
    apart = _apart(sform, qform, size)
    agree = apart <= 0.5 * np.linalg.norm(sform[:3, :3], axis=0).min()
    warnings = () if agree else (f"The header gives two positions, sform and qform, which are up to {apart:.3g} apart.",)
    sheared = _shear(sform[:3, :3], size) > _SHEAR_TOLERANCE
    return (sform if header["sform_code"] == _SCANNER_POSITION and not sheared else qform), warnings


def _qform(header: np.void) -> np.ndarray:
    """Method 2 of the NIfTI standard: a unit quaternion (a, b, c, d), the offset and qfac = pixdim[0] = ±1."""
    a, b, c, d = _quaternion(*(float(part) for part in header["quatern"]))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    qfac = -1.0 if header["pixdim"][0] < 0 else 1.0
    affine = np.eye(4)
    affine[:3, :3] = rotation * header["pixdim"][1:4] * (1, 1, qfac)
    affine[:3, 3] = header["qoffset"]
    return affine


def _quaternion(b: float, c: float, d: float) -> tuple[float, float, float, float]:
    rest = 1.0 - b * b - c * c - d * d
    if rest > 1e-7:
        return math.sqrt(rest), b, c, d
    # A half turn: what is left of a is only the rounding of the others to 32 bit.
    length = math.sqrt(b * b + c * c + d * d)
    return 0.0, b / length, c / length, d / length


def _nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """The perpendicular unit vectors nearest to the columns of a (3, 3) matrix."""
    left, _, right = np.linalg.svd(matrix / np.linalg.norm(matrix, axis=0))
    return left @ right


def _shear(matrix: np.ndarray, size: tuple[int, int, int]) -> float:
    """How far the corner voxels move when the grid is made orthogonal, as a share of the smallest voxel edge."""
    spacing = np.linalg.norm(matrix, axis=0)
    return _apart(matrix, _nearest_rotation(matrix) * spacing, size) / spacing.min()


def _apart(first: np.ndarray, second: np.ndarray, size: tuple[int, int, int]) -> float:
    """Largest distance between the corner voxels of two affine grids, given as (3, 3) or (4, 4) matrices."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in size], [1.0])).reshape(4, -1)[: len(first)]
    return float(np.linalg.norm((first - second)[:3] @ corners, axis=0).max())


def _text(values: np.ndarray) -> str:
    return " × ".join(f"{value:.4g}" for value in values)
