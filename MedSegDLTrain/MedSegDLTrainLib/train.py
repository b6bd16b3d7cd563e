"""A training run: a job in; events, checkpoints and the best weights out."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from MedSegDLLib.atomic import why
from MedSegDLLib.device import find_device, is_device_failure, is_out_of_memory, memory_text
from MedSegDLLib.errors import Cancelled, DeviceError, InputError, OutputError
from MedSegDLLib.failures import sentence_of
from MedSegDLLib.networks import build_network
from MedSegDLLib.progress import CancelToken
from MedSegDLLib.strict_json import to_json
from MedSegDLTrainLib.cases import check_there, read_case_list, read_dataset
from MedSegDLTrainLib.checkpoints import TrainingState, load_checkpoint, new_state
from MedSegDLTrainLib.division import Division, counted, divided
from MedSegDLTrainLib.job import TrainingJob, localised, read_job, write_job
from MedSegDLTrainLib.loader import batches, is_loader_failure
from MedSegDLTrainLib.loop import Loop, LoopParts, StopRequests
from MedSegDLTrainLib.losses import LOSSES
from MedSegDLTrainLib.optimizers import OPTIMIZERS
from MedSegDLTrainLib.patches import Batch, PatchSource
from MedSegDLTrainLib.prepared import PreparedCase, check_labelled, labels_of_job, nothing_to_learn, prepared_one_by_one
from MedSegDLTrainLib.progress import EventLog, Listener
from MedSegDLTrainLib.run_folder import (
    EVENTS_FILE,
    JOB_FILE,
    check_unused,
    clear,
    owned,
    sweep,
    withdraw_request,
)
from MedSegDLTrainLib.run_model import table_of
from MedSegDLTrainLib.run_plan import Trials, judged_alike, plan_of, with_cases
from MedSegDLTrainLib.start import check_start, first_state
from MedSegDLTrainLib.steps import Stepper
from MedSegDLTrainLib.tables import entry
from MedSegDLTrainLib.validate import Validator

_MOST_PROCESSES = 8
_TRIAL_STEPS, _TRIAL_SECONDS = 12, 30.0  # of which the first two, which set things up, do not count


@dataclass(frozen=True)
class Surroundings:
    """What changes nothing in a run's result on a CPU: device, loader processes, who listens and who may stop it."""

    device: str = "auto"
    processes: int = 0
    listeners: Sequence[Listener] = ()
    cancel: CancelToken = CancelToken()  # noqa: RUF009 (one that nobody cancels)
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.processes < 0:
            raise InputError(
                f"{self.processes} processes cannot prepare patches: give 0 for none beside the training, or more."
            )


def train(job_path: Path, run: Path, resume: bool = False, around: Surroundings = Surroundings()) -> TrainingState:
    """Train as the job says; what the run folder gets is told in run_folder.py.

    The folder is new, empty, or that of a run that never took a step, which makes room. With `resume` a run that was
    stopped or killed goes on from its last checkpoint and ends, on one machine's CPU, with the same losses and weights as
    one that never was. Raises InputError for an unusable job, cases or run folder and when the loss is not finite,
    ModelError for an unusable model to start from, DeviceError if there is too little memory, Cancelled, with a checkpoint
    saved, when asked to stop.
    """
    job = checked(localised(read_job(job_path), job_path.parent))
    if not resume:
        check_unused(run)
        check_start(job)
    _make_folder(run, resume)
    with owned(run):
        _adopt(job, run, resume)
        events = EventLog(run / EVENTS_FILE, around.listeners)
        stop = StopRequests(run, around.cancel)
        try:
            return _trained(job, run, around, events, stop)
        except Cancelled as reason:
            _last_word(events, "paused", str(reason))
            raise
        except Exception as reason:
            _last_word(events, "failed", sentence_of(reason))
            raise


def _last_word(events: EventLog, event: str, reason: str) -> None:
    """Why a run ends, if it can be written: the disk may be full, or the folder gone."""
    with suppress(OutputError):
        events.write(event, reason=reason)


