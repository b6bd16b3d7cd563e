"""The report of a run: what it was, how it went, and how good its model is on which patients."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from MedSegDLLib import __version__
from MedSegDLLib.atomic import why
from MedSegDLLib.checkpoint import Model
from MedSegDLLib.commands.text_table import plural
from MedSegDLLib.errors import InputError, ModelError, OutputError
from MedSegDLLib.files import read_image
from MedSegDLLib.strict_json import write_json
from MedSegDLTrainLib.cases import image_path
from MedSegDLTrainLib.checkpoints import BEST_FILE, LAST_FILE
from MedSegDLTrainLib.compare import PairedComparison, paired
from MedSegDLTrainLib.measure import patient_scores, score
from MedSegDLTrainLib.progress import read_events
from MedSegDLTrainLib.report_note import NOTE_FILE, PAGE_FILE, REPORT_FOLDER, ReportNote
from MedSegDLTrainLib.reporting.charts import MOST_CLASSES, case_chart, comparison_chart, confusion_chart
from MedSegDLTrainLib.reporting.facts import (
    METRIC_NAMES,
    RunFacts,
    amount,
    comparison_sentence,
    data_words,
    facts_of,
    start_model,
)
from MedSegDLTrainLib.reporting.history import History, history_of
from MedSegDLTrainLib.reporting.measured import MeasuredCase, Measurer, added_confusion
from MedSegDLTrainLib.reporting.overlays import case_overlay
from MedSegDLTrainLib.reporting.page import Pictures, note, page, paragraph, section, table, tiles
from MedSegDLTrainLib.reporting.sections import course_section, data_section, label_table, run_section
from MedSegDLTrainLib.run_folder import EVENTS_FILE
from MedSegDLTrainLib.run_model import model_of_run

_WORST, _BEST = 3, 2  # cases that are shown


@dataclass(frozen=True)
class _Judged:
    """A run's model, measured on its judging cases."""

    facts: RunFacts
    model: Model
    measurer: Measurer
    measured: Mapping[str, MeasuredCase]

    @property
    def rows(self) -> dict[str, Sequence[dict]]:
        return rows_by_case(self.measured)

    @property
    def names(self) -> list[str]:
        """Of the labels, as they are measured."""
        return [row["name"] for row in next(iter(self.measured.values())).rows]


def write_report(run: Path, folder: Path, device: str, tell: Callable[[str], None]) -> Path:
    """Measure a run's model and write its report (report.html and PNGs) into `folder`, whole or not at all.

    Returns the page's path. Predictions and figures are kept in RUN/report, so that a second report is fast. Raises
    InputError if `run` is no run or its cases are unusable, OutputError if the report cannot be written, and what `segment`
    raises.
    """
    facts = facts_of(run)
    history = history_of(read_events(run / EVENTS_FILE))
    kept = run / REPORT_FOLDER
    with _put_together(folder) as beside:
        kept.mkdir(parents=True, exist_ok=True)
        judged = _judged(facts, Measurer(facts.folder, facts.dataset, kept, device, tell))
        if judged:
            write_json(_note(judged, kept), kept / NOTE_FILE)
        text = _page(facts, history, judged, Pictures(beside), tell)
        (beside / PAGE_FILE).write_text(text, encoding="utf-8")
    return folder / PAGE_FILE


