"""Cross-validation: every patient is validated once, by a network that never saw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean

from MedSegDLLib.commands.text_table import text_table
from MedSegDLLib.errors import InputError, ModelError
from MedSegDLLib.evaluation import Spread, spread
from MedSegDLLib.zoo import read_model
from MedSegDLTrainLib.campaigns.campaign import (
    Campaign,
    Outcome,
    Place,
    Training,
    division_of,
    number,
    open_campaign,
    placeless,
    row_of,
    run_trainings,
    write_results,
)
from MedSegDLTrainLib.cases import PREDICTED, read_case_list
from MedSegDLTrainLib.division import check_patients
from MedSegDLTrainLib.job import TrainingJob
from MedSegDLTrainLib.start import start_folder


def cross_validate(job_path: Path, folds: int, place: Place) -> list[Outcome]:
    """Train once for each fold, validated on its patients; patients of the split test take no part.

    Patients that the job itself leaves out take part like others. The folder gets results.csv and results.json
    ({"folds": spread of the scores, "labels": {label: {metric: spread over patients}}, "warning", …}). Raises InputError for
    an unusable job or fewer patients than folds.
    """
    job = placeless(job_path)
    _check(job, folds)
    warning = seen_before(job)
    if warning:
        place.tell(warning)
    open_campaign(place.folder, Campaign("crossval", job, {"folds": folds}))

    def following(outcomes: Sequence[Outcome]) -> Training:
        return fold_training(job, len(outcomes), folds)

    def save(outcomes: Sequence[Outcome]) -> None:
        metric = job.validation.metric
        document = {"metric": metric, "folds": asdict(fold_spread(outcomes)), "labels": _documents(outcomes, metric)}
        document["warning"] = warning
        write_results(place.folder, [row_of(outcome) for outcome in outcomes], document)

    return run_trainings(place, folds, following, save)


def seen_before(job: TrainingJob) -> str:
    """A sentence if the model that every fold starts from may have been trained on patients who are to be new to it."""
    if not job.start_from:
        return ""
    try:
        card, _ = read_model(start_folder(job))
    except ModelError:  # trainings that have not begun yet will say so
        return ""
    cases = read_case_list(Path(job.cases)).cases
    patients = {case.patient for case in cases if case.split != "test" and case.status != PREDICTED}
    if not (doubtful := patients - set(card.training.held_out)):
        return ""
    return (
        f"Every fold starts from {card.id}, whose card does not say of {len(doubtful)} of {len(patients)} patients that they "
        "were held out from its training: if it has seen them, all figures flatter."
    )


def fold_training(job: TrainingJob, fold: int, folds: int) -> Training:
    """The training that leaves out the patients of one fold, 0…folds − 1."""
    validation = replace(job.validation, fold=fold, folds=folds, patients=())
    return Training(f"fold_{fold}", replace(job, validation=validation))


def fold_spread(outcomes: Sequence[Outcome]) -> Spread:
    """Mean, standard deviation and so on of the folds' scores."""
    return spread((outcome.score for outcome in outcomes), outcomes[0].training.job.validation.metric)


def label_spreads(outcomes: Sequence[Outcome], metric: str) -> dict[str, Spread | None]:
    """For each label the spread of `metric` over the patients of all folds together (Schnider et al. 2020, §3.2).

    A patient with several cases counts once, with their mean. Values that are undefined, because a label is in neither
    reference nor prediction, are left out and counted; None for a label without any value.
    """
    values: dict[str, dict[str, list[float | None]]] = {}
    for rows in (rows for outcome in outcomes for rows in outcome.cases.values()):
        for row in rows.labels:
            values.setdefault(str(row["name"]), {}).setdefault(rows.patient, []).append(row[metric])
    return {label: spread(map(_mean, patients.values()), metric) for label, patients in values.items()}


def text_of(outcomes: Sequence[Outcome]) -> str:
    """The result for a terminal: the folds, their mean and standard deviation, and the labels."""
    metric = outcomes[0].training.job.validation.metric
    folds = [("FOLD", metric.upper(), "PATIENTS", "BEST STEP")]
    for outcome in outcomes:
        patients = {rows.patient for rows in outcome.cases.values()}
        folds.append((outcome.training.name, number(outcome.score), str(len(patients)), str(outcome.step)))
    over_folds = fold_spread(outcomes)
    mean = f"mean ± SD over {over_folds.count} folds: {over_folds.mean:.3f} ± {over_folds.standard_deviation:.3f}"
    labels = [("LABEL", "MEASURE", "MEDIAN", "16TH…84TH PERCENTILE", "WORST", "PATIENTS")]
    for measure in _metrics(metric):
        labels += [_label_row(name, measure, found) for name, found in label_spreads(outcomes, measure).items()]
    warning = seen_before(outcomes[0].training.job)
    return "\n\n".join(filter(None, (text_table(folds), mean, text_table(labels), warning)))


def _label_row(name: str, measure: str, found: Spread | None) -> tuple[str, ...]:
    if found is None:
        return name, measure, "-", "-", "-", "0"
    percentiles = f"{found.percentile_16:.3f}…{found.percentile_84:.3f}"
    return name, measure, number(found.median), percentiles, number(found.worst), str(found.count)


def _metrics(metric: str) -> tuple[str, ...]:
    return ("dice",) if metric == "dice" else ("dice", metric)


def _documents(outcomes: Sequence[Outcome], metric: str) -> dict[str, dict]:
    documents: dict[str, dict] = {}
    for measure in _metrics(metric):
        for label, found in label_spreads(outcomes, measure).items():
            documents.setdefault(label, {})[measure] = asdict(found) if found else None
    return documents


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return fmean(defined) if defined else None


def _check(job: TrainingJob, folds: int) -> None:
    if folds < 2:
        raise InputError(f"A cross-validation needs at least 2 folds, not {folds}.")
    check_patients(read_case_list(Path(job.cases)), job.validation.train_patients)  # what fewer folds would not mend
    for fold in range(folds):
        try:
            division_of(fold_training(job, fold, folds).job)
        except InputError as reason:
            raise InputError(
                f"Fold {fold} of {folds} cannot be trained; ask for fewer folds, or add patients. {reason}"
            ) from None
