"""Frames, times, positions and voxel sizes as the headers of image files tell them, and what is warned of."""

from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import describe, read_frames, read_image, write_image
from MedSegDLLib.image import Image
from Testing.engine.scan_files import (
    ALL_SUFFIXES,
    GRID,
    PIXDIM,
    QFORM_CODE,
    SFORM_CODE,
    SROW,
    UNITS,
    an_array,
    itk_file,
    nifti,
    with_header_text,
)

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
