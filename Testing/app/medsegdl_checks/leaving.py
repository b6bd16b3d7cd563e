"""Slicer as a command: the batch script ends it with its own exit status. NOT YET RUN in the application."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import slicer

from .application import waitUntil
from .phantoms import MODEL, addPhantom, needTorch

_SECONDS = 300


def theBatchEndsSlicerWithItsStatus() -> str:
    """0 with a table of volumes for a folder with an image; 2 and no table for a folder that does not exist."""
    needTorch()
    with tempfile.TemporaryDirectory() as folder:
        images, results = Path(folder) / "images", Path(folder) / "results"
        images.mkdir()
        assert slicer.util.saveNode(addPhantom(), str(images / "phantom.nrrd"))
        assert _batch(images, results) == 0
        summary = (results / "summary.csv").read_text(encoding="utf-8")
        assert "phantom" in summary, summary
        status = _batch(Path(folder) / "nowhere", Path(folder) / "nothing")
        assert status == 2, status
        assert not (Path(folder) / "nothing").exists()
    return "exit status 0 with summary.csv, and 2 for a folder that is not there"


def _batch(images: Path, results: Path) -> int:
    """Start another Slicer with MedSegDLBatch.py and wait for its end with this one's events running."""
    script = Path(slicer.util.modulePath("MedSegDL")).parent / "MedSegDLScripts" / "MedSegDLBatch.py"
    command = [_program(), "--no-splash", "--no-main-window", "--python-script", str(script)]
    command += ["--input", str(images), "--model", MODEL, "--output", str(results), "--device", "cpu"]
    process = subprocess.Popen(command, env=slicer.util.startupEnvironment())
    try:
        waitUntil(lambda: process.poll() is not None, _SECONDS, "the other Slicer has ended by itself")
    finally:
        process.kill()
    return process.returncode


def _program() -> str:
    """What starts this Slicer; on macOS it has no launcher."""
    return slicer.app.launcherExecutableFilePath or slicer.app.applicationFilePath()
