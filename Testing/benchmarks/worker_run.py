"""A segmentation as Slicer gets it: what it costs beyond the engine's own time, with a warm process and with files.

The model is one feature wide, so that its network is next to nothing. "ours" is the second and further segmentations of one
WorkerClient. The others are what SlicerNNUnet does for each volume (SegmentationLogic.startSegmentation: exportNode into a
temporary folder, a new process, loadSegmentation): write a file, start a process that loads torch and the model, segments
and writes a file, and read that. The engine is the same in all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import ClassVar

import numpy as np

from MedSegDLLib.files import read_labelmap, write_image
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from MedSegDLLib.model_card import Inference
from MedSegDLLib.options import SegmentOptions
from MedSegDLScene.interpreter import this_interpreter
from MedSegDLScene.worker_client import Request, WorkerClient
from Testing.benchmarks.fresh_process import in_fresh_process, leave
from Testing.benchmarks.results import Result
from Testing.benchmarks.rounds import Measured
from Testing.benchmarks.setting import SEED
from Testing.models import write_bright_model

FILE_SUFFIXES = {"files_gz": ".nii.gz", "files_plain": ".nii"}
WORKER_APPROACHES = ("ours", *FILE_SUFFIXES)
_TIMER = 0.01  # seconds between two polls, as in Slicer
_OPTIONS = SegmentOptions(device="cpu", precision="float32", overlap=0.0)


@dataclass(frozen=True)
class WorkerSetting:
    """A volume of `size`³ voxels float32, segmented `repeats` times with the warm process."""

    size: int = 256
    repeats: int = 7

    @property
    def text(self) -> str:
        return f"segmentation of {self.size}×{self.size}×{self.size} voxels by another process"


@dataclass(frozen=True)
class WorkerRun:
    """`seconds` from the image in memory to its label map in memory; `engine_seconds` of it in the engine's stages."""

    figures: ClassVar = ("engine_seconds", "overhead_seconds")
    approach: str
    seconds: float
    engine_seconds: float
    overhead_seconds: float

    @property
    def text(self) -> str:
        return f"{self.seconds:.3f} s, {1000 * self.overhead_seconds:.0f} ms of it beyond the engine's"


def measure_worker(approach: str, setting: WorkerSetting) -> tuple[WorkerRun, np.ndarray]:
    """Run `approach` in a fresh process; the array is the label map."""
    run, labels = in_fresh_process("Testing.benchmarks.worker_run", approach, json.dumps(asdict(setting)))
    return WorkerRun(**run), labels


def worker_results(measured: Measured) -> dict[str, Result]:
    """The overhead of the warm process against its goal in seconds, and against the faster way with files."""
    if any(not np.array_equal(measured.arrays["ours"], measured.arrays[approach]) for approach in FILE_SUFFIXES):
        raise ValueError("the approaches gave different labels")
    ours = measured.median("ours", "overhead_seconds")
    files = min(measured.median(approach, "overhead_seconds") for approach in FILE_SUFFIXES)
    return {
        "worker_overhead": Result(ours, None, "s", 0.05),
        "worker_overhead_files": Result(ours, files, "s", 1 / 10),
    }


def _run(approach: str, setting: WorkerSetting) -> tuple[WorkerRun, np.ndarray]:
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes to come: threads that wait for each other would disturb
    size = setting.size
    array = np.random.default_rng(SEED).standard_normal((1, size, size, size), dtype=np.float32)
    image = Image(array, Geometry((size, size, size)))
    with tempfile.TemporaryDirectory() as folder:
        model = write_bright_model(Path(folder), inference=Inference((size, size, 1), "sigmoid"))
        if approach == "ours":
            runs, labels = _warm(image, model, setting.repeats)
        else:
            seconds, engine, labels = _with_files(image, model, FILE_SUFFIXES[approach])
            runs = [(seconds, engine)]
    seconds, engine = median(run[0] for run in runs), median(run[1] for run in runs)
    overhead = median(whole - own for whole, own in runs)
    return WorkerRun(approach, seconds, engine, overhead), labels


def _warm(image: Image, model: Path, repeats: int) -> tuple[list[tuple[float, float]], np.ndarray]:
    """Seconds of each repeat, and the labels of the first segmentation; others are let go, as Slicer does with its copy."""
    client = WorkerClient(this_interpreter())
    try:
        labels = _ended(client, client.segment(image, model, _OPTIONS)).outcome.segmentation.labelmap.array
        return [_once(client, image, model) for _ in range(repeats)], labels
    finally:
        client.close()


def _once(client: WorkerClient, image: Image, model: Path) -> tuple[float, float]:
    start = time.perf_counter()
    outcome = _ended(client, client.segment(image, model, _OPTIONS)).outcome
    return time.perf_counter() - start, sum(outcome.report["seconds"].values())


def _ended(client: WorkerClient, request: Request) -> Request:
    while not request.ended:
        client.poll()
        time.sleep(_TIMER)
    if request.outcome is None:
        raise RuntimeError(request.failure.sentence)
    return request


def _with_files(image: Image, model: Path, suffix: str) -> tuple[float, float, np.ndarray]:
    interpreter, folder = this_interpreter(), model.parent
    source, output, report = folder / f"in{suffix}", folder / f"out{suffix}", folder / "report.json"
    command = [*interpreter.command, "-m", "MedSegDLLib", "segment", source, "--model", model.name, "--output", output]
    command += ["--report", report, "--device", "cpu", "--precision", "float32", "--overlap", "0"]
    start = time.perf_counter()
    write_image(image, source)
    subprocess.run(command, env={**interpreter.environment, "MEDSEGDL_MODELS": str(folder)}, check=True, capture_output=True)
    labels = read_labelmap(output).array
    seconds = time.perf_counter() - start
    return seconds, sum(json.loads(report.read_text(encoding="utf-8"))["seconds"].values()), labels


if __name__ == "__main__":
    leave(*_run(sys.argv[1], WorkerSetting(**json.loads(sys.argv[2]))), sys.argv[3])
