"""Memory of a long training: resident size of the process during 2,000 steps on 200 cases."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from MedSegDLLib.files import write_image, write_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.model_card import Inference, NetworkSpec, Normalisation, Preprocessing
from MedSegDLTrainLib.cases import Case, image_path, label_path, write_cases
from MedSegDLTrainLib.job import Augmentation, Optimisation, Sampling, TrainingJob, write_job
from MedSegDLTrainLib.train import Surroundings, train
from Testing.benchmarks.fresh_process import in_fresh_process, leave, status_mib
from Testing.benchmarks.results import Result
from Testing.benchmarks.rounds import Measured

CASES, STEPS, SETTLED = 200, 2000, 500
EVERYTHING = Augmentation(
    scale=(0.8, 1.25), rotation_degrees=15, tilt_degrees=15, elastic_mm=2, gamma=(0.7, 1.4), contrast=(0.8, 1.2),
    brightness=0.2, bias_field=0.2, blur_pixels=1, motion_blur_pixels=3, low_resolution=2, noise=0.1,
)  # fmt: skip


def _write_cases(folder: Path) -> None:
    random = np.random.default_rng(0)
    cases = [Case(f"c{n}", f"P{n}", "train") for n in range(CASES)]
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    geometry = Geometry((40, 40, 40), (1.0, 1.0, 1.0))
    for case in cases:
        image = random.normal(size=(1, 40, 40, 40)).astype(np.float32)
        write_image(Image(image, geometry), image_path(folder, case))
        write_labelmap(LabelMap((image[0] > 1).astype(np.uint8), geometry), label_path(folder, case))
    write_cases(folder, cases, {"bright": 1}, "MR")


def _job(folder: Path) -> TrainingJob:
    return TrainingJob(
        cases=str(folder),
        network=NetworkSpec("no_new_net", 1, 2, {"features_per_stage": (4, 8)}),
        preprocessing=Preprocessing("LPS", (1.0, 1.0, 1.0), Normalisation("zscore")),
        sampling=Sampling((24, 24, 24), 2, "foreground"),
        augmentation=EVERYTHING,
        optimisation=Optimisation(1e-3, epochs=STEPS // 250, steps_per_epoch=250),
        inference=Inference((24, 24, 24), "softmax"),
        loss="dice_and_cross_entropy",
        seed=0,
    )


@dataclass(frozen=True)
class MemorySetting:
    """There is one; `text` is it in words."""

    text: str = f"training of {STEPS} steps on {CASES} cases"


@dataclass(frozen=True)
class MemoryRun:
    """Resident size once the training has settled (after 500 steps), and at its end; `seconds` of the whole."""

    figures: ClassVar = ("settled_mib", "peak_mib")
    approach: str
    seconds: float
    settled_mib: float
    peak_mib: float

    @property
    def text(self) -> str:
        return f"{self.settled_mib:.1f} MiB, at the end {self.peak_mib:.1f} MiB"


def measure_memory(approach: str, setting: MemorySetting) -> tuple[MemoryRun, None]:
    """Train in a fresh process."""
    run, _ = in_fresh_process("Testing.benchmarks.training_memory", approach, setting.text)
    return MemoryRun(**run), None


def training_memory_results(measured: Measured) -> dict[str, Result]:
    """How much the process has grown."""
    end, settled = (measured.median("ours", figure) for figure in ("peak_mib", "settled_mib"))
    return {"training_memory_growth": Result(end / settled - 1, None, "of the settled size", 0.02)}


def _run(approach: str) -> MemoryRun:
    told: dict[int, float] = {}

    def listen(event: dict) -> None:
        if event["event"] == "step" and event["step"] in (SETTLED, STEPS):
            told[event["step"]] = status_mib("VmRSS")

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        cases = Path(folder) / "cases"
        _write_cases(cases)
        write_job(_job(cases), Path(folder) / "job.json")
        train(Path(folder) / "job.json", Path(folder) / "run", around=Surroundings(device="cpu", listeners=[listen]))
    return MemoryRun(approach, time.perf_counter() - began, told[SETTLED], told[STEPS])


if __name__ == "__main__":
    leave(_run(sys.argv[1]), None, sys.argv[3])
