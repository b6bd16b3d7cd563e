"""Random search for the numbers of a training (Avetisian, *Hyperparameters*).

Starting from the job's own numbers, each trial draws all of them anew within [0.1 p, 10 p] round the best trial p so far,
trains for a fixed number of steps, and is kept if its validation IoU is higher. Trial k depends on the seed and the trials
before it only, so that a search that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from MedSegDLLib.commands.text_table import text_table
from MedSegDLLib.errors import InputError
from MedSegDLLib.strict_json import from_json, to_json
from MedSegDLTrainLib.campaigns.campaign import (
    Campaign,
    Outcome,
    Place,
    Row,
    Training,
    division_of,
    in_steps,
    number,
    open_campaign,
    placeless,
    row_of,
    run_trainings,
    write_results,
)
from MedSegDLTrainLib.job import TrainingJob, write_job

BEST_JOB_FILE = "best_job.json"
METRIC = "jaccard"
FACTOR = 10.0


@dataclass(frozen=True)
class Legal:
    """Where a number may lie. Of a share (a momentum, a probability to keep) the distance to 1 is drawn log-uniformly:
    drawn itself, nearly all values would be far below one that matters between 0.9 and 0.9999."""

    low: float
    high: float
    whole: bool = False
    share: bool = False

    def drawn(self, best: float, place: float) -> float:
        """A value log-uniform in [0.1 best, 10 best], cut to the legal range; `place` within 0…1 says where."""
        low, high = (min(max(edge, self.low), self.high) for edge in (best / FACTOR, best * FACTOR))
        if self.share:
            rests = ((1 - best) / FACTOR, (1 - best) * FACTOR)
            return 1 - _between(*(min(max(rest, 1 - high), 1 - low) for rest in rests), place)
        value = _between(low, high, place)
        return min(max(round(value), math.ceil(low)), math.floor(high)) if self.whole else value


# Dotted names of a job's numbers (a list's elements by place), as a table to add to. A number that a job lacks, or that is 0
# or null, is switched off, and stays so.
RATE, CHANNELS = "optimisation.learning_rate", "network.numbers.features_per_stage.0"
SEARCHED = {
    RATE: Legal(1e-7, 1.0),
    "optimisation.weight_decay": Legal(1e-8, 0.1),
    "optimisation.betas.0": Legal(0.05, 0.999, share=True),
    "optimisation.betas.1": Legal(0.05, 0.99999, share=True),
    "optimisation.momentum": Legal(0.05, 0.999, share=True),
    "optimisation.clip_value": Legal(1e-3, 1e3),
    "optimisation.clip_norm": Legal(1e-3, 1e3),
    "network.numbers.keep": Legal(0.05, 0.999, share=True),
    CHANNELS: Legal(4, 128, whole=True),
}
_OF_OPTIMIZERS = {
    "optimisation.betas.0": ("adam", "adamw"),
    "optimisation.betas.1": ("adam", "adamw"),
    "optimisation.momentum": ("sgd",),
}
_MOST_FEATURES = 4096  # of any level


@dataclass(frozen=True)
class Search:
    """What is asked for: trials (the first one is the job as it is), steps of each, and which numbers; (): all there are."""

    trials: int
    steps: int = 5000
    seed: int = 0
    only: tuple[str, ...] = ()


def search(job_path: Path, wanted: Search, place: Place) -> list[Outcome]:
    """Run the trials; the folder gets results.csv, results.json and best_job.json. More trials may be asked for later.

    best_job.json is the job with the numbers of the best trial and its own epochs. A trial that fails, because its loss
    is not finite or memory does not suffice, counts as the worst, but the first one must not. Raises InputError.
    """
    job = placeless(job_path)
    names = searched_names(job, wanted.only)
    if wanted.trials < 1 or wanted.steps < 1:
        raise InputError("A search needs at least one trial and one step.")
    division_of(job)
    settings = {"steps": wanted.steps, "search seed": wanted.seed, "searched numbers": names}
    open_campaign(place.folder, Campaign("search", job, settings))
    start = replace(in_steps(job, wanted.steps), validation=replace(job.validation, metric=METRIC))

    def following(outcomes: Sequence[Outcome]) -> Training:
        return trial(start, names, wanted.seed, outcomes)

    def save(outcomes: Sequence[Outcome]) -> None:
        _save(job, names, outcomes, place.folder)

    return run_trainings(replace(place, failures_count=True), wanted.trials, following, save)


def trial(start: TrainingJob, names: Sequence[str], seed: int, outcomes: Sequence[Outcome]) -> Training:
    """The trial that follows `outcomes`: a function of these values alone. Raises InputError if the first one failed."""
    name = f"trial_{len(outcomes):03d}"
    if not outcomes:
        return Training(name, start)
    if outcomes[0].failure:
        raise InputError(f"The job itself cannot be trained, so there is no start: {outcomes[0].failure}")
    best = numbers_of(best_first(outcomes)[0].training.job, names)
    # A place for every number of the table: what is searched besides it changes none of them.
    places = dict(zip(SEARCHED, np.random.default_rng([seed, len(outcomes)]).random(len(SEARCHED)), strict=True))
    drawn = {name: _legal(start, name).drawn(best[name], float(places[name])) for name in names}
    return Training(name, with_numbers(start, drawn))


def best_first(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Highest score first, the earlier one of equals; failed ones last."""
    return sorted(outcomes, key=lambda outcome: -math.inf if outcome.score is None else outcome.score, reverse=True)


