"""NIfTI, NRRD and MetaImage there and back, against SimpleITK and pynrrd, and files that cannot be written."""

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
from MedSegDLLib.files import name_of, read_image, read_labelmap, write_image, write_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from Testing.engine.grids import GRIDS
from Testing.engine.scan_files import ALL_SUFFIXES, GRID, PIXDIM, SFORM_CODE, SROW, an_array, itk_file, nifti

DATA = Path(__file__).parents[3] / "shared" / "data"
ALL_GRIDS = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not here")


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
