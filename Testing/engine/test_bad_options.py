"""Options that make no sense and places that cannot be written: a sentence that says what to do, and nothing written."""

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from Testing.engine.conftest import CommandLine, Outcome
from Testing.engine.refusals import box_array, listing, refused, write


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
