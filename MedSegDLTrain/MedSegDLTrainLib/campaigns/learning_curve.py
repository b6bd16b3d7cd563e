"""Trainings on 1, 2, 5, 10 … patients, at equal steps: what more annotated cases would bring (Desai et al. 2019, §3.6).

Where Desai draws patients with replacement, the subsets here are nested (the first n of one shuffled list), because an
annotator adds cases to those that there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np

from MedSegDLLib.commands.text_table import text_table
from MedSegDLLib.errors import InputError
from MedSegDLLib.pictures import write_picture
from MedSegDLTrainLib.campaigns.campaign import (
    Campaign,
    Outcome,
    Place,
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
from MedSegDLTrainLib.campaigns.learning_curve_plot import curve_figure
from MedSegDLTrainLib.campaigns.power_law import TARGET, Point, PowerLaw, advice, fitted
from MedSegDLTrainLib.division import counted
from MedSegDLTrainLib.job import TrainingJob

PICTURE_FILE = "learning_curve.png"


@dataclass(frozen=True)
class Curve:
    """What is asked for: numbers of patients to train on (0: the start model as it is), and how often each."""

    sizes: tuple[int, ...]
    repeats: int = 1
    seed: int = 0
    steps: int | None = None


def learning_curve(job_path: Path, wanted: Curve, place: Place) -> list[Point]:
    """Train with every number of patients, validated on the same ones; more numbers and repeats may be asked for later.

    Repeats differ in the order of the patients and in the job's seed. The folder gets results.csv, results.json ({"law",
    "target", "patients_needed", "advice", …}) and learning_curve.png. Raises InputError for an unusable job or numbers that
    the case folder does not have.
    """
    job = placeless(job_path)
    patients = tuple(dict.fromkeys(case.patient for case in division_of(job).training))
    _check(job, wanted, len(patients))
    steps = wanted.steps or job.optimisation.epochs * job.optimisation.steps_per_epoch
    settings = {"steps": steps, "order seed": wanted.seed, "patients": patients}
    open_campaign(place.folder, Campaign("learning-curve", job, settings))
    start = replace(in_steps(job, steps), validation=replace(job.validation, metric="dice"))
    order = _order(wanted)
    what = counted_as(job)

    def following(outcomes: Sequence[Outcome]) -> Training:
        size, repeat = order[len(outcomes)]
        return _training(start, subset(patients, size, repeat, wanted.seed), repeat)

    def save(outcomes: Sequence[Outcome]) -> None:
        _save(outcomes, _points(order, outcomes), what, place.folder)

    return _points(order, run_trainings(place, len(order), following, save))


def _order(wanted: Curve) -> list[tuple[int, int]]:
    """(number of patients, repeat) of each training: first every number once, so that there is a curve early."""
    pairs = [(size, repeat) for repeat in range(wanted.repeats) for size in wanted.sizes]
    return [(size, repeat) for size, repeat in pairs if size or not repeat]  # nothing to repeat without training


def _points(order: Sequence[tuple[int, int]], outcomes: Sequence[Outcome]) -> list[Point]:
    pairs = zip(order, outcomes, strict=False)  # not all of them have ended
    return [Point(size, repeat, float(outcome.score)) for (size, repeat), outcome in pairs]


def subset(patients: Sequence[str], size: int, repeat: int, seed: int) -> tuple[str, ...]:
    """The first `size` of the patients in an order that seed and repeat alone decide: smaller subsets lie in larger ones."""
    order = np.random.default_rng([seed, repeat]).permutation(len(patients))
    return tuple(patients[place] for place in order[:size])


def counted_as(job: TrainingJob) -> str:
    """What to call what a placeless job is given more of: "patients" if one has several cases, else "scans"."""
    counts = counted(division_of(job).training)
    return "scans" if counts["patients"] == counts["cases"] else "patients"


def text_of(points: Sequence[Point], what: str) -> str:
    """The result for a terminal: Dice by number of patients, the law, and a sentence for an annotator."""
    law = fitted(points)
    parts = [text_table(_table_rows(points, law, what))]
    if law is not None:
        quality = "" if law.r_squared is None else f", R² = {law.r_squared:.3f}"
        parts.append(f"Dice = {law.alpha:.3f} · n^{law.beta:.3f}{quality}")
    return "\n\n".join((*parts, advice(points, law, what)))


def _table_rows(points: Sequence[Point], law: PowerLaw | None, what: str) -> list[tuple[str, ...]]:
    rows = [(what.upper(), "DICE", "SMALLEST", "LARGEST", "TRAININGS", "POWER LAW")]
    for count in sorted({point.count for point in points}):
        dice = [point.dice for point in points if point.count == count]
        said = number(law.at(count)) if law and count else "-"
        rows.append((str(count), number(fmean(dice)), number(min(dice)), number(max(dice)), str(len(dice)), said))
    return rows


def _save(outcomes: Sequence[Outcome], points: Sequence[Point], what: str, folder: Path) -> None:
    law = fitted(points)
    pairs = zip(outcomes, points, strict=True)
    rows = [row_of(outcome) | {"patients": point.count, "repeat": point.repeat} for outcome, point in pairs]
    needed = law.reaches(TARGET) if law else None
    document = {"law": asdict(law) if law else None, "target": TARGET, "patients_needed": needed}
    write_results(folder, rows, document | {"advice": advice(points, law, what)})
    write_picture(curve_figure(points, law, what), folder / PICTURE_FILE)


def _training(start: TrainingJob, patients: tuple[str, ...], repeat: int) -> Training:
    name = f"patients_{len(patients):03d}_repeat_{repeat}"
    if not patients:  # no step is taken: the start model is validated as it is
        return Training(name, replace(start, optimisation=replace(start.optimisation, epochs=0)))
    return Training(
        name, replace(start, validation=replace(start.validation, train_patients=patients), seed=start.seed + repeat)
    )


def _check(job: TrainingJob, wanted: Curve, available: int) -> None:
    if not wanted.sizes or min(wanted.sizes) < 0 or len(set(wanted.sizes)) < len(wanted.sizes):
        raise InputError("Name numbers of cases once each, 0 or more, for example 1,2,5,10.")
    if wanted.repeats < 1 or (wanted.steps is not None and wanted.steps < 1):
        raise InputError("A learning curve needs at least one repeat and one step.")
    if max(wanted.sizes) > available:
        raise InputError(f"{job.cases} has {available} patients to train on, not {max(wanted.sizes)}: ask for fewer.")
    if 0 in wanted.sizes and not job.start_from:
        raise InputError("0 cases is the start model as it is, but the job starts from none: leave the 0 out.")
    if job.optimisation.minutes is not None and wanted.steps is None:
        raise InputError("The job gives minutes, but a learning curve needs equal steps: say how many with --steps.")
