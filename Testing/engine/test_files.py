"""NIfTI, NRRD and MetaImage there and back, against SimpleITK and pynrrd, and every kind of file that must be refused."""

import contextlib
import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from MedSegDLLib.errors import InputError, OutputError
from MedSegDLLib.files import (
    LABEL_SUFFIXES,
    describe,
    name_of,
    read_frames,
    read_image,
    read_labelmap,
    write_image,
    write_labelmap,
)
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from Testing.engine.grids import GRIDS

DATA = Path(__file__).parents[3] / "shared" / "data"
GRID = GRIDS["oblique, left-handed"]
ALL_GRIDS = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
ALL_SUFFIXES = pytest.mark.parametrize("suffix", LABEL_SUFFIXES)
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not here")

# Bytes of the NIfTI-1 header.
PIXDIM, UNITS, QFORM_CODE, SFORM_CODE, QOFFSET, SROW = 76, 123, 252, 254, 268, 280


def an_array(dtype=np.int16) -> np.ndarray:
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
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode(), 1))
    return path


def itk_file(path: Path, array: np.ndarray, is_vector: bool = False, compressed: bool = False) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=is_vector), str(path), compressed)
    return path


# There and back


@ALL_GRIDS
@ALL_SUFFIXES
def test_every_grid_survives_every_format(tmp_path, grid, suffix):
    path = tmp_path / f"scan{suffix}"
    write_image(Image(an_array(), grid), path)
    image = read_image(path)
    assert image.geometry.same_grid(grid, 1e-4)
    assert np.array_equal(image.array, an_array())
    assert image.name == "scan"


@ALL_SUFFIXES
def test_suffixes_in_capitals(tmp_path, suffix):
    path = tmp_path / f"scan{suffix.upper()}"
    write_image(Image(an_array(), GRID), path)
    assert np.array_equal(read_image(path).array, an_array())


@ALL_GRIDS
@ALL_SUFFIXES
def test_written_files_lie_where_simpleitk_sees_them(tmp_path, grid, suffix):
    path = tmp_path / f"scan{suffix}"
    write_labelmap(LabelMap(an_array()[0], grid), path)
    image = sitk.ReadImage(str(path))
    seen = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    assert seen.same_grid(grid, 1e-4)
    assert np.array_equal(sitk.GetArrayFromImage(image), an_array()[0])


@ALL_GRIDS
def test_nifti_by_qform_alone(tmp_path, grid):
    write_image(Image(an_array(), grid), tmp_path / "scan.nii")
    content = bytearray((tmp_path / "scan.nii").read_bytes())
    struct.pack_into("<h", content, SFORM_CODE, 0)
    struct.pack_into("<12f", content, SROW, *range(12))
    (tmp_path / "scan.nii").write_bytes(content)
    assert read_image(tmp_path / "scan.nii").geometry.same_grid(grid, 1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.float32])
@ALL_SUFFIXES
def test_value_types_are_kept(tmp_path, suffix, dtype):
    write_image(Image(an_array(dtype), GRID), tmp_path / f"scan{suffix}")
    array = read_image(tmp_path / f"scan{suffix}").array
    assert array.dtype == dtype
    assert np.array_equal(array, an_array())


@ALL_SUFFIXES
@pytest.mark.parametrize(
    ("dtype", "factor", "read"),
    [(np.float64, 0.3, np.float32), (np.int64, 1, np.int32), (np.int64, 2**40, np.float32), (np.uint64, 1, np.int32)],
)
def test_wide_value_types_are_narrowed(tmp_path, suffix, dtype, factor, read):
    array = an_array(dtype)[0] * dtype(factor)
    image = read_image(itk_file(tmp_path / f"scan{suffix}", array))
    assert image.array.dtype == read
    assert np.allclose(image.array[0], array, rtol=1e-6)


@ALL_SUFFIXES
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_channels_survive(tmp_path, suffix, dtype):
    array = np.concatenate([an_array(dtype), an_array(dtype) + 1, an_array(dtype) + 2])
    write_image(Image(array, GRID), tmp_path / f"scan{suffix}")
    assert np.array_equal(read_image(tmp_path / f"scan{suffix}").array, array)


