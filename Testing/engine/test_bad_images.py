"""Whatever is wrong with an image: exit status 2, a sentence that says what to do, and nothing written.

The tables drive the command line itself. What is merely unusual (one slice, 64-bit integers) must give the right result.
"""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedSegDLLib.files import read_labelmap
from Testing.engine.conftest import BOX, CommandLine
from Testing.engine.refusals import box_array, listing, refused, write

NIFTI_SPACING, NIFTI_FORM_CODES, NIFTI_SFORM = 76, 252, 280  # offsets in bytes of what is tampered with below

# --- Images ---------------------------------------------------------------------------------------------------------


def patched(folder: Path, offset: int, values: bytes) -> Path:
    """The bright box as uncompressed NIfTI with some bytes of its header replaced."""
    path = write(box_array(), folder / "a.nii")
    data = bytearray(path.read_bytes())
    data[offset : offset + len(values)] = values
    path.write_bytes(data)
    return path


def missing(folder: Path) -> Path:
    return folder / "missing.nii.gz"


def empty(folder: Path) -> Path:
    path = folder / "a.nii.gz"
    path.touch()
    return path


def truncated(folder: Path, suffix: str) -> Path:
    path = write(np.random.default_rng(0).integers(0, 999, (8, 32, 32)).astype(np.int16), folder / f"a{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def text(folder: Path, suffix: str) -> Path:
    path = folder / f"a{suffix}"
    path.write_text("Dear colleague, please find the scan attached.\n" * 40, encoding="utf-8")
    return path


def unknown_suffix(folder: Path) -> Path:
    return write(box_array(), folder / "a.nii").rename(folder / "a.xyz")


def wrong_suffix(folder: Path) -> Path:
    return write(box_array(), folder / "a.nrrd").rename(folder / "a.nii.gz")


def four_dimensional(folder: Path) -> Path:
    path = folder / "a.nii.gz"
    sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(box_array())] * 3), str(path))
    return path


def colour(folder: Path, suffix: str) -> Path:
    return write(np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3)).astype(np.uint8), folder / f"a{suffix}", vector=True)


def flat_picture(folder: Path) -> Path:
    return write(box_array()[0], folder / "a.mha")


def complex_values(folder: Path) -> Path:
    return write(box_array().astype(np.complex64), folder / "a.nrrd")


def constant(folder: Path, value: int) -> Path:
    return write(np.full((4, 32, 32), value, np.int16), folder / "a.nii.gz")


def not_finite(folder: Path, value: float) -> Path:
    array = box_array().astype(np.float32)
    array[2, 3, 4] = value
    return write(array, folder / "a.nii.gz")


