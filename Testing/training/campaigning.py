"""What tests of campaigns share: a job on patients without images, and a trainer that knows each result at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from MedSegDLLib.errors import InputError
from MedSegDLLib.strict_json import write_json
from MedSegDLTrainLib.campaigns.campaign import Place, division_of
from MedSegDLTrainLib.cases import Case, write_cases
from MedSegDLTrainLib.job import TrainingJob, read_job, write_job
from MedSegDLTrainLib.progress import EventLog
from MedSegDLTrainLib.run_folder import EVENTS_FILE, JOB_FILE, VALIDATION_FILE, BestValidation, CaseRows

LABELS = {"left": 1, "right": 2}


def write_job_of_patients(folder: Path, cases: Sequence[Case] | None = None, **optimisation: object) -> Path:
    """A job beside its case folder: ten patients to train on, two to validate on and one held out, unless `cases` are given."""
    if cases is None:
        cases = [Case(f"c{number}", f"P{number}", "train") for number in range(10)]
        cases += [Case("v0", "V0", "validation"), Case("v1", "V1", "validation"), Case("t", "T", "test")]
    (folder / "cases").mkdir(parents=True)
    write_cases(folder / "cases", cases, LABELS, "MR")
    job = {
        "cases": "cases",
        "network": {"key": "unet_2d", "in_channels": 1, "out_channels": 3, "numbers": {"features_per_stage": [8, 16, 32]}},
        "preprocessing": {"orientation": "slices", "spacing": [2.0, 2.0, None], "normalisation": {"method": "zscore"}},
        "sampling": {"patch_size": [16, 16, 1], "batch_size": 4, "sampler": "slices"},
        "loss": "dice_and_cross_entropy",
        "optimisation": {"epochs": 4, "steps_per_epoch": 25, "learning_rate": 0.001, "weight_decay": 1e-4} | optimisation,
        "inference": {"patch_size": [16, 16, 1], "activation": "softmax"},
        "seed": 3,
    }
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    return path


class FakeTrainer:
    """Ends every training at once with `score(job)`, or with a failure if that is None.

    At the calls whose numbers (from 1) are in `kills` it is gone in the middle; `calls` are (name of the run, resume).
    """

    def __init__(self, score: Callable[[TrainingJob], float | None], kills: Sequence[int] = (), seconds: float = 240.0) -> None:
        self._score, self._kills, self._seconds, self.calls = score, kills, seconds, []

    def __call__(self, job_path: Path, run: Path, resume: bool) -> None:
        self.calls.append((run.name, resume))
        assert resume == run.is_dir(), "a run that exists is resumed, another one is not"
        run.mkdir(exist_ok=True)
        job = read_job(job_path)
        write_job(job, run / JOB_FILE)
        events = EventLog(run / EVENTS_FILE)
        events.write("started", step=0, steps=100)
        if len(self.calls) in self._kills:
            raise KeyboardInterrupt
        score = self._score(job)
        if score is None:
            events.write("failed", step=7, reason="The loss is not finite.")
            raise InputError("The loss is not finite.")
        write_json(BestValidation(90, job.validation.metric, score, _rows(job, score)), run / VALIDATION_FILE)
        events.write("finished", step=100, best_step=90, best_score=score, seconds=self._seconds)


def place_for(folder: Path, trainer: FakeTrainer, told: list[str] | None = None) -> Place:
    """`folder` with a trainer; what it tells goes into `told`."""
    return Place(folder, trainer, (told if told is not None else []).append)


def _rows(job: TrainingJob, score: float) -> dict[str, CaseRows]:
    """left as good as `score`, right a tenth worse."""
    rows = [
        {"name": name, "dice": dice, "jaccard": dice / (2 - dice)} for name, dice in (("left", score), ("right", score - 0.1))
    ]
    return {case.name: CaseRows(case.patient, tuple(rows)) for case in division_of(job).validation}
