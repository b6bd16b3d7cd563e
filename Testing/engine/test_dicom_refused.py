"""DICOM that makes no regular grid, or is damaged, is refused with a sentence that says where."""

import contextlib

import numpy as np
import pytest

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import describe, read_frames, read_image
from Testing.engine.dicom_slices import OBLIQUE, enhanced, pixels, refused, saved, slice_at, stack
from Testing.engine.grids import rotation

# Slices that make no regular grid


def test_missing_slices_are_counted_and_placed(tmp_path):
    sentence = refused(tmp_path, stack([0, 4, 8, 16, 20, 32]))
    assert "3 slices are missing: most are 4.00 mm apart" in sentence
    assert "8.00 mm between IM002 and IM003, 12.00 mm between IM004 and IM005" in sentence


def test_one_missing_slice(tmp_path):
    assert "One slice is missing: most are 4.00 mm apart" in refused(tmp_path, stack([0, 4, 12, 16]))


def test_uneven_slices(tmp_path):
    sentence = refused(tmp_path, stack([0, 4, 8, 13, 17]))
    assert "The slices are not evenly spaced: most are 4.00 mm apart, but 5.00 mm between IM002 and IM003" in sentence


def test_positions_rounded_to_six_digits_are_even(tmp_path):
    spacing = 1 / 3
    image = read_image(saved(tmp_path, stack(np.arange(20) * spacing, origin=(-100.5, 20.25, 900.0))))
    assert image.geometry.spacing[2] == pytest.approx(spacing, rel=1e-4)


def test_a_tilted_gantry(tmp_path):
    tilt = np.array([0, np.tan(np.radians(12)), 1])
    sentence = refused(tmp_path, [slice_at(4 * n * tilt, number=n) for n in range(5)])
    assert "The gantry was tilted" in sentence
    assert "12.0°" in sentence


def test_a_slice_shifted_sideways(tmp_path):
    slices = stack([0, 4, 8, 12])
    slices[2].ImagePositionPatient = ["-97.5", "20.25", "15"]
    sentence = refused(tmp_path, slices)
    assert "do not lie straight above each other: IM002 is 3.0 mm beside the first one, IM000" in sentence


def test_mixed_orientations(tmp_path):
    sentence = refused(tmp_path, [*stack([0, 4, 8]), slice_at((0, 0, 0), OBLIQUE, 3)])
    assert "mixes 2 slice orientations (3 + 1 images" in sentence


def test_a_fan_of_slices(tmp_path):
    assert "mixes 4 slice orientations" in refused(tmp_path, [slice_at((0, 0, 0), rotation(15 * n, 0, 0), n) for n in range(4)])


def test_mixed_pixel_and_image_sizes(tmp_path):
    other = stack([0, 4, 8])
    other[1].PixelSpacing = [1, 1]
    assert "mixes pixel sizes (0.7 × 1.25, 1 × 1)" in refused(tmp_path / "a", other)
    other = stack([0, 4, 8])
    other[1].Rows, other[1].PixelData = 3, pixels(1)[:3].tobytes()
    assert "mixes image sizes (7 × 3, 7 × 6)" in refused(tmp_path / "b", other)


@pytest.mark.parametrize("tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_images_without_a_place_in_the_patient(tmp_path, tag):
    slices = stack([0, 4])
    delattr(slices[1], tag)
    assert "does not tell where in the patient its pixels lie" in refused(tmp_path, slices)


def test_huge_spacing(tmp_path):
    assert "too large for a patient" in refused(tmp_path, stack([0, 4000, 8000]))


# Damage


def test_folders_without_dicom(tmp_path):
    with pytest.raises(InputError, match="holds no DICOM image; give the folder or file"):
        read_image(tmp_path)
    (tmp_path / "scan.nii").write_bytes(bytes(500))
    with pytest.raises(InputError, match="holds no DICOM image"):
        describe(tmp_path)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_slice_is_named_and_nothing_printed(tmp_path, share, capfd):
    path = saved(tmp_path, stack([0, 4, 8])) / "IM002"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"(IM002 cannot be read as DICOM|damaged or cut short: IM002)"):
        read_image(tmp_path)
    with pytest.raises(InputError, match="IM002"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("slices", [stack([0, 4]), [enhanced((0, 0, 4, 4), delays=(0, 1, 0, 1))]], ids=["classic", "enhanced"])
def test_any_damage_is_a_sentence_or_goes_unnoticed(tmp_path, slices):
    path, random = saved(tmp_path, slices) / "IM000", np.random.default_rng(5)
    content = path.read_bytes()
    for _ in range(100):
        damaged = bytearray(content)
        for byte in random.integers(132, len(content), 2):
            damaged[byte] = random.choice([0, 255, *b"-9n\\", random.integers(256)])
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):
            read_frames(tmp_path)


def test_text_called_dcm(tmp_path):
    (tmp_path / "a.dcm").write_text("hello\n" * 100, encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.dcm is of no known kind"):
        read_image(tmp_path / "a.dcm")
