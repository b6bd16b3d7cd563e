"""Whatever is wrong with what was given: exit status 2 or 3, a sentence that says what to do, and nothing written.

The tables drive the command line itself. What is merely unusual (one slice, 64-bit integers) must give the right result.
"""

import contextlib
import json
import os
import pickle
import resource
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from MedSegDLLib.checkpoint import save_weights
from MedSegDLLib.checksums import sha256_of
from MedSegDLLib.files import read_labelmap
from MedSegDLLib.labels import write_label_table
from MedSegDLLib.model_card import CARD_FILE, LABELS_FILE, WEIGHTS_FILE, NetworkSpec
from MedSegDLLib.networks import build_network
from Testing.engine.conftest import BOX, CommandLine, Outcome, bright_box
from Testing.models import BRIGHT_AND_BRIGHTEST, write_bright_model

NIFTI_SPACING, NIFTI_FORM_CODES, NIFTI_SFORM = 76, 252, 280  # offsets in bytes of what is tampered with below


def listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_size) for path in folder.rglob("*"))


def refused(outcome: Outcome, status: int = 2) -> str:
    """The one sentence on stderr of an outcome that must be a refusal."""
    assert outcome.status == status, outcome
    assert "Traceback" not in outcome.err and "fault" not in outcome.err and outcome.out == ""
    (sentence,) = [line for line in outcome.err.splitlines() if not line.startswith("Warning:")]
    assert sentence.endswith((".", "?"))
    return sentence


# --- Images ---------------------------------------------------------------------------------------------------------


def write(array: np.ndarray, path: Path, vector: bool = False) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=vector), str(path))
    return path


def box_array() -> np.ndarray:
    return bright_box().array[0]


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