@ALL_SUFFIXES
def test_one_slice_is_a_volume(tmp_path, suffix):
    grid = GRID.cropped((0, 0, 2), (7, 6, 1))
    write_image(Image(an_array()[:, 2:3], grid), tmp_path / f"scan{suffix}")
    assert read_image(tmp_path / f"scan{suffix}").geometry.same_grid(grid, 1e-4)


def test_nifti_2_and_big_endian_headers(tmp_path):
    plain = nifti(tmp_path / "one.nii")
    one, voxels = plain.read_bytes()[:348], plain.read_bytes()[352:]
    (code, bits), pixdim = struct.unpack_from("<2h", one, 70), struct.unpack_from("<8f", one, PIXDIM)
    quatern, srow = struct.unpack_from("<6f", one, 256), struct.unpack_from("<12f", one, SROW)
    two = bytearray(544)
    struct.pack_into(">i8s2h8q", two, 0, 540, b"n+2\0\r\n\x1a\n", code, bits, 3, 7, 6, 5, 1, 1, 1, 1)
    struct.pack_into(">8d", two, 104, *pixdim)
    struct.pack_into(">q2d", two, 168, 544, 1.0, 0.0)
    struct.pack_into(">2i6d12d", two, 344, 1, 1, *quatern, *srow)
    struct.pack_into(">i", two, 500, 2)
    path = tmp_path / "two.nii.gz"
    path.write_bytes(gzip.compress(bytes(two) + np.frombuffer(voxels, "<i2").astype(">i2").tobytes()))
    image = read_image(path)
    assert np.array_equal(image.array, an_array())
    assert image.geometry.same_grid(GRID, 1e-4)


def test_nifti_values_are_scaled(tmp_path):
    path = nifti(tmp_path / "scan.nii", (112, "2f", (0.5, -1024.0)))
    assert np.array_equal(read_image(path).array, an_array() * np.float32(0.5) - 1024)


def test_nifti_is_compressed_or_not_whatever_its_name_says(tmp_path):
    plain = nifti(tmp_path / "scan.nii").read_bytes()
    (tmp_path / "plain.nii.gz").write_bytes(plain)
    (tmp_path / "packed.nii").write_bytes(gzip.compress(plain))
    for name in ("plain.nii.gz", "packed.nii"):
        assert np.array_equal(read_image(tmp_path / name).array, an_array())


def test_nrrd_in_ras_space(tmp_path):
    header = {"space": "right-anterior-superior", "space directions": np.diag([2.0, 3, 4]), "space origin": [10, 20, 30]}
    nrrd.write(str(tmp_path / "scan.nrrd"), an_array()[0].transpose(2, 1, 0), header)
    assert read_image(tmp_path / "scan.nrrd").geometry == Geometry(
        (7, 6, 5), (2, 3, 4), (-10, -20, 30), (-1, 0, 0, 0, -1, 0, 0, 0, 1)
    )


def test_detached_headers_are_read(tmp_path):
    for name in ("scan.nhdr", "scan.mhd"):
        itk_file(tmp_path / name, an_array()[0])
        assert np.array_equal(read_image(tmp_path / name).array, an_array())


@pytest.mark.parametrize(
    ("name", "expected"), [("A b.1.NII.GZ", "A b.1"), ("x.seg.nrrd", "x"), ("x.y.nrrd", "x.y"), ("x.mha", "x"), ("x", "x")]
)
def test_names_without_suffixes(tmp_path, name, expected):
    (tmp_path / name).touch()
    assert name_of(tmp_path / name) == expected


def test_the_name_of_a_folder_keeps_its_dots(tmp_path):
    (tmp_path / "scans.2024.nii").mkdir()
    assert name_of(tmp_path / "scans.2024.nii") == "scans.2024.nii"


# Label maps


@ALL_SUFFIXES
@pytest.mark.parametrize(
    ("values", "dtype"),
    [((0, 255), np.uint8), ((0, 256), np.int16), ((-1, 5), np.int16), ((0, 65535), np.uint16), ((0, 70000), np.int32)],
)
def test_label_maps_take_the_narrowest_type(tmp_path, suffix, values, dtype):
    array = np.resize(np.array(values, np.int64), (5, 6, 7))
    write_labelmap(LabelMap(array, GRID), tmp_path / f"labels{suffix}")
    labelmap = read_labelmap(tmp_path / f"labels{suffix}")
    assert labelmap.array.dtype == dtype
    assert np.array_equal(labelmap.array, array)


