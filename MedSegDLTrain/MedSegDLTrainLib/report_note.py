"""What a run's report leaves for other programs: which predictions it was made from (light: no torch)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from MedSegDLLib.errors import InputError
from MedSegDLLib.strict_json import read_json

REPORT_FOLDER, PAGE_FILE, NOTE_FILE = "report", "report.html", "report.json"


@dataclass(frozen=True)
class ReportNote:
    """report.json: the folder, in the report's, with CASE.nii.gz of each of `cases`; value n there is the n-th of `labels`."""

    predictions: str
    labels: tuple[str, ...]
    cases: tuple[str, ...]


def read_note(run: Path) -> ReportNote:
    """The note of a run's report; raises InputError if there is none."""
    return read_json(ReportNote, run / REPORT_FOLDER / NOTE_FILE, InputError)