# --- Options and places ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (["--model", "brigth"], 2, "did you mean 'bright'?"),
        (["--model", "../bright"], 2, "There is no model"),
        (["--roi", "0,0,0"], 2, "six whole numbers"),
        (["--roi", "100,100,100,120,120,120"], 2, "outside of the image"),
        (["--roi", "5,5,1,5,9,2"], 2, ""),
        (["--overlap", "2"], 2, "from 0 to 0.9"),
        (["--overlap", "nan"], 2, "from 0 to 0.9"),
        (["--batch-size", "0"], 2, "at least 1"),
        (["--labels", "Dark"], 2, "did you mean 'Bright'?"),
        (["--labels", ","], 2, "names no label"),
        (["--frame", "7"], 2, "has no frame 7"),
        (["--series", "1.2.3"], 2, "DICOM folder"),
        (["--device", "cuda:99"], 3, "cuda"),
        (["--device", "abacus"], 2, "abacus"),
        (["--output", "{}/out.stl"], 2, "ends in '.stl'"),
        (["--output", "{}/in/box.nii.gz"], 2, "would be overwritten"),
        (["--output", "{}/none/out.nii.gz"], 2, "there is no folder"),
        (["--output", "{}/in/box.nii.gz/out.nii.gz"], 2, ""),
        (["--output", "{}/in/box.nii.gz/results/"], 2, "is a file"),
        (["--output", "/proc/out.nii.gz"], 2, "/proc"),
        (["--report", "{}/none/r.json"], 2, "there is no folder"),
        (["--report", "{}"], 2, "is a folder"),
        (["--overlay", "{}/o.jpg"], 2, "must end in .png"),
        (["--overlay", "/proc/o.png"], 2, "/proc"),
    ],
)
def test_bad_options_and_places(
    command_line: CommandLine, box_file: Path, tmp_path: Path, options: list[str], status: int, says: str
):
    before = listing(tmp_path)
    usual = {"--model": "bright", "--output": f"{tmp_path}/out.nii.gz"}
    given = usual | dict(zip(options[::2], (value.format(tmp_path) for value in options[1::2]), strict=True))
    outcome = command_line("segment", box_file, *(part for pair in given.items() for part in pair))
    assert says in refused(outcome, status)
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    "arguments", [("--precision", "float8"), ("--frame", "last"), ("--format", ".stl"), ("--progress", "dots")]
)
def test_values_that_an_option_does_not_have_show_the_usage(
    command_line: CommandLine, box_file: Path, tmp_path: Path, arguments: tuple[str, str]
):
    before = listing(tmp_path)
    outcome = command_line("segment", box_file, "--model", "bright", "--output", f"{tmp_path}/out/", *arguments)
    assert outcome.status == 2 and arguments[1] in outcome.err and "Traceback" not in outcome.err
    assert listing(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(command_line: CommandLine, box_file: Path, tmp_path: Path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    outcome = command_line("segment", box_file, "--model", "bright", "--output", locked / "out.nii.gz")
    assert "choose another folder" in refused(outcome)


@contextlib.contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """Writing more than that into a file fails, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size_bytes", [200, 20_000], ids=["segmentation does not fit", "overlay does not fit"])
@pytest.mark.parametrize("suffix", [".seg.nrrd", ".nii.gz", ".nii", ".mha"])
def test_full_disk(command_line: CommandLine, tmp_path: Path, size_bytes: int, suffix: str):
    """The larger size lets the segmentation through, but not the picture: then the segmentation must go, too."""
    noise = np.random.default_rng(0).integers(0, 1000, (4, 48, 48)).astype(np.int16)
    path = write(noise, tmp_path / "a.nii.gz")
    before = listing(tmp_path)
    with largest_file(size_bytes):
        outcome = command_line(
            "segment", path, "--model", "bright", "--output", tmp_path / "out" / "", "--format", suffix,
            "--overlay", tmp_path / "o.png",
        )  # fmt: skip
    assert "cannot be written" in refused(outcome)
    assert listing(tmp_path) == before


def test_full_disk_in_a_process_of_its_own(bright_zoo: Path, tmp_path: Path):
    path = write(box_array(), tmp_path / "a.nii.gz")
    before = listing(tmp_path)
    command = [sys.executable, "-m", "MedSegDLLib", "segment", path, "--model", "bright", "--output", f"{tmp_path}/out/"]
    environment = {**os.environ, "MEDSEGDL_MODELS": str(bright_zoo), "PYTHONPATH": os.pathsep.join(sys.path)}
    with largest_file(200):
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert "cannot be written" in refused(Outcome(done.returncode, done.stdout, done.stderr))
    assert listing(tmp_path) == before


# --- Models ----------------------------------------------------------------------------------------------------------


def change_card(folder: Path, **changes: object) -> None:
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    (folder / CARD_FILE).write_text(json.dumps(card | changes), encoding="utf-8")


def tampered_weights(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS_FILE).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(data)


def other_networks_weights(folder: Path) -> None:
    save_weights(build_network(NetworkSpec("unet_2d", 1, 1, {"features_per_stage": (2, 3)})), folder / WEIGHTS_FILE)
    change_card(folder, weights_sha256=sha256_of(folder / WEIGHTS_FILE))


def pickled_weights(folder: Path) -> None:
    (folder / WEIGHTS_FILE).write_bytes(pickle.dumps(torch.zeros(3)))
    change_card(folder, weights_sha256=sha256_of(folder / WEIGHTS_FILE))


def more_labels(folder: Path) -> None:
    write_label_table(BRIGHT_AND_BRIGHTEST, folder / LABELS_FILE)


def unknown_network(folder: Path) -> None:
    change_card(folder, network={"key": "unet_9d", "in_channels": 1, "out_channels": 1})


def two_channels(folder: Path) -> None:
    change_card(folder, network={"key": "unet_2d", "in_channels": 2, "out_channels": 1, "numbers": {"features_per_stage": [1]}})


def network_number(**numbers: object) -> Callable[[Path], None]:
    network = {"key": "unet_2d", "in_channels": 1, "out_channels": 1, "numbers": numbers}
    return lambda folder: change_card(folder, network=network)


BAD_MODELS: dict[str, tuple[Callable[[Path], object], str]] = {
    "tampered weights": (tampered_weights, "SHA-256"),
    "no weights": (lambda folder: (folder / WEIGHTS_FILE).unlink(), "weights"),
    "weights of another network": (other_networks_weights, "another network"),
    "pickled weights": (pickled_weights, "safetensors"),
    "unknown key in the card": (lambda folder: change_card(folder, magic=1), "magic"),
    "card without a key": (lambda folder: (folder / CARD_FILE).write_text("{}", encoding="utf-8"), "lacks"),
    "card that is no JSON": (lambda folder: (folder / CARD_FILE).write_text("{", encoding="utf-8"), "JSON"),
    "card of another version": (lambda folder: change_card(folder, card_version=99), "card_version"),
    "card of another model": (lambda folder: change_card(folder, id="other"), "other"),
    "no card": (lambda folder: (folder / CARD_FILE).unlink(), "card.json"),
    "unknown network": (unknown_network, "unet_9d"),
    "network number of the wrong kind": (network_number(features_per_stage="many"), "features_per_stage must be a list, but"),
    "network number out of range": (network_number(up_kernel=0), "card.json is not a usable model card: network: numbers: up_"),
    "more channels than there can be": (
        lambda folder: change_card(folder, network={"key": "unet_2d", "in_channels": 10**30, "out_channels": 1}),
        "must not exceed 4096",
    ),
    "weights for another number of channels": (two_channels, "weight"),
    "labels that disagree": (more_labels, "labels.csv"),
    "no labels": (lambda folder: (folder / LABELS_FILE).unlink(), "labels.csv"),
    "labels that are no table": (lambda folder: (folder / LABELS_FILE).write_text("hello", encoding="utf-8"), "labels.csv"),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_bad_model(command_line: CommandLine, box_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str):
    spoil, says = BAD_MODELS[case]
    spoil(write_bright_model(tmp_path / "zoo", "spoilt"))
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "zoo"))
    before = listing(tmp_path)
    outcome = command_line("segment", box_file, "--model", "spoilt", "--output", tmp_path / "out.nii.gz")
    assert says in refused(outcome)
    assert listing(tmp_path) == before


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
