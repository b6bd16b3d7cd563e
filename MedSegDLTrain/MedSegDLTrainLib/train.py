"""The training loop: a job in, events, checkpoints and averaged weights out."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from MedSegDLLib.errors import InputError
from MedSegDLLib.progress import CancelToken
from MedSegDLTrainLib.cases import read_cases
from MedSegDLTrainLib.checkpoints import (
    CHECKPOINT_FILE,
    TrainingState,
    load_checkpoint,
    new_state,
    save_checkpoint,
    update_average,
)
from MedSegDLTrainLib.job import Optimisation, TrainingJob, read_job
from MedSegDLTrainLib.losses import LOSSES, LossSums, loss_sums
from MedSegDLTrainLib.optimizers import SCHEDULES
from MedSegDLTrainLib.patches import Batch, PatchSampler
from MedSegDLTrainLib.progress import EventLog
from MedSegDLTrainLib.slices import AnnotatedSlice, slices_of
from MedSegDLTrainLib.tables import entry
from MedSegDLTrainLib.validate import patient_dice

JOB_FILE, EVENTS_FILE = "job.json", "events.jsonl"
_STEPS_BETWEEN_EVENTS = 20


def train(job_path: Path, run: Path, resume: bool = False, cancel: CancelToken | None = None) -> TrainingState:
    """Train as the job says; the run folder gets job.json, events.jsonl and last.pt.

    With `resume` a run that was stopped or killed goes on from its last checkpoint and ends with the same weights (on one
    machine's CPU) as one that was never stopped. Raises InputError for an unusable job, cases or run folder, and when the
    loss is not finite; Cancelled, with a checkpoint saved, when asked to stop.
    """
    job = read_job(job_path)
    rule = _rule(job)
    slices = _training_and_validation_slices(job, job_path.parent)
    state = _open_run(job, job_path, run, resume)
    sampler = PatchSampler(slices[0], _spacing_yx(job), job.sampling, job.augmentation, job.seed)
    _steps(rule, state, sampler, slices[1], run, cancel or CancelToken())
    return state


def _training_and_validation_slices(job: TrainingJob, base: Path) -> tuple[list[AnnotatedSlice], list[AnnotatedSlice]]:
    """Held-out cases are not even read."""
    folder = (base / job.cases).resolve()
    training, validation = [], []
    for case in read_cases(folder):
        if case.split != "test":
            left_out = case.split == "validation" or case.patient in job.validation_patients
            (validation if left_out else training).extend(slices_of(folder, case, job.preprocessing.normalisation))
    if not any(item.has_foreground for item in training):
        raise InputError(f"{folder} holds no training case with a label: add some first.")
    return training, validation


def _open_run(job: TrainingJob, job_path: Path, run: Path, resume: bool) -> TrainingState:
    state = new_state(job)
    if resume:
        if read_job(run / JOB_FILE) != job:
            raise InputError(f"The run in {run} was started with another job: start a new run.")
        if (run / CHECKPOINT_FILE).is_file():
            load_checkpoint(state, run)
        return state
    if run.exists() and any(run.iterdir()):
        raise InputError(f"{run} is not empty: resume it, or choose another folder.")
    run.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(job_path, run / JOB_FILE)
    return state


def _spacing_yx(job: TrainingJob) -> tuple[float, float]:
    x, y, _ = job.preprocessing.spacing
    if x is None or y is None:
        raise InputError("A training job needs an in-plane spacing in its preprocessing.")
    return y, x


@dataclass(frozen=True)
class _Rule:
    """How one step is taken: the job's numbers, with its loss and schedule looked up."""

    optimisation: Optimisation
    loss: Callable[[LossSums], Tensor]
    schedule: Callable[[float], float]
    validate_every: int


def _rule(job: TrainingJob) -> _Rule:
    schedule = entry(SCHEDULES, job.optimisation.schedule, "schedule")
    return _Rule(job.optimisation, entry(LOSSES, job.loss, "loss"), schedule, job.validate_every)


def _steps(
    rule: _Rule,
    state: TrainingState,
    sampler: PatchSampler,
    validation: list[AnnotatedSlice],
    run: Path,
    cancel: CancelToken,
) -> None:
    events, first, began = EventLog(run / EVENTS_FILE), state.step, time.monotonic()
    events.write("started", step=first, steps=rule.optimisation.steps)
    losses = []
    while state.step < rule.optimisation.steps:
        batch = sampler.batch(state.step)
        losses.append(_step(rule, state, batch))
        state.step += 1
        if state.step % _STEPS_BETWEEN_EVENTS == 0:
            seconds = (time.monotonic() - began) / (state.step - first)
            left = seconds * (rule.optimisation.steps - state.step)
            events.write("step", step=state.step, loss=statistics.fmean(losses), seconds_per_step=seconds, seconds_left=left)
            losses.clear()
        if cancel.cancelled or state.step % rule.validate_every == 0 or state.step == rule.optimisation.steps:
            save_checkpoint(state, run)
            events.write("checkpoint", step=state.step)
            cancel.check()
            _validate(state, validation, events)
    events.write("finished", step=state.step)


def _step(rule: _Rule, state: TrainingState, batch: Batch) -> float:
    optimisation = rule.optimisation
    rate = optimisation.learning_rate * rule.schedule(state.step / optimisation.steps)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.network.train()
    images = batch.images.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=optimisation.precision == "bfloat16"):
        logits = state.network(images)
    loss = rule.loss(loss_sums(logits.float(), batch.labels))
    if not torch.isfinite(loss):
        raise InputError(
            f"The loss is not finite at step {state.step} (cases {', '.join(batch.cases)}): lower the learning rate."
        )
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if optimisation.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), optimisation.clip_norm)
    state.optimizer.step()
    update_average(state, optimisation.average_decay)
    return loss.item()


def _validate(state: TrainingState, validation: list[AnnotatedSlice], events: EventLog) -> None:
    if validation:
        dice = patient_dice(state.average, validation)
        events.write("validation", step=state.step, dice=dice, mean=statistics.fmean(dice.values()))