def sheared(folder: Path) -> Path:
    path = patched(folder, NIFTI_FORM_CODES, struct.pack("<2h", 0, 1))
    data = bytearray(path.read_bytes())
    data[NIFTI_SFORM : NIFTI_SFORM + 48] = struct.pack("<12f", 1, 0.4, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    path.write_bytes(data)
    return path


def no_dicom(folder: Path) -> Path:
    (folder / "letters").mkdir()
    (folder / "letters" / "a.txt").write_text("no image", encoding="utf-8")
    return folder / "letters"


def two_series(folder: Path) -> Path:
    """A folder with the DICOM series 1.2.3.1 and 1.2.3.2 of three slices each."""
    (folder / "dicom").mkdir()
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for series in (1, 2):
        for number in range(3):
            image = sitk.GetImageFromArray(box_array()[:1])
            position = f"0\\0\\{8 * number}"
            tags = {"0020|000d": "1.2.3", "0020|000e": f"1.2.3.{series}", "0008|0018": f"1.2.3.{series}.{number + 1}"}
            tags |= {"0020|0032": position, "0020|0037": "1\\0\\0\\0\\1\\0", "0020|0013": str(number), "0008|0060": "MR"}
            for tag, value in tags.items():
                image.SetMetaData(tag, value)
            writer.SetFileName(str(folder / "dicom" / f"{series}_{number}.dcm"))
            writer.Execute(image)
    return folder / "dicom"


BAD_IMAGES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (missing, "does not exist"),
    "empty": (empty, "empty"),
    "truncated .nii": (lambda folder: truncated(folder, ".nii"), "a.nii"),
    "truncated .nii.gz": (lambda folder: truncated(folder, ".nii.gz"), "a.nii.gz"),
    "truncated .nrrd": (lambda folder: truncated(folder, ".nrrd"), "a.nrrd"),
    "truncated .mha": (lambda folder: truncated(folder, ".mha"), "a.mha"),
    "unknown suffix": (unknown_suffix, ".nii.gz"),
    "wrong suffix": (wrong_suffix, "a.nii.gz"),
    "text as .nii": (lambda folder: text(folder, ".nii"), "a.nii"),
    "text as .nii.gz": (lambda folder: text(folder, ".nii.gz"), "a.nii.gz"),
    "text as .nrrd": (lambda folder: text(folder, ".nrrd"), "a.nrrd"),
    "text as .mha": (lambda folder: text(folder, ".mha"), "a.mha"),
    "text as .dcm": (lambda folder: text(folder, ".dcm"), "a.dcm"),
    "4D without a frame": (four_dimensional, "3 frames: choose one with --frame"),
    "RGB .nii.gz": (lambda folder: colour(folder, ".nii.gz"), "colour"),
    "RGB .nrrd": (lambda folder: colour(folder, ".nrrd"), "colour"),
    "RGB .mha": (lambda folder: colour(folder, ".mha"), "colour"),
    "2D": (flat_picture, "third dimension"),
    "complex": (complex_values, "complex"),
    "all zero": (lambda folder: constant(folder, 0), "nothing to segment"),
    "constant": (lambda folder: constant(folder, 700), "nothing to segment"),
    "NaN": (lambda folder: not_finite(folder, np.nan), "1 values"),
    "infinite": (lambda folder: not_finite(folder, np.inf), "1 values"),
    "huge spacing": (lambda folder: patched(folder, NIFTI_SPACING + 4, struct.pack("<3f", 5000, 5000, 9000)), "5000"),
    "zero spacing": (lambda folder: patched(folder, NIFTI_SPACING + 4, struct.pack("<3f", 0, 1, 1)), "header"),
    "non-orthogonal": (sheared, "orthogonal"),
    "folder without DICOM": (no_dicom, "letters"),
    "two series": (two_series, "1.2.3.2"),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_image(command_line: CommandLine, tmp_path: Path, case: str):
    make, says = BAD_IMAGES[case]
    path = make(tmp_path)
    before = listing(tmp_path)
    outcome = command_line(
        "segment", path, "--model", "bright", "--output", tmp_path / "out" / "", "--report", tmp_path / "r.json",
        "--overlay", tmp_path / "o.png",
    )  # fmt: skip
    assert says in refused(outcome)
    assert listing(tmp_path) == before


# --- Unusual, but right ----------------------------------------------------------------------------------------------


def one_slice(folder: Path) -> tuple[Path, np.ndarray]:
    array = box_array()[1:2]
    return write(array, folder / "a.nii.gz"), array


def int64(folder: Path) -> tuple[Path, np.ndarray]:
    array = box_array().astype(np.int64)
    return write(array, folder / "a.nrrd"), array


def one_voxel_differs(folder: Path) -> tuple[Path, np.ndarray]:
    array = np.zeros((4, 32, 32), np.int16)
    array[2, 10, 11] = 1
    return write(array, folder / "a.nii.gz"), array


@pytest.mark.parametrize("make", [one_slice, int64, one_voxel_differs])
def test_unusual_images_get_the_right_result(command_line: CommandLine, tmp_path: Path, make: Callable):
    path, array = make(tmp_path)
    outcome = command_line("segment", path, "--model", "bright", "--output", tmp_path / "out.nii.gz")
    assert outcome.status == 0, outcome.err
    np.testing.assert_array_equal(read_labelmap(tmp_path / "out.nii.gz").array, array > array.mean() + array.std())


def test_one_of_two_series_can_be_chosen(command_line: CommandLine, tmp_path: Path):
    folder = two_series(tmp_path)
    output = tmp_path / "out.nii.gz"
    outcome = command_line("segment", folder, "--model", "bright", "--output", output, "--series", "1.2.3.1")
    assert outcome.status == 0, outcome.err
    assert read_labelmap(output).array.shape[0] == 3


# --- The other subcommands -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["missing", "empty", "truncated .nii.gz", "text as .nii", "2D", "folder without DICOM"])
def test_info_of_bad_files(command_line: CommandLine, tmp_path: Path, case: str):
    make, says = BAD_IMAGES[case]
    assert says in refused(command_line("info", make(tmp_path)))


def test_info_lists_both_series(command_line: CommandLine, tmp_path: Path):
    outcome = command_line("info", two_series(tmp_path))
    assert outcome.status == 0 and "1.2.3.1" in outcome.out and "1.2.3.2" in outcome.out


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (missing, "does not exist"),
        (lambda folder: write(np.full((4, 32, 32), 0.5, np.float32), folder / "a.nii.gz"), "whole numbers"),
        (lambda folder: write(np.full((4, 32, 32), -3, np.int16), folder / "a.nii.gz"), "-3"),
        (lambda folder: write(np.zeros((4, 32, 32), np.uint8), folder / "a.seg.nrrd"), "no segments"),
    ],
)
def test_evaluate_bad_files(command_line: CommandLine, tmp_path: Path, make: Callable[[Path], Path], says: str):
    labels = np.zeros((4, 32, 32), np.uint8)
    labels[BOX] = 1
    good, bad = write(labels, tmp_path / "good.nii.gz"), make(tmp_path)
    before = listing(tmp_path)
    for pair in ((good, bad), (bad, good)):
        assert says in refused(command_line("evaluate", *pair, "--json", tmp_path / "f.json"))
    assert listing(tmp_path) == before


def test_evaluate_into_a_folder_that_is_not_there(command_line: CommandLine, tmp_path: Path):
    labels = np.zeros((4, 32, 32), np.uint8)
    labels[BOX] = 1
    path = write(labels, tmp_path / "a.nii.gz")
    assert "there is no folder" in refused(command_line("evaluate", path, path, "--json", tmp_path / "none" / "f.json"))
