"""The parts of a report that need no measuring: what was run on which data, and how it went; and the table of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from MedSegDLLib.commands.text_table import plural
from MedSegDLLib.evaluation import Spread, spread
from MedSegDLTrainLib.cases import Case
from MedSegDLTrainLib.job import TrainingJob
from MedSegDLTrainLib.reporting.charts import loss_chart, validation_chart
from MedSegDLTrainLib.reporting.facts import RunFacts, amount
from MedSegDLTrainLib.reporting.history import History
from MedSegDLTrainLib.reporting.page import Pictures, facts, note, paragraph, section, table


def run_section(run: RunFacts, history: History) -> str:
    """What the run was."""
    return section("What was run", facts(_run_facts(run.job, history)), *map(note, history.warnings), *_failure(history))


def _run_facts(job: TrainingJob, history: History) -> dict[str, str]:
    how, sampling, started, network = job.optimisation, job.sampling, history.started, job.network
    spacing = " × ".join("own" if length is None else f"{length:g}" for length in job.preprocessing.spacing)
    normalisation = job.preprocessing.normalisation
    done = history.losses[-1][0] if history.losses else 0
    parameters = f"; {started['parameters']:,} parameters" if "parameters" in started else ""
    patch = " × ".join(map(str, sampling.patch_size))
    return {
        "Network": f"{network.key}, {network.in_channels} in, {network.out_channels} out{parameters}",
        "Started from": job.start_from,
        "Voxel size": f"{spacing} mm",
        "Normalisation": f"{normalisation.method} over the {normalisation.region}",
        "Patches": f"{sampling.batch_size} of {patch} voxels a step, sampler {sampling.sampler}",
        "Loss": job.loss.replace("_", " "),
        "Optimiser": f"{how.optimizer}, learning rate {how.learning_rate:g}, schedule {how.schedule.replace('_', ' ')}",
        "Steps": f"{done} of {started.get('steps', 'an unknown number')}",
        "Time": f"{history.seconds / 60:.1f} minutes of work ({history.ending.get('event', 'not finished')})",
        "Device": f"{started.get('device', 'unknown')}, {how.precision}",
        "Seed": str(job.seed),
        **{f"Why: {name}": reason for name, reason in job.reasons.items()},
    }


def _failure(history: History) -> list[str]:
    reason = history.ending.get("reason", "")
    return [note(f"The run {history.ending['event']}: {reason}")] if reason else []


def data_section(run: RunFacts) -> str:
    """Which patients were for what."""
    division = run.division
    uses: dict[str, Sequence[Case]] = {
        "training": division.training,
        "validation (choosing the best weights)": division.validation,
        "held out for ever": division.held_out,
        "not used by this job": division.unused,
    }
    rows = [(use, amount(cases), ", ".join(sorted({case.patient for case in cases}))) for use, cases in uses.items() if cases]
    statuses = [case.status for case in division.training]
    how = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    return section(
        "Data",
        table(("used for", "amount", "patients"), rows, texts=3),
        paragraph(
            f"Labels: {', '.join(run.job.labels or run.dataset.labels)}. For training {how}. Modality: {run.dataset.modality}."
        ),
        paragraph("Patients, never single cases, are divided; the division was drawn once and does not move."),
    )


def course_section(history: History, job: TrainingJob, pictures: Pictures) -> str:
    """Loss, learning rate and validation over steps."""
    if not history.losses:
        return section("How it went", paragraph("No step has been taken yet."))
    parts = [
        pictures.chart("loss", lambda theme: loss_chart(history, theme), "Loss of the training patches, and the learning rate.")
    ]
    metric = job.validation.metric
    if any(point.score is not None for point in history.validations):
        patients = plural(max(len(point.patients) for point in history.validations), "patient")
        caption = (
            f"Validation on whole volumes of {patients}: mean (blue) and each patient (grey). The star marks the weights that "
            "are kept as the best."
        )
        if any(point.blend is not None for point in history.validations):
            caption += " Diamonds: means of old and new weights."
        parts.append(pictures.chart("validation", lambda theme: validation_chart(history, metric, theme), caption))
    else:
        parts.append(note("There was no validation: the last weights are taken, and nobody knows which were best."))
    return section("How it went", *parts)


def label_table(rows: Mapping[str, Sequence[Mapping]]) -> str:
    """One line a label over the cases of `rows` (of `measure.rows_of`, by case)."""
    by_label: dict[str, list[Mapping]] = {}
    for row in chain.from_iterable(rows.values()):
        by_label.setdefault(row["name"], []).append(row)
    lines = [(name, *_label_cells(members)) for name, members in by_label.items()]
    headings = ("label", "cases", "Dice", "worst", "missed", "mean distance (mm)", "95 % Hausdorff (mm)", "worst")
    text = (
        "Mean ± standard deviation over cases. Missed: cases with the label, of which nothing was found (Dice 0, no distance)."
    )
    return table(headings, lines) + paragraph(text)


def _label_cells(rows: Sequence[Mapping]) -> list[str]:
    dice, mean, hd95 = (
        spread([row[metric] for row in rows], metric) for metric in ("dice", "surface_distance_mean_mm", "hd95_mm")
    )
    missed = sum(bool(row["reference_voxels"]) and not row["prediction_voxels"] for row in rows)
    return [
        str(dice.count) if dice else "0",
        _spread_text(dice, 3),
        f"{dice.worst:.3f}" if dice else "–",
        str(missed),
        _spread_text(mean, 2),
        _spread_text(hd95, 2),
        f"{hd95.worst:.2f}" if hd95 else "–",
    ]


def _spread_text(found: Spread | None, digits: int) -> str:
    """Mean ± standard deviation; a single case has none."""
    if found is None:
        return "–"
    return f"{found.mean:.{digits}f}" + (f" ± {found.standard_deviation:.{digits}f}" if found.count > 1 else "")
