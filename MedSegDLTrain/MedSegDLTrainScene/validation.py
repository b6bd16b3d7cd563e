"""What is known of a run's best validation, and the pictures of its report (no slicer)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.report_note import PAGE_FILE, REPORT_FOLDER, read_note
from MedSegDLTrainLib.run_folder import VALIDATION_FILE, BestValidation, read_best
from MedSegDLTrainScene.looking import holds

_KINDS = {"worst": "Worst case", "best": "Best case"}


@dataclass(frozen=True)
class ValidationRow:
    """One label of one case; `dice` is None where neither reference nor prediction has it."""

    case: str
    patient: str
    label: str
    dice: float | None
    reference_ml: float | None
    prediction_ml: float | None


@dataclass(frozen=True)
class Picture:
    """A picture of a report, and what it shows."""

    path: Path
    caption: str


def best_validation(run: Path) -> BestValidation | None:
    """Step, measure and score of the best validation so far, None before the first; raises InputError if it is damaged."""
    return read_best(run) if holds(run, VALIDATION_FILE) else None


def validation_rows(run: Path) -> tuple[ValidationRow, ...]:
    """The best validation so far, the smallest Dice first; empty before the first. Raises InputError if it is damaged."""
    best = best_validation(run)
    rows = [_row(name, case.patient, label) for name, case in best.cases.items() for label in case.labels] if best else []
    return tuple(sorted(rows, key=lambda row: (row.dice is None, row.dice or 0.0, row.case, row.label)))


def report_arguments(run: Path) -> tuple[str, ...]:
    """What CommandProcess is to run to make the report of a run, with pictures of its worst and best cases."""
    return ("-m", "MedSegDLLib", "train", "report", str(run))


def report_page(run: Path) -> Path | None:
    """The report, to be opened in a browser, if it has been made."""
    folder = run / REPORT_FOLDER
    return folder / PAGE_FILE if holds(folder, PAGE_FILE) else None


def report_pictures(run: Path) -> tuple[Picture, ...]:
    """Cases with the reference's and the prediction's edges, the worst first; empty before there is a report."""
    found = []
    for kind, words in _KINDS.items():
        for number in range(1, 10):
            name = f"{kind}_{number}.png"
            if holds(run / REPORT_FOLDER, name):
                found.append(Picture(run / REPORT_FOLDER / name, words if number == 1 else f"{words}, number {number}"))
    return tuple(found) if report_page(run) else ()


def compared_cases(run: Path) -> tuple[str, ...]:
    """The cases of which the report has kept the model's predictions (`loadComparison`); empty before there is a report."""
    try:
        return read_note(run).cases
    except InputError:
        return ()


def _row(case: str, patient: str, label: dict) -> ValidationRow:
    values = (label.get(name) for name in ("dice", "reference_volume_ml", "prediction_volume_ml"))
    return ValidationRow(case, patient, str(label.get("name", "")), *values)