def usual_processes(device: str) -> int:
    """Loader processes that suit a device of this computer: none beside a training on the CPU, which they would slow down."""
    return 0 if find_device(device).type == "cpu" else min(max((os.cpu_count() or 1) - 1, 0), _MOST_PROCESSES)


def checked(job: TrainingJob) -> TrainingJob:
    """The job, if `check_settings` passes and somebody with a label is there to train on; raises InputError if not."""
    folder = Path(job.cases)
    check_there(folder)
    check_settings(job)
    check_labelled(folder, divided(read_case_list(folder), job.validation).training, job)
    return job


def check_settings(job: TrainingJob) -> None:
    """Raise InputError or ModelError unless every name in a job is known and its network can be built."""
    for table, key, what in (
        (LOSSES, job.loss, "loss"),
        (OPTIMIZERS, job.optimisation.optimizer, "optimiser"),
    ):
        entry(table, key, what)
    labels_of_job(job, read_dataset(Path(job.cases)))
    with torch.device("meta"):  # without memory for its weights
        dimensions = build_network(job.network).dimensions
    if (dimensions == 2) != (job.sampling.patch_size[2] == 1):
        raise InputError(
            f"The network '{job.network.key}' has {dimensions} dimensions: patch_size must have z = 1 if these are 2."
        )


def _make_folder(run: Path, resume: bool) -> None:
    if resume and not (run / JOB_FILE).is_file():
        raise InputError(f"{run} holds no run to go on with: leave out --resume to begin one.")
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise OutputError(f"{run} cannot be made: {why(reason)}.") from reason


def _adopt(job: TrainingJob, run: Path, resume: bool) -> None:
    """Begin with, or go on with, the run of `job`."""
    withdraw_request(run)
    sweep(run)
    if not resume:
        clear(run)
    there = read_job(run / JOB_FILE) if resume else None
    if there == job:
        return
    if there is not None and not _moved(there, job):
        differing = ", ".join(_differing(to_json(there), to_json(job)))
        raise InputError(f"The run in {run} was started with another job (it differs in {differing}): start a new run.")
    write_job(replace(there, cases=job.cases) if there else job, run / JOB_FILE)


def _differing(one: dict, other: dict, within: str = "") -> Iterator[str]:
    """Dotted names of what is not the same in two documents with the same keys."""
    for key in [key for key in one if one[key] != other.get(key)]:
        if isinstance(one[key], dict) and isinstance(other.get(key), dict):
            yield from _differing(one[key], other[key], f"{within}{key}.")
        else:
            yield f"{within}{key}"
    yield from (f"{within}{key}" for key in other if key not in one)


def _moved(there: TrainingJob, job: TrainingJob) -> bool:
    """Whether two jobs differ in places only.

    The case folder may have moved from where it was; the model that the run started from is needed no more.
    """
    same = replace(there, cases=job.cases, start_from=job.start_from) == job
    same_cases = there.cases == job.cases or not Path(there.cases).exists()
    return same and same_cases and Path(there.start_from).name == Path(job.start_from).name


def _trained(job: TrainingJob, run: Path, around: Surroundings, events: EventLog, stop: CancelToken) -> TrainingState:
    began, folder, device = time.monotonic(), Path(job.cases), find_device(around.device)
    division = divided(read_case_list(folder), job.validation)
    source = PatchSource(_prepared(folder, division, job, events, stop), job)
    with _explained(job, device):
        state, start = first_state(job, run, device, lambda model, text: events.write("taken_over", model=model, text=text))
        trial = batches(source, job, 0, _TRIAL_STEPS, device, around.processes)
        validator = Validator(job, folder, table_of(job, folder), division.validation, str(device))
        weights = state.published.state_dict()
        trials = Trials(lambda: _seconds_per_step(job, trial, device, stop), lambda: validator.expected_seconds(weights, stop))
        plan = plan_of(job, run, trials, started_from_all=start is not None, began=began)
        load_checkpoint(state, run, lambda text: events.write("warning", text=text))
        plan = with_cases(plan, division.training, run, events)
        plan = judged_alike(plan, state.tally, validator, run, events, stop)
        facts, expected = _facts(job, state, division, device), plan.validation_seconds or 0.0
        parts = LoopParts(job, run, plan.steps, validator, events, stop, around.checkpoint_seconds, start, expected, facts)
        stepper = Stepper(job, state, device)
        steps = batches(source, job, state.tally.step, plan.steps, device, around.processes)
        Loop(parts, state).run(steps, stepper.step)
    return state