@contextmanager
def _put_together(folder: Path) -> Iterator[Path]:
    """A folder inside `folder`, which gets its files when the block ends well; what was made for it goes if it does not."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".report-", dir=folder) as beside:
            yield Path(beside)
            for path in sorted(Path(beside).iterdir(), key=lambda path: path.name == PAGE_FILE):  # the page comes last
                path.replace(folder / path.name)
    except OSError as reason:
        raise OutputError(f"The report cannot be written into {folder}: {why(reason)}.") from reason
    finally:
        for path in missing:
            with suppress(OSError):  # it is not empty
                path.rmdir()


def _page(facts: RunFacts, history: History, judged: _Judged | None, pictures: Pictures, tell: Callable[[str], None]) -> str:
    """The whole page as HTML."""
    parts = [*_judgement(judged, pictures, tell)] if judged else [note(_nothing_to_measure(facts))]
    lead, figures = _headline(facts, history, judged)
    course = course_section(history, facts.job, pictures)
    parts = [tiles(figures), run_section(facts, history), data_section(facts), course, *parts]
    return page(
        f"Training report: {facts.run.resolve().name}",
        lead,
        parts,
        f"Made by MedSegDL {__version__}. Research software, not for diagnosis.",
    )


def _note(judged: _Judged, kept: Path) -> ReportNote:
    predictions = judged.measurer.predictions_of(judged.model).relative_to(kept)
    names = tuple(label.name for label in judged.model.labels.labels)
    return ReportNote(predictions.as_posix(), names, tuple(judged.measured))


def rows_by_case(measured: Mapping[str, MeasuredCase]) -> dict[str, Sequence[dict]]:
    """What `measure.patient_scores` and `compare.paired` work on."""
    return {name: case.rows for name, case in measured.items()}


def _judged(facts: RunFacts, measurer: Measurer) -> _Judged | None:
    """None if there are no weights yet, or no cases to judge them by."""
    which = next((name for name, file in (("best", BEST_FILE), ("last", LAST_FILE)) if (facts.run / file).is_file()), None)
    if which is None or not facts.judging_cases:
        return None
    model = model_of_run(facts.run, which)
    return _Judged(facts, model, measurer, measurer.measured(model, facts.judging_cases))


def _nothing_to_measure(facts: RunFacts) -> str:
    if facts.judging_cases:
        return "The run has no weights yet: let it go on until its first checkpoint, then make the report again."
    return "The case folder has no patients for validation and none that are held out: nobody knows how good this model is."


def _headline(facts: RunFacts, history: History, judged: _Judged | None) -> tuple[str, dict[str, str]]:
    """The sentence below the title, and the main figures."""
    figures = {"minutes of work": f"{history.seconds / 60:.0f}", "steps": f"{_last_step(history):,}".replace(",", " ")}
    if judged is None:
        return "Its model has not been measured.", figures
    scores = {metric: score(judged.rows, facts.patients, metric) for metric in ("dice", "hd95_mm")}
    dice, distance = (
        "undefined" if value is None else f"{value:.{n}f}" for value, n in zip(scores.values(), (3, 1), strict=True)
    )
    kind = "held-out" if facts.division.held_out else "validation"
    figures = {
        "Dice, mean over patients": dice,
        "95th percentile Hausdorff": distance if scores["hd95_mm"] is None else f"{distance} mm",
        f"{kind} patients": str(len(set(facts.patients.values()))),
        **figures,
    }
    return f"Dice {dice} on {amount(facts.judging_cases)} {data_words(facts)}.", figures


def _last_step(history: History) -> int:
    return history.losses[-1][0] if history.losses else 0


def _judgement(judged: _Judged, pictures: Pictures, tell: Callable[[str], None]) -> list[str]:
    """The sections that say how good the model is."""
    return [
        _accuracy(judged, pictures),
        _cases(judged, pictures, tell),
        *_comparison(judged, pictures),
        _confusion(judged, pictures),
        _case_table(judged),
    ]


def _accuracy(judged: _Judged, pictures: Pictures) -> str:
    facts = judged.facts
    warning = (
        ""
        if facts.division.held_out
        else note(
            "There are no held-out patients. The best weights were chosen by the very patients shown here, so all figures "
            "below flatter the model. How it does on new patients only patients show who are set aside (split test)."
        )
    )
    scores = dice_by_case(judged.rows)
    on = f"Measured on {amount(facts.judging_cases)} {data_words(facts)}."
    caption = f"{on} The model ran as `medsegdl segment` runs it, in float32."
    if left_out := len(judged.rows) - len(scores):
        caption += f" {plural(left_out, 'case')} with no label in reference and prediction left out."
    chart = pictures.chart("cases", lambda theme: case_chart(scores, theme), caption) if scores else ""
    return section("How good it is", warning, label_table(judged.rows), chart)


def dice_by_case(rows: Mapping[str, Sequence[Mapping]]) -> dict[str, float]:
    """The mean Dice over labels of each case for which it is defined."""
    return patient_scores(rows, {name: name for name in rows}, "dice")


def _cases(judged: _Judged, pictures: Pictures, tell: Callable[[str], None]) -> str:
    scores = dice_by_case(judged.rows)
    ranked = sorted(scores, key=lambda name: scores[name])
    worst = ranked[: min(_WORST, -(-len(ranked) // 2))]
    best = [name for name in reversed(ranked) if name not in worst][:_BEST]
    intro = (
        "The slices with most wrong voxels and the middle one. Wide green: reference. Narrow red: the model. "
        "Darkened: nobody annotated it."
    )
    shown = [
        _shown(judged, pictures, kind, n, name, scores[name])
        for kind, names in (("worst", worst), ("best", best))
        for n, name in enumerate(names, 1)
    ]
    return section("Worst and best cases", paragraph(intro), *shown)


def _shown(judged: _Judged, pictures: Pictures, kind: str, number: int, name: str, dice: float) -> str:
    case = next(case for case in judged.facts.judging_cases if case.name == name)
    image = read_image(image_path(judged.facts.folder, case))
    figure = case_overlay(image, judged.measurer.comparison(judged.model, case), f"{name}   Dice {dice:.3f}")
    rank = kind if number == 1 else f"{kind}, number {number}"
    return pictures.picture(f"{kind}_{number}", figure, f"{name} (patient {case.patient}), {rank}: Dice {dice:.3f}.")


def _comparison(judged: _Judged, pictures: Pictures) -> list[str]:
    """Old model against new, where the job started from a model."""
    facts, job = judged.facts, judged.facts.job
    if not job.start_from:
        return []
    heading = "Against the model that it started from"
    try:
        old = start_model(job)
        before = rows_by_case(judged.measurer.measured(old, facts.judging_cases))
    except (ModelError, InputError) as reason:
        return [section(heading, note(f"The old model could not be measured: {reason}"))]
    metrics = dict.fromkeys((job.validation.metric, "dice", "hd95_mm"))
    found = [result for metric in metrics if (result := paired(before, judged.rows, facts.patients, metric))]
    if not found:
        return [section(heading, note("The two models have no measured label in common."))]
    caption = f"One line a patient ({amount(facts.judging_cases)} {data_words(facts)}): green where the new model is better."
    chart = pictures.chart("comparison", lambda theme: comparison_chart(found[0], theme), caption)
    return [
        section(
            heading,
            paragraph(comparison_sentence(found[0], old.card.id)),
            _comparison_table(found),
            chart,
            _old_data(facts, old),
        )
    ]


def _comparison_table(found: Sequence[PairedComparison]) -> str:
    rows = [
        (
            METRIC_NAMES[result.metric],
            str(len(result.patients)),
            f"{result.old:.3f}",
            f"{result.new:.3f}",
            f"{result.difference:+.3f}",
            "none" if result.p_value is None else f"{result.p_value:.3g}",
            result.verdict,
        )
        for result in found
    ]
    reasons = [paragraph(f"No p for the {METRIC_NAMES[r.metric]}: {r.reason}") for r in found[1:] if r.reason]
    return "".join([table(("", "patients", "old", "new", "difference", "p", "the new one is"), rows), *reasons])


def _old_data(facts: RunFacts, old: Model) -> str:
    unknown = set(facts.patients.values()) - set(old.card.training.held_out)
    if not unknown:
        return ""
    return note(
        f"Of {plural(len(unknown), 'patient')} here the old model's card does not say that they were held out from its "
        "training: if it has seen them, the comparison flatters the old model."
    )


def _confusion(judged: _Judged, pictures: Pictures) -> str:
    counts, names = added_confusion(list(judged.measured.values())), ["background", *judged.names]
    more = " The classes with most confused voxels are shown." if len(names) > MOST_CLASSES else ""
    caption = (
        f"Percent of the voxels of each reference class (row) that were predicted as which class, all cases together.{more}"
    )
    return section(
        "Which classes are confused", pictures.chart("confusion", lambda theme: confusion_chart(counts, names, theme), caption)
    )


def _case_table(judged: _Judged) -> str:
    rows = []
    for case in judged.facts.judging_cases:
        values = [
            score({"": judged.rows[case.name]}, {"": ""}, metric) for metric in ("dice", "surface_distance_mean_mm", "hd95_mm")
        ]
        cells = ("–" if value is None else f"{value:.{n}f}" for value, n in zip(values, (3, 2, 2), strict=True))
        rows.append((case.name, case.patient, case.status, *cells))
    headings = ("case", "patient", "labels", "Dice", "mean distance (mm)", "95 % Hausdorff (mm)")
    return section(
        "Every case",
        table(headings, rows, texts=3),
        paragraph("Means over labels; – is undefined (a label that only one of the two has)."),
    )
