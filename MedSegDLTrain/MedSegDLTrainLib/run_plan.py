"""What is fixed when a run begins, and what has changed about its cases when it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from MedSegDLLib.progress import CancelToken
from MedSegDLLib.strict_json import write_json
from MedSegDLTrainLib.cases import Case
from MedSegDLTrainLib.checkpoints import BEST_FILE, Tally, read_checkpoint
from MedSegDLTrainLib.job import TrainingJob
from MedSegDLTrainLib.progress import EventLog
from MedSegDLTrainLib.run_folder import PLAN_FILE, VALIDATION_FILE, Plan, read_best, read_plan
from MedSegDLTrainLib.validate import Validator


@dataclass(frozen=True)
class Trials:
    """What is tried where a run has minutes: seconds of a step, and of a validation of all its cases."""

    step: Callable[[], float]
    validation: Callable[[], float]


def plan_of(job: TrainingJob, run: Path, trials: Trials, started_from_all: bool, began: float) -> Plan:
    """The plan of a run, kept in its folder: schedules depend on the number of steps, which is therefore fixed once.

    `started_from_all`: there will be blends with the weights of the start; `began`: when work on the run did, monotonic.
    """
    if (run / PLAN_FILE).is_file():
        return read_plan(run)
    plan = Plan(job.optimisation.epochs * job.optimisation.steps_per_epoch)
    if job.optimisation.minutes is not None:
        step, validation = trials.step(), trials.validation()
        judged = judged_at_the_end(job, started_from_all)
        plan = fitting(job, step, validation, judged, time.monotonic() - began)
    write_json(plan, run / PLAN_FILE)
    return plan


def judged_at_the_end(job: TrainingJob, started_from_all: bool) -> int:
    """How many weights are validated after the last step: the trained ones, and their blends with those of the start."""
    return 1 + len(job.optimisation.blends) * started_from_all


def with_cases(plan: Plan, cases: Sequence[Case], run: Path, events: EventLog) -> Plan:
    """The plan with the cases that are trained on now; a warning tells if they were others when the run began."""
    now = _versions(cases)
    if plan.cases not in (None, now):
        text = f"Cases have changed since the run began ({_changed(plan.cases, now)}): it goes on with them as they are now."
        events.write("warning", text=text)
    if plan.cases != now:
        plan = replace(plan, cases=now)
        write_json(plan, run / PLAN_FILE)
    return plan


def judged_alike(plan: Plan, tally: Tally, validator: Validator, run: Path, events: EventLog, stop: CancelToken) -> Plan:
    """The plan with the cases that are validated on now, and in `tally` how good the best weights so far are on them.

    If they were others before, those weights are validated anew: what they scored then cannot be compared with what later
    ones will score. validation.json knows better than the checkpoint, which follows it and may be missing after a kill.
    Raises InputError if what the run keeps is damaged, Cancelled.
    """
    now = _versions(validator.cases)
    if plan.validation not in (None, now) and (run / VALIDATION_FILE).is_file():
        told = _judged_anew(validator, run, stop)
        text = f"Cases to validate on have changed since the run began ({_changed(plan.validation, now)}): {told}."
        events.write("warning", text=text)
    best = read_best(run) if (run / VALIDATION_FILE).is_file() else None
    tally.best_step, tally.best_score = (best.step, best.score) if best else (0, None)
    if plan.validation != now:
        plan = replace(plan, validation=now)
        write_json(plan, run / PLAN_FILE)
    return plan


def _judged_anew(validator: Validator, run: Path, stop: CancelToken) -> str:
    """Validate the best weights so far on the cases of now, and say what came of it."""
    best = read_best(run)
    result = validator(read_checkpoint(run / BEST_FILE)["weights"], stop) if validator.cases else None
    if result is None or result.score is None:
        (run / VALIDATION_FILE).unlink()
        return "they have nothing to measure the best weights so far by, which are forgotten"
    write_json(replace(best, score=result.score, cases=result.cases), run / VALIDATION_FILE)
    return f"the best weights so far, of step {best.step}, had {best.score:.3f} and have {result.score:.3f} on those of now"


def _versions(cases: Sequence[Case]) -> dict[str, int]:
    return {case.name: case.version for case in cases}


def _changed(before: dict[str, int], now: dict[str, int]) -> str:
    return ", ".join(sorted(name for name in {*before, *now} if before.get(name) != now.get(name)))


def fitting(job: TrainingJob, step: float, validation: float, judged: int, spent: float) -> Plan:
    """As many whole epochs as fit into the job's minutes, at least one, with what takes the rest of them.

    `step` and `validation`: seconds of one. The `judged` validations at the end get up to half of the minutes, those
    before it the job's share of what is left; `spent` is gone.
    """
    how = job.optimisation
    left = how.minutes * 60 - spent - min(judged * validation, how.minutes * 30)
    seconds = left * (1 - job.validation.share if validation else 1.0)
    epochs = max(int(seconds / step / how.steps_per_epoch), 1)
    return Plan(epochs * how.steps_per_epoch, round(step, 5), validation_seconds=round(validation, 2))