def test_label_maps_in_floats_are_read_if_they_hold_whole_numbers(tmp_path):
    whole, broken = an_array(np.float64)[0], an_array(np.float64)[0]
    broken[0, 0, 0] = 1.5
    assert read_labelmap(itk_file(tmp_path / "whole.nii", whole)).array.dtype == np.uint8
    with pytest.raises(InputError, match=r"broken\.nii is no label map: it holds values that are not whole numbers"):
        read_labelmap(itk_file(tmp_path / "broken.nii", broken))


def test_label_maps_have_one_channel(tmp_path):
    write_image(Image(np.repeat(an_array(), 2, axis=0), GRID), tmp_path / "two.nrrd")
    with pytest.raises(InputError, match="has 2 values a voxel; a label map has one"):
        read_labelmap(tmp_path / "two.nrrd")


# Time


def cine(path: Path, milliseconds: float = 40.0) -> np.ndarray:
    array = np.stack([an_array()[0] + 100 * frame for frame in range(3)])
    image = sitk.GetImageFromArray(array, isVector=False)
    image.SetSpacing((1.5, 1.5, 8.0, milliseconds / 1000))
    sitk.WriteImage(image, str(path))
    return array


@ALL_SUFFIXES
def test_frames(tmp_path, suffix):
    path = tmp_path / f"cine{suffix}"
    array = cine(path)
    frames = read_frames(path)
    assert np.array_equal([frame.array[0] for frame in frames], array)
    assert {frame.geometry.spacing for frame in frames} == {(1.5, 1.5, 8.0)}
    assert np.array_equal(read_image(path, frame=2).array[0], array[2])


def test_without_a_frame_they_are_listed_with_their_times(tmp_path):
    cine(tmp_path / "cine.nii.gz")
    with pytest.raises(InputError, match=r"holds 3 frames: .*--frame.* There are 0 \(0 ms\), 1 \(40 ms\), 2 \(80 ms\)"):
        read_image(tmp_path / "cine.nii.gz")
    assert describe(tmp_path / "cine.nii.gz").frame_times_ms == (0, 40, 80)


@pytest.mark.parametrize("frame", [3, -1])
def test_a_frame_that_is_not_there_is_refused(tmp_path, frame):
    cine(tmp_path / "cine.mha")
    with pytest.raises(InputError, match=rf"has no frame {frame}\. There are 0, 1, 2"):
        read_image(tmp_path / "cine.mha", frame=frame)


def test_a_volume_is_one_frame(tmp_path):
    path = nifti(tmp_path / "scan.nii", (40, "8h", (4, 7, 6, 5, 1, 1, 1, 1)))
    assert [np.array_equal(frame.array, an_array()) for frame in read_frames(path)] == [True]
    assert np.array_equal(read_image(path, frame=0).array, an_array())


@pytest.mark.parametrize(("unit", "times"), [("ms", (0, 30, 70)), ("s", (0, 30000, 70000)), ("", ())])
def test_a_slicer_sequence(tmp_path, unit, times):
    header = {
        "space": "left-posterior-superior",
        "kinds": ["list", "domain", "domain", "domain"],
        "space directions": [[np.nan] * 3, [1.5, 0, 0], [0, 2, 0], [0, 0, 8]],
        "space origin": [1, 2, 3],
        "units": [unit, "", "", ""],
        "axis 0 index values": "0 30 70",
    }
    array = np.stack([an_array()[0] + 100 * frame for frame in range(3)])
    nrrd.write(str(tmp_path / "cine.seq.nrrd"), array.transpose(0, 3, 2, 1), header)
    assert np.array_equal([frame.array[0] for frame in read_frames(tmp_path / "cine.seq.nrrd")], array)
    assert describe(tmp_path / "cine.seq.nrrd").frame_times_ms == times


# Descriptions


def test_describe(tmp_path):
    write_image(Image(np.float32([1, 2.5]).repeat(105).reshape(1, 5, 6, 7), GRID), tmp_path / "scan.nrrd")
    said = describe(tmp_path / "scan.nrrd")
    assert (said.kind, said.size, said.spacing) == ("NRRD", GRID.size, pytest.approx(GRID.spacing))
    assert (said.origin, said.direction) == (pytest.approx(GRID.origin), pytest.approx(GRID.direction))
    assert (said.frames, said.channels, said.value_type) == (1, 1, "float32")
    assert (said.minimum, said.maximum, said.series, said.warnings) == (1.0, 2.5, (), ())


