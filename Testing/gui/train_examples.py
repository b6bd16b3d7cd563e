"""Case folders, jobs and runs for the tests of MedSegDLTrain's panel: small, made at once, without torch."""

from __future__ import annotations

import functools
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MedSegDLLib.files import read_image, write_image, write_labelmap
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import LabelTable, write_label_table
from MedSegDLLib.model_card import Postprocessing
from MedSegDLLib.phantom import CinePhantom, cine_phantom
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.segmentation_file import write_segmentation
from MedSegDLLib.strict_json import write_json
from MedSegDLTrainLib.case_folder import content_of
from MedSegDLTrainLib.cases import Case, image_path, label_path, write_cases
from MedSegDLTrainLib.job import TrainingJob, read_job, write_job
from MedSegDLTrainLib.progress import EventLog
from MedSegDLTrainLib.run_folder import (
    EVENTS_FILE,
    JOB_FILE,
    PLAN_FILE,
    VALIDATION_FILE,
    BestValidation,
    CaseRows,
    Plan,
    owned,
    request_to,
    withdraw_request,
)
from MedSegDLTrainLib.thumbnails import drawn

ROOT = Path(__file__).parents[2]
LABEL = "Left ventricle"
REASONS = {
    "cases": "3 cases of 3 patients to train on; none held out",
    "start_from": "the weights of lv_cine_mr are taken over, the last layer's by label name",
    "network": "that of lv_cine_mr, so that its weights fit",
    "sampling.batch_size": "600 steps in 5 minutes (0.41 s a step) fit",
    "optimisation.learning_rate": "a quarter of 0.002: trained weights need to move little",
    "optimisation.minutes": "asked for",
}


@functools.cache
def phantom() -> CinePhantom:
    """Frames of a small beating heart."""
    return cine_phantom(frames=4, slices=3)


def labels_of(number: int) -> LabelMap:
    """The left ventricle of a frame of the phantom, as value 1."""
    value = next(label.value for label in phantom().labels.labels if label.name == LABEL)
    labelmap = phantom().labelmaps[number % 4]
    return replace(labelmap, array=(labelmap.array == value).astype(np.uint8))


def label_table() -> LabelTable:
    return LabelTable(tuple(replace(label, value=1) for label in phantom().labels.labels if label.name == LABEL))


def write_case_folder(folder: Path, statuses: tuple[str, ...] = ("approved", "corrected", "corrected", "approved")) -> Path:
    """Cases scan-1, scan-2 … of patients P1, P2 …; the second is validated on, the fourth held out."""
    splits = ("train", "validation", "train", "test")
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    cases = [
        Case(f"scan-{n}", f"P{n}", splits[(n - 1) % 4], status, 1, f"scan-{n}.nrrd", content_of(phantom().images[(n - 1) % 4]))
        for n, status in enumerate(statuses, 1)
    ]
    for number, case in enumerate(cases):
        write_image(phantom().images[number % 4], image_path(folder, case))
        write_labelmap(labels_of(number), label_path(folder, case))
    write_cases(folder, cases, {LABEL: 1}, "MR")
    write_label_table(label_table(), folder / "labels.csv")
    return folder


def example_job(cases: Path) -> TrainingJob:
    """The job of the model that comes with MedSegDL, on other cases and with reasons."""
    job = read_job(ROOT / "models_zoo" / "lv_cine_mr" / "job.json")
    own = {"cases": str(cases.resolve()), "labels": (LABEL,), "postprocessing": Postprocessing()}
    return replace(job, **own, reasons=REASONS, start_from="lv_cine_mr")


def write_prediction(image: Path, path: Path) -> Path:
    """What a model might have made of an image."""
    labelmap = replace(labels_of(1), geometry=read_image(image).geometry)
    write_segmentation(Segmentation(labelmap, label_table()), path)
    return path


def write_report(run: Path) -> None:
    """A page and two pictures where the real report has them."""
    folder = run / "report"
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(("worst_1", "best_1")):
        grey, labels = phantom().images[number].array[0], labels_of(number).array
        tiles = [drawn(grey[z], labels[z], (1.4, 1.4), label_table()) for z in range(len(grey))]
        sitk.WriteImage(sitk.GetImageFromArray(np.hstack(tiles), isVector=True), str(folder / f"{name}.png"))
    (folder / "report.html").write_text("<h1>Report</h1>", encoding="utf-8")


class EventsOfARun:
    """A run's folder as a training writes it, event by event."""

    def __init__(self, run: Path, steps: int) -> None:
        self.run, self.steps = run, steps

    def begin(self, job: Path) -> EventLog:
        """A folder with job, plan and the first event; the log to go on with."""
        self.run.mkdir(parents=True, exist_ok=True)
        if not (self.run / JOB_FILE).is_file():
            write_job(read_job(job), self.run / JOB_FILE)
        write_json(Plan(self.steps, 0.05), self.run / PLAN_FILE)
        log = EventLog(self.run / EVENTS_FILE)
        log.write("started", step=0, steps=self.steps, resumed=False, device="cpu", precision="float32", parameters=30)
        return log

    def step(self, log: EventLog, step: int) -> None:
        """One step, and each tenth time a validation."""
        left = 0.05 * (self.steps - step)
        log.write("step", step=step, loss=0.2 + 1 / step, rate=0.01, seconds_per_step=0.05, seconds_left=left)
        if step % 10 == 0:
            self.validate(log, step)

    def validate(self, log: EventLog, step: int) -> None:
        """Patient P2 a little better each time."""
        score = 0.95 - 2 / (step + 10)
        log.write(
            "validation", step=step, metric="dice", score=score, best=True, patients={"P2": score}, seconds=1.0, blend=None
        )
        row = {"name": LABEL, "dice": score, "reference_volume_ml": 118.2, "prediction_volume_ml": 123.7}
        best = BestValidation(step, "dice", score, {"scan-2": CaseRows("P2", (row,))})
        write_json(best, self.run / VALIDATION_FILE)

    def go_on(self, job: Path) -> None:
        """Train: a step each 50 ms, from the last one on, listening to what is asked."""
        before = [json.loads(line) for line in self._told()]
        done = max((event["step"] for event in before if event["event"] == "step"), default=0)
        self.run.mkdir(parents=True, exist_ok=True)
        with owned(self.run):
            log = self.begin(job)
            for step in range(done + 1, self.steps + 1):
                self.step(log, step)
                if self._waits(log, step):
                    return
                time.sleep(0.05)
            log.write("finished", step=self.steps, best_step=self.steps, best_score=0.91, seconds=2.0)

    def _waits(self, log: EventLog, step: int) -> bool:
        """Wait while a pause is asked for; whether a stop is."""
        if request_to(self.run) == "pause":
            log.write("paused", step=step, reason="asked to pause")
            while request_to(self.run) == "pause":
                time.sleep(0.02)
        if request_to(self.run) != "stop":
            return False
        withdraw_request(self.run)
        log.write("paused", step=step, reason="asked to stop")
        return True

    def _told(self) -> list[str]:
        path = self.run / EVENTS_FILE
        return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def write_run(folder: Path, cases: Path, steps: int = 40, done: int = 40) -> Path:
    """A run on the cases after `done` steps; nobody works on it, so it is finished or was killed."""
    events = EventsOfARun(folder, steps)
    job = folder.with_name(f"{folder.name}-job.json")
    write_job(example_job(cases), job)
    log = events.begin(job)
    for step in range(1, done + 1):
        events.step(log, step)
    if done == steps:
        log.write("finished", step=steps, best_step=steps, best_score=0.91, seconds=2.0)
    job.unlink()
    return folder