def searched_names(job: TrainingJob, only: Sequence[str] = ()) -> tuple[str, ...]:
    """Names in SEARCHED of the numbers that the job has and uses; `only` restricts them to full names or parts of them.

    Channels are fixed where weights are taken over from a model. Raises InputError for a name that is not there, and if
    nothing is left.
    """
    document, optimizer = to_json(job), job.optimisation.optimizer
    there = [
        name
        for name in SEARCHED
        if _value(document, name) and optimizer in _OF_OPTIMIZERS.get(name, (optimizer,))
        if not (name == CHANNELS and job.start_from)
    ]
    for wanted in only:
        if not any(_matches(name, wanted) for name in there):
            raise InputError(f"The job has no number '{wanted}' to search for; it has {', '.join(there) or 'none'}.")
    names = tuple(name for name in there if not only or any(_matches(name, wanted) for wanted in only))
    if not names:
        raise InputError("The job has no number to search for.")
    return names


def numbers_of(job: TrainingJob, names: Sequence[str]) -> dict[str, float]:
    """The values of a job's numbers by dotted name."""
    document = to_json(job)
    return {name: _value(document, name) for name in names}


def with_numbers(job: TrainingJob, values: dict[str, float]) -> TrainingJob:
    """The job with other numbers; with the first level's channels all levels change by the same factor."""
    document = to_json(job)
    for name, value in values.items():
        if name == CHANNELS:
            channels = document["network"]["numbers"]["features_per_stage"]
            channels[:] = [max(round(count * value / channels[0]), 1) for count in channels]
        else:
            *path, last = name.split(".")
            at = _value(document, ".".join(path))
            at[int(last) if isinstance(at, list) else last] = value
    return from_json(TrainingJob, document, "the trial's job", InputError)


def text_of(outcomes: Sequence[Outcome], names: Sequence[str]) -> str:
    """The trials for a terminal, best first, with the numbers that were searched for."""
    rows = [("TRIAL", "IOU", "BEST STEP", "MINUTES", *(_short(name) for name in names))]
    for outcome in best_first(outcomes):
        values = (f"{value:.4g}" for value in numbers_of(outcome.training.job, names).values())
        score = "failed" if outcome.failure else number(outcome.score)
        rows.append((outcome.training.name, score, str(outcome.step), f"{outcome.seconds / 60:.1f}", *values))
    return text_table(rows)


def _short(name: str) -> str:
    return name.removeprefix("optimisation.").removeprefix("network.numbers.")


def _save(job: TrainingJob, names: Sequence[str], outcomes: Sequence[Outcome], folder: Path) -> None:
    ordered = best_first(outcomes)
    rows: list[Row] = [row_of(outcome) | numbers_of(outcome.training.job, names) for outcome in ordered]
    ranges = {name: asdict(_legal(job, name)) for name in names}
    write_results(folder, rows, {"metric": METRIC, "best": ordered[0].training.name, "ranges": ranges})
    if ordered[0].score is not None:
        write_job(_best_job(job, names, ordered[0], outcomes), folder / BEST_JOB_FILE)


def _best_job(job: TrainingJob, names: Sequence[str], best: Outcome, outcomes: Sequence[Outcome]) -> TrainingJob:
    reason = (
        f"random search: IoU {best.score:.3f} after {best.step} steps, {number(outcomes[0].score)} at first, "
        f"best of {len(outcomes)} trials"
    )
    found = with_numbers(job, numbers_of(best.training.job, names))
    return replace(found, reasons=job.reasons | dict.fromkeys(names, reason))


def _legal(job: TrainingJob, name: str) -> Legal:
    """The range of a name, narrowed by what else the job says of it."""
    legal = SEARCHED[name]
    if name == RATE:
        return replace(legal, low=max(legal.low, job.optimisation.lowest_rate))
    if name == CHANNELS:
        channels = job.network.numbers["features_per_stage"]
        return replace(legal, high=min(legal.high, _MOST_FEATURES * channels[0] // max(channels)))
    return legal


def _value(document: dict, name: str) -> float | None:
    """What stands at a dotted name of a parsed document; None if there is nothing."""
    value = document
    for part in name.split("."):
        if isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def _matches(name: str, wanted: str) -> bool:
    return name == wanted or wanted in name.split(".")


def _between(low: float, high: float, place: float) -> float:
    return low * (high / low) ** place