def test_describe_counts_values_that_are_not_finite(tmp_path):
    array = an_array(np.float32)
    array[0, 0, 0, :3] = np.nan, np.inf, -np.inf
    write_image(Image(array, GRID), tmp_path / "scan.nrrd")
    said = describe(tmp_path / "scan.nrrd")
    assert (said.minimum, said.maximum) == (0, 119)
    assert said.warnings == ("3 values are NaN or infinite.",)


def test_describe_warns_of_headers_without_position_or_voxel_size(tmp_path):
    path = nifti(tmp_path / "scan.nii", (QFORM_CODE, "2h", (0, 0)))
    assert "does not say where in the patient" in describe(path).warnings[0]
    path = itk_file(tmp_path / "scan.mha", an_array()[0])
    assert "gives no voxel size" in describe(with_header_text(path, "ElementSpacing = 1 1 1\n", "")).warnings[0]
    nrrd.write(str(tmp_path / "scan.nrrd"), an_array()[0])
    assert "gives no voxel size" in describe(tmp_path / "scan.nrrd").warnings[0]


@pytest.mark.parametrize(("sform_code", "moved"), [(1, 5.0), (4, 0.0)])
def test_of_two_positions_in_a_nifti_header_the_one_that_slicer_takes_is_used_and_warned_of(tmp_path, sform_code, moved):
    affine = GRID.affine_ijk_to_ras
    affine[:3, 3] += (5, 0, 0)
    changes = ((SFORM_CODE, "h", (sform_code,)), (SROW, "12f", tuple(affine[:3].ravel())))
    path = nifti(tmp_path / "scan.nii", *changes)
    assert read_image(path).geometry.origin == pytest.approx(np.subtract(GRID.origin, (moved, 0, 0)), abs=1e-4)
    assert sitk.ReadImage(str(path)).GetOrigin() == pytest.approx(read_image(path).geometry.origin, abs=1e-3)
    assert describe(path).warnings == ("The header gives two positions, sform and qform, which are up to 5 apart.",)


def test_two_voxel_sizes_in_a_nifti_header_are_warned_of(tmp_path):
    path = nifti(tmp_path / "scan.nii", (PIXDIM + 4, "f", (2.5,)), (QFORM_CODE, "h", (0,)))
    assert read_image(path).geometry.spacing == pytest.approx((2.5, 0.7, 8.5))
    assert "two voxel sizes, 2.5 × 0.7 × 8.5 mm (pixdim, used) and 1.25 × 0.7 × 8.5 mm (sform)" in describe(path).warnings[0]


@pytest.mark.parametrize(("unit", "factor"), [(0, 1), (1, 1000), (3, 0.001)])
def test_nifti_units_of_length(tmp_path, unit, factor):
    scaled = (np.array(GRID.spacing) / factor).tolist()
    affine = GRID.affine_ijk_to_ras[:3] / factor
    changes = ((PIXDIM + 4, "3f", scaled), (UNITS, "B", (unit,)), (SROW, "12f", tuple(affine.ravel())))
    path = nifti(tmp_path / "scan.nii", *changes, (QFORM_CODE, "h", (0,)))
    assert read_image(path).geometry.same_grid(GRID, 1e-3)


def test_an_sform_off_by_rounding_is_put_right(tmp_path):
    affine = GRID.affine_ijk_to_ras[:3]
    affine[:, :3] = np.round(affine[:, :3], 3)
    path = nifti(tmp_path / "scan.nii", (SROW, "12f", tuple(affine.ravel())), (QFORM_CODE, "h", (0,)))
    with pytest.raises(RuntimeError, match="orthonormal"):
        sitk.ReadImage(str(path))
    assert read_image(path).geometry.same_grid(GRID, 0.02)


# What must be refused


