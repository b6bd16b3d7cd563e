"""What a run begins with: fresh weights, or those of a model, kept in the run's folder, which then needs the model no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from MedSegDLLib.checkpoint import load_model
from MedSegDLLib.zoo import find_model
from MedSegDLTrainLib.cases import read_dataset
from MedSegDLTrainLib.checkpoints import (
    TrainingState,
    Weights,
    new_state,
    read_checkpoint,
    restart_average,
    write_checkpoint,
)
from MedSegDLTrainLib.job import TrainingJob
from MedSegDLTrainLib.prepared import labels_of_job
from MedSegDLTrainLib.run_folder import START_FILE
from MedSegDLTrainLib.transfer import account, any_fresh, take_over


def check_start(job: TrainingJob) -> None:
    """Raise ModelError if the model of `job.start_from` is not there, is damaged, or nothing of it fits."""
    if job.start_from:
        _taken(job, new_state(job), lambda model, text: None)


def first_state(
    job: TrainingJob, run: Path, device: torch.device, taken_over: Callable[[str, str], None]
) -> tuple[TrainingState, Weights | None]:
    """The state before the first step, and the weights that trained ones may be blended with (None: some are fresh).

    `taken_over` gets the model's id and an account of what was taken, once a run. Raises ModelError if the model of
    `job.start_from` is not there or nothing of it fits.
    """
    state = new_state(job, device)
    if not job.start_from:
        return state, None
    if not (run / START_FILE).is_file():
        write_checkpoint(_taken(job, state, taken_over), run / START_FILE)
    saved = read_checkpoint(run / START_FILE)
    state.network.load_state_dict(saved["weights"])
    restart_average(state, job.optimisation.average_decay)
    return state, saved["weights"] if saved["blendable"] else None


def start_folder(job: TrainingJob) -> Path:
    """Where the model lies that a job starts from, whose paths are `localised`; raises ModelError if the zoo has none."""
    return Path(job.start_from) if Path(job.start_from).is_absolute() else find_model(job.start_from)


def _taken(job: TrainingJob, state: TrainingState, taken_over: Callable[[str, str], None]) -> dict:
    model = load_model(start_folder(job))
    taken = take_over(state.network, labels_of_job(job, read_dataset(Path(job.cases))), model)
    taken_over(model.card.id, account(taken))
    return {"weights": state.network.state_dict(), "blendable": not any_fresh(taken)}
