"""Campaigns: several trainings with one table as the result, resumable at any moment.

A campaign's folder has

    campaign.json     what the trainings are part of; another campaign in the same folder is refused
    jobs/NAME.json    the job of each training
    NAME/             its run folder
    results.csv, results.json   the table, written anew after each training

Finished trainings are never repeated, and an unfinished one goes on from its checkpoint.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from MedSegDLLib.atomic import why, written_beside
from MedSegDLLib.errors import Cancelled, DeviceError, InputError, OutputError
from MedSegDLLib.strict_json import read_json, to_json, write_json
from MedSegDLTrainLib.cases import read_case_list
from MedSegDLTrainLib.division import Division, divided
from MedSegDLTrainLib.job import TrainingJob, localised, read_job, write_job
from MedSegDLTrainLib.progress import last_events
from MedSegDLTrainLib.run_folder import EVENTS_FILE, JOB_FILE, VALIDATION_FILE, CaseRows, read_best

CAMPAIGN_FILE, JOBS_FOLDER = "campaign.json", "jobs"
TABLE_FILE, RESULTS_FILE = "results.csv", "results.json"

# Called as train_one(job file, run folder, resume); `train.train` is one.
TrainOne = Callable[[Path, Path, bool], object]
Row = dict[str, str | int | float | None]


@dataclass(frozen=True)
class Campaign:
    """campaign.json: everything that its trainings follow from, besides how many are wanted."""

    kind: str
    job: TrainingJob
    settings: dict[str, int | tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """One training of a campaign; `name` is that of its run folder."""

    name: str
    job: TrainingJob


@dataclass(frozen=True)
class Outcome:
    """How a training ended: its best validation, or the reason why it failed (then `score` is None).

    `seconds` is the time that it trained and validated; 0 if it failed. `cases` are the rows by case.
    """

    training: Training
    score: float | None
    step: int
    seconds: float
    cases: Mapping[str, CaseRows] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True)
class Place:
    """Where a campaign works, with what, and whom it tells how far it is.

    With `failures_count` a training that fails is a result like others instead of the end of the campaign.
    """

    folder: Path
    train_one: TrainOne
    tell: Callable[[str], None]
    failures_count: bool = False


def placeless(job_path: Path) -> TrainingJob:
    """The job of a file with absolute paths, so that a copy of it means the same anywhere; raises InputError."""
    return localised(read_job(job_path), job_path.parent)


def division_of(job: TrainingJob) -> Division:
    """Whom a placeless job trains on and validates on; raises InputError if there is nobody to do so."""
    division = divided(read_case_list(Path(job.cases)), job.validation)
    if not division.validation:
        raise InputError(
            f"Of {job.cases} nobody is left to validate on: give patients the split validation, or let the job name a fold "
            "or patients."
        )
    return division


def open_campaign(folder: Path, campaign: Campaign) -> None:
    """Write campaign.json, or check that the folder's is the same; raises InputError for another one, OutputError."""
    path = folder / CAMPAIGN_FILE
    if path.is_file():
        there = read_json(Campaign, path, InputError)
        if differing := _differences(there, campaign):
            raise InputError(
                f"{folder} already holds another campaign ({', '.join(differing)}): choose another folder, or ask for the same."
            )
        return
    try:
        (folder / JOBS_FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise OutputError(f"{folder} cannot be made: {why(reason)}.") from reason
    write_json(campaign, path)


def run_trainings(place: Place, count: int, following: Callable[[list[Outcome]], Training], save: Callable) -> list[Outcome]:
    """Train `count` times; each training follows from the outcomes before it: `following(outcomes)`.

    `save(outcomes)` is called after every training, and once if all had finished before. Raises what `train_one` raises,
    and Cancelled if it came back without having finished.
    """
    outcomes, saved = [], 0
    while len(outcomes) < count:
        training = following(outcomes)
        job_path, run = _own_places(place.folder, training)
        outcome = _outcome(training, run, place.failures_count)
        if outcome is None:
            place.tell(_progress(len(outcomes), count, training.name, outcomes))
            outcome = _trained(place, training, job_path, run)
            saved = len(outcomes) + 1
            save([*outcomes, outcome])
        outcomes.append(outcome)
    if saved < count:
        save(outcomes)
    return outcomes


def write_results(folder: Path, rows: Sequence[Row], document: Mapping) -> None:
    """Write results.csv, one row a training under all their columns, and results.json: {"trainings": rows, …document}."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with written_beside(folder / TABLE_FILE) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    write_json({"trainings": list(rows), **document}, folder / RESULTS_FILE)


def row_of(outcome: Outcome) -> Row:
    """The columns that every campaign's table begins with."""
    row: Row = {"training": outcome.training.name, "score": outcome.score, "step": outcome.step}
    return row | {"minutes": round(outcome.seconds / 60, 2), "failure": outcome.failure}


def number(value: float | None, digits: int = 3) -> str:
    """A figure in a table for people: "-" for what is not defined."""
    return "-" if value is None else f"{value:.{digits}f}"


def in_steps(job: TrainingJob, steps: int) -> TrainingJob:
    """The job with a fixed number of steps, rounded up to whole epochs, instead of its epochs or minutes."""
    an_epoch = min(steps, job.optimisation.steps_per_epoch)
    epochs = -(-steps // an_epoch)
    optimisation = replace(job.optimisation, epochs=epochs, steps_per_epoch=an_epoch, minutes=None)
    return replace(job, optimisation=optimisation)


def _differences(there: Campaign, wanted: Campaign) -> list[str]:
    if there.kind != wanted.kind:
        return [f"a {there.kind}, not a {wanted.kind}"]
    first, second = (document["settings"] | document["job"] for document in (to_json(there), to_json(wanted)))
    return [f"{key} differs" for key in first | second if first.get(key) != second.get(key)]


def _own_places(folder: Path, training: Training) -> tuple[Path, Path]:
    """The training's job file, written if it is new, and its run folder; raises InputError if they are another's."""
    job_path, run = folder / JOBS_FOLDER / f"{training.name}.json", folder / training.name
    if not job_path.is_file():
        if run.exists():
            raise InputError(f"{run} is in the way: it is no training of this campaign. Choose another folder.")
        write_job(training.job, job_path)
    elif read_job(job_path) != training.job:
        raise InputError(f"{job_path} is not the job that belongs there: it was changed. Choose another folder.")
    return job_path, run


def _trained(place: Place, training: Training, job_path: Path, run: Path) -> Outcome:
    try:
        place.train_one(job_path, run, (run / JOB_FILE).is_file())
    except Cancelled as reason:
        raise Cancelled(_stopped(training)) from reason
    except (InputError, DeviceError):
        if not place.failures_count or _outcome(training, run, True) is None:  # it failed before it began
            raise
    outcome = _outcome(training, run, place.failures_count)
    if outcome is None:
        raise Cancelled(_stopped(training))
    return outcome


def _stopped(training: Training) -> str:
    """A run's own sentence names an option that campaigns do not have."""
    return f"{training.name} was stopped before its end; the same command goes on with it."


def _outcome(training: Training, run: Path, failures_count: bool) -> Outcome | None:
    """How the training in `run` ended; None while it has not."""
    last = next(reversed(last_events(run / EVENTS_FILE)), {})
    if last.get("event") == "failed" and failures_count:
        reason = str(last.get("reason") or "it failed")
        return Outcome(training, None, 0, 0.0, failure=reason)
    if last.get("event") != "finished":
        return None
    if not (run / VALIDATION_FILE).is_file():
        raise InputError(f"{run} ended without a validation result: its patients have none of the labels.")
    best = read_best(run)
    if best.metric != training.job.validation.metric:
        raise InputError(f"{run} was validated by {best.metric}, not by {training.job.validation.metric}: start it anew.")
    return Outcome(training, best.score, best.step, float(last["seconds"]), best.cases)


def _progress(number: int, count: int, name: str, outcomes: Sequence[Outcome]) -> str:
    """For example "training 3 of 5, fold_2, about 12 min left"; unfinished trainings count as a whole."""
    text = f"training {number + 1} of {count}, {name}"
    seconds = [outcome.seconds for outcome in outcomes if not outcome.failure]
    return f"{text}, {_duration(statistics.fmean(seconds) * (count - number))} left" if seconds else text


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    return f"about {minutes} min" if minutes < 120 else f"about {minutes // 60} h {minutes % 60:02d} min"