def truncated(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


@ALL_SUFFIXES
@pytest.mark.parametrize("share", [0.001, 0.3, 0.6, 0.95])
def test_truncated_files(tmp_path, suffix, share):
    write_image(Image(np.random.default_rng(0).normal(size=(1, 5, 6, 7)).astype(np.float32), GRID), tmp_path / f"a{suffix}")
    with pytest.raises(InputError, match=rf"a{suffix}.*(cut short|is empty)"):
        read_image(truncated(tmp_path / f"a{suffix}", share))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_wrong_byte_in_compressed_voxels(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 2**15, (20, 32, 32)).astype(np.int16)
    path = itk_file(tmp_path / f"a{suffix}", noise, compressed=True)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"])
@pytest.mark.parametrize("content", [b"hello, this is text\n" * 60, b"\0" * 700, bytes(range(256)) * 4, b"\x1f\x8b" * 300])
def test_files_of_another_kind(tmp_path, suffix, content):
    (tmp_path / f"a{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=r"name says|damaged"):
        read_image(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("wrong", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_a_wrong_suffix(tmp_path, wrong):
    right = ".nrrd" if ".nii" in wrong else ".nii"
    write_image(Image(an_array(), GRID), tmp_path / f"a{right}")
    (tmp_path / f"a{right}").rename(tmp_path / f"a{wrong}")
    with pytest.raises(InputError, match="name says"):
        read_image(tmp_path / f"a{wrong}")


def test_missing_empty_and_unknown_files(tmp_path):
    with pytest.raises(InputError, match=r"missing\.nii does not exist: check the name"):
        read_image(tmp_path / "missing.nii")
    (tmp_path / "empty.nii").touch()
    with pytest.raises(InputError, match=r"empty\.nii is empty"):
        read_image(tmp_path / "empty.nii")
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"a\.png is of no known kind; give \.nii\.gz, .* or a folder of DICOM files"):
        read_image(tmp_path / "a.png")


@ALL_SUFFIXES
@pytest.mark.parametrize(
    ("array", "is_vector", "words"),
    [
        (np.zeros((6, 7), np.int16), False, "picture without a third dimension"),
        (np.zeros((5, 6, 7, 3), np.uint8), True, "is a colour image"),
        (np.zeros((5, 6, 7, 4), np.uint8), True, "is a colour image"),
    ],
    ids=["2D", "RGB", "RGBA"],
)
def test_what_is_no_volume_of_grey_values(tmp_path, suffix, array, is_vector, words):
    with pytest.raises(InputError, match=words):
        read_image(itk_file(tmp_path / f"a{suffix}", array, is_vector))


def test_nifti_colour_and_complex_types(tmp_path):
    with pytest.raises(InputError, match="is a colour image"):
        read_image(nifti(tmp_path / "a.nii", (70, "h", (128,))))
    with pytest.raises(InputError, match="complex"):
        read_image(itk_file(tmp_path / "a.nii", np.zeros((5, 6, 7), np.complex64)))


@ALL_SUFFIXES
def test_values_that_are_not_finite_are_counted(tmp_path, suffix):
    array = an_array(np.float32)
    array[0, 0, 0, :4] = np.nan, np.inf, -np.inf, np.nan
    write_image(Image(array, GRID), tmp_path / f"a{suffix}")
    with pytest.raises(InputError, match="has 4 values that are NaN, infinite or too large"):
        read_image(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("spacing", [0.0, np.nan, np.inf, -8.5])
def test_nifti_spacing_that_itk_would_replace_in_silence(tmp_path, spacing):
    with pytest.raises(InputError, match=r"gives voxels of 1\.25 × 0\.7 × .* mm: correct the header's spacing"):
        read_image(nifti(tmp_path / "a.nii", (PIXDIM + 12, "f", (spacing,))))


@pytest.mark.parametrize("spacing", ["0", "nan", "-8.5"])
def test_metaimage_spacing_that_itk_would_replace_in_silence(tmp_path, spacing):
    path = with_header_text(itk_file(tmp_path / "a.mha", an_array()[0]), "Spacing = 1 1 1", f"Spacing = 1 1 {spacing}")
    with pytest.raises(InputError, match=rf"gives voxels of 1 × 1 × {spacing} mm"):
        read_image(path)


@pytest.mark.parametrize(("directions", "words"), [("(0,0,0)", "1 × 1 × 0 mm"), ("(0,0,nan)", "1 × 1 × nan mm")])
def test_nrrd_spacing(tmp_path, directions, words):
    path = with_header_text(itk_file(tmp_path / "a.nrrd", an_array()[0]), "(0,0,1)", directions)
    with pytest.raises(InputError, match=words):
        read_image(path)


def test_nrrd_with_spacings_only(tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), an_array()[0].transpose(2, 1, 0), {"spacings": [1.5, 2, 3]})
    assert read_image(tmp_path / "a.nrrd").geometry.spacing == (1.5, 2, 3)
    with pytest.raises(InputError, match=r"1\.5 × 2 × nan mm"):
        read_image(with_header_text(tmp_path / "a.nrrd", "1.5 2 3", "1.5 2 nan"))


@pytest.mark.parametrize(
    ("spacing", "words"), [((1, 1, 101), "too large .* micrometres"), ((0.001, 0.001, 0.01), "too small .* metres")]
)
@ALL_SUFFIXES
def test_spacing_in_another_unit(tmp_path, suffix, spacing, words):
    write_image(Image(an_array(), Geometry((7, 6, 5), spacing)), tmp_path / f"a{suffix}")
    with pytest.raises(InputError, match=words):
        read_image(tmp_path / f"a{suffix}")


def test_axes_that_are_not_perpendicular(tmp_path):
    sheared = GRID.affine_ijk_to_ras
    sheared[:3, 2] += 0.1 * sheared[:3, 0]
    change = (SROW, "12f", tuple(sheared[:3].ravel()))
    with pytest.raises(InputError, match=r"a\.nii has axes that are not perpendicular \(by up to .* voxels\): resample"):
        read_image(nifti(tmp_path / "a.nii", change, (QFORM_CODE, "h", (0,))))
    path = with_header_text(itk_file(tmp_path / "a.nrrd", an_array()[0]), "(0,0,1)", "(0,0.2,1)")
    with pytest.raises(InputError, match=r"a\.nrrd: The volume's axes are not perpendicular"):
        read_image(path)
    path = with_header_text(itk_file(tmp_path / "a.mha", an_array()[0]), "Matrix = 1 0 0 0 1", "Matrix = 0 0 0 0 1")
    with pytest.raises(InputError, match=r"a\.mha has axes that do not span a volume"):
        read_image(path)


@pytest.mark.parametrize("row", [(0, 0, 0, 0), (np.nan,) * 4])
def test_an_sform_that_spans_no_volume(tmp_path, row):
    changes = ((SROW, "12f", row * 3), (QFORM_CODE, "h", (0,)))
    with pytest.raises(InputError, match="has an sform or qform that describes no volume"):
        read_image(nifti(tmp_path / "a.nii", *changes))


@pytest.mark.parametrize("sizes", [(3, 7, 6, 0), (0, 7, 6, 5), (3, -7, 6, 5), (9, 7, 6, 5)])
def test_nifti_sizes_that_make_no_volume(tmp_path, sizes):
    with pytest.raises(InputError, match="has a damaged header: its sizes are"):
        read_image(nifti(tmp_path / "a.nii", (40, "4h", sizes)))


def test_nifti_sizes_beyond_the_file_take_no_memory(tmp_path):
    with pytest.raises(InputError, match="cut short"):
        read_image(nifti(tmp_path / "a.nii", (40, "5h", (4, 32000, 32000, 32000, 32000))))


def test_nifti_of_five_and_more_dimensions(tmp_path):
    with pytest.raises(InputError, match="has 6 dimensions"):
        read_image(nifti(tmp_path / "a.nii", (40, "8h", (6, 7, 6, 5, 1, 1, 2, 1))))


def test_nrrd_with_time_as_an_axis_of_space(tmp_path):
    header = {
        "space": "left-posterior-superior",
        "kinds": ["domain", "domain", "domain", "time"],
        "space directions": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [np.nan] * 3],
    }
    nrrd.write(str(tmp_path / "a.nrrd"), np.zeros((7, 6, 5, 2), np.int16), header)
    with pytest.raises(InputError, match="stores time as a fourth axis of space; save it as"):
        read_image(tmp_path / "a.nrrd")


def test_nothing_is_printed(tmp_path, capfd):
    """ITK and its C libraries print to stderr behind Python's back."""
    paths = [
        itk_file(tmp_path / name, np.random.default_rng(0).normal(size=(9, 9, 9))) for name in ("a.nii", "a.nrrd", "a.mha")
    ]
    packed = itk_file(tmp_path / "b.mha", np.random.default_rng(0).normal(size=(9, 9, 9)), compressed=True)
    paths += [nifti(tmp_path / "c.nii", (SROW, "12f", (np.nan,) * 12), (QFORM_CODE, "h", (0,)))]
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    for path in [*paths, packed]:
        for share in (0.9, 0.5, 0.05):
            with pytest.raises(InputError):
                read_image(truncated(path, share))
    assert capfd.readouterr() == ("", "")
    assert sitk.ProcessObject.GetGlobalWarningDisplay() == shown


@pytest.mark.parametrize("dimensions", ["-3", "93", "0", "x"])
def test_metaimage_dimensions_that_crash_itk(tmp_path, dimensions):
    path = with_header_text(itk_file(tmp_path / "a.mha", an_array()[0]), "NDims = 3", f"NDims = {dimensions}")
    with pytest.raises(InputError, match="cannot be read as MetaImage"):
        read_image(path)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha"])
def test_any_damage_is_a_sentence_or_goes_unnoticed(tmp_path, suffix):
    path, random = tmp_path / f"a{suffix}", np.random.default_rng(5)
    write_image(Image(an_array(), GRID), path)
    content = path.read_bytes()
    for _ in range(150):
        damaged = bytearray(content)
        for byte in random.integers(0, min(len(content), 400), 2):
            damaged[byte] = random.choice([0, 255, *b"-9n", random.integers(256)])
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):
            read_labelmap(path)


# Writing


@pytest.mark.parametrize("name", ["a", "a.dcm", "a.nhdr", "a.mhd", "a.seg.nrrd", "a.nii.zip"])
def test_what_cannot_be_written(tmp_path, name):
    with pytest.raises(OutputError, match=r"its name must end in \.nii\.gz, \.nii, \.nrrd, \.mha"):
        write_labelmap(LabelMap(an_array()[0], GRID), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
@ALL_SUFFIXES
def test_a_full_disk(tmp_path, suffix):
    """A limit on the size of files stands in for it; ITK's NIfTI writer notices neither."""
    (tmp_path / f"a{suffix}").write_text("old", encoding="utf-8")
    script = (
        "import pathlib, resource, sys, numpy as np\n"
        "from MedSegDLLib.errors import OutputError\n"
        "from MedSegDLLib.files import Geometry, Image, write_image\n"
        "image = Image(np.random.default_rng(0).normal(size=(1, 40, 64, 64)).astype(np.float32), Geometry((64, 64, 40)))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))\n"
        "try: write_image(image, pathlib.Path(sys.argv[1]))\n"
        "except OutputError as error: print(error)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script, str(tmp_path / f"a{suffix}")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=True)
    assert f"a{suffix} cannot be written: the disk is full" in done.stdout
    assert done.stderr == ""
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["old"]


# Real files


@real_data
@pytest.mark.parametrize(
    "name",
    [
        "lv_cine/SC-HF-I-5_ED_img.nii.gz",
        "lv_cine/bivme/patient1_SAX_frame00.nii.gz",
        "geometry/CT_pitch.nii.gz",
        "geometry/chris_PD.nii.gz",
        "bones_ct/s0009_ct.nii.gz",
        "knee/clair_knee_eval_only/CLAIR-Knee-103R_template_64x128x128.nii.gz",
    ],
)
def test_real_nifti_equals_itk(name):
    image, reference = read_image(DATA / name), sitk.ReadImage(str(DATA / name))
    grid = Geometry(reference.GetSize(), reference.GetSpacing(), reference.GetOrigin(), reference.GetDirection())
    assert image.geometry.same_grid(grid, 1e-4)
    assert np.array_equal(image.array[0], sitk.GetArrayFromImage(reference))


@real_data
def test_a_real_ct_that_itk_refuses_lies_where_its_bones_lie():
    ct, bones = read_image(DATA / "bones_ct/s0002_ct.nii.gz"), read_labelmap(DATA / "bones_ct/s0002_bones.nii.gz")
    assert ct.geometry.same_grid(bones.geometry)
    assert np.median(ct.array[0][bones.array > 0]) > 150 > np.median(ct.array)