@contextmanager
def _explained(job: TrainingJob, device: torch.device) -> Iterator[None]:
    """What goes wrong with memory, device or loader processes becomes a DeviceError."""
    try:
        yield
    except (RuntimeError, MemoryError) as reason:
        if is_loader_failure(reason):
            raise DeviceError(
                "A process that prepares patches was killed, as systems do when memory runs out: go on with --resume and "
                "fewer --processes."
            ) from reason
        if is_out_of_memory(reason):
            raise DeviceError(too_large(job, device)) from reason
        if is_device_failure(reason):
            first_line = str(reason).partition("\n")[0]
            raise DeviceError(f"The device {device} failed ({first_line}): go on with --resume, or choose cpu.") from reason
        raise


def _prepared(folder: Path, division: Division, job: TrainingJob, events: EventLog, stop: CancelToken) -> list[PreparedCase]:
    cases = []
    events.write("preparing", case="", done=0, of=len(division.training))
    for case in prepared_one_by_one(folder, division.training, job, lambda text: events.write("warning", text=text)):
        stop.check()
        cases.append(case)
        events.write("preparing", case=case.name, done=len(cases), of=len(division.training))
    if not any(len(case.positions) for case in cases):
        raise InputError(nothing_to_learn(folder))
    return cases


def _seconds_per_step(job: TrainingJob, trial: Generator[Batch], device: torch.device, stop: CancelToken) -> float:
    """Of some steps with weights that are thrown away, patches included; raises Cancelled within one of them."""
    stepper = Stepper(job, new_state(job, device), device)
    began, times = time.monotonic(), []
    with closing(trial):
        for number, batch in enumerate(trial):
            stop.check()
            stepper.step(batch, number, _TRIAL_STEPS)
            times.append(time.monotonic() - began)
            if times[-1] > _TRIAL_SECONDS and len(times) > 3:
                break
    return (times[-1] - times[1]) / (len(times) - 2)


def _facts(job: TrainingJob, state: TrainingState, division: Division, device: torch.device) -> dict:
    return {
        "device": str(device),
        "precision": job.optimisation.precision,
        "parameters": sum(parameter.numel() for parameter in state.network.parameters()),
        "training": counted(division.training),
        "validation": counted(division.validation),
        "held_out": counted(division.held_out),
    }


def too_large(job: TrainingJob, device: torch.device) -> str:
    """What to do when a batch does not fit into the memory of `device`, with numbers."""
    sampling, parts = job.sampling, job.optimisation.accumulation
    at_once, memory = -(-sampling.batch_size // parts), memory_text(device)
    size, smaller = ("×".join(map(str, lengths)) for lengths in (sampling.patch_size, _smaller(sampling.patch_size)))
    advice = f"set patch_size to {smaller}"
    if at_once > 1:
        advice = f"set accumulation to {parts * 2} ({-(-at_once // 2)} at a time, with the same result), or {advice}"
    where = f"{device} ({memory})" if memory else str(device)
    return f"{at_once} patches of {size} voxels at a time do not fit into the memory of {where}: {advice}."


def _smaller(patch_size: tuple[int, ...]) -> tuple[int, ...]:
    """Three quarters of each length, in whole sixteenths where there are any."""
    return tuple(max(length * 3 // 4 // 16 * 16, min(length, 16)) for length in patch_size)
