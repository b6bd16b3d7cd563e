"""Memory of a long training: resident size of the process during 2,000 steps on 200 cases.

`python -m Testing.benchmarks.training_memory` prints MiB as JSON: anonymous memory, which is the program's own, and the whole
resident size, to which pages of the cases' files belong that the kernel may take back.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import numpy as np

from MedSegDLLib.files import write_image, write_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.model_card import Inference, NetworkSpec, Normalisation, Preprocessing
from MedSegDLTrainLib.cases import Case, image_path, label_path, write_cases
from MedSegDLTrainLib.job import Augmentation, Optimisation, Sampling, TrainingJob, write_job
from MedSegDLTrainLib.train import Surroundings, train

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


def _resident_mib() -> dict[str, float]:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return {name: int(re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[1]) / 1024 for name in ("RssAnon", "VmRSS")}


def measured() -> dict[str, dict[str, float]]:
    """MiB once the training has settled, and at its end."""
    told: dict[str, dict[str, float]] = {}

    def listen(event: dict) -> None:
        if event["event"] == "step" and event["step"] in (SETTLED, STEPS):
            told["settled" if event["step"] == SETTLED else "end"] = _resident_mib()

    with tempfile.TemporaryDirectory() as folder:
        cases = Path(folder) / "cases"
        _write_cases(cases)
        write_job(_job(cases), Path(folder) / "job.json")
        train(Path(folder) / "job.json", Path(folder) / "run", around=Surroundings(device="cpu", listeners=[listen]))
    return told


if __name__ == "__main__":
    print(json.dumps(measured()))
