"""What a case folder holds, as rows of a table with small pictures (no slicer)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MedSegDLScene.interpreter import Interpreter
from MedSegDLTrainLib import thumbnails
from MedSegDLTrainLib.cases import CASES_FILE, PREDICTED, Case, read_case_list
from MedSegDLTrainScene.command_work import CommandWork
from MedSegDLTrainScene.looking import holds

_USES = {"train": "training", "validation": "validation", "test": "held out"}


@dataclass(frozen=True)
class CaseRow:
    """One case.

    `use` is training, validation or held out, or "to correct" before it is of any; `model` is the id of the model whose
    prediction its labels were.
    """

    name: str
    patient: str
    status: str
    use: str
    version: int
    source: str
    model: str


def is_case_folder(folder: Path) -> bool:
    """Whether somebody has begun a case folder there."""
    return holds(folder, CASES_FILE)


def read_case_table(folder: Path) -> tuple[CaseRow, ...]:
    """The cases in the order in which they came; raises InputError if the folder is none or is damaged."""
    return tuple(
        CaseRow(case.name, case.patient, case.status, _use(case), case.version, case.source, case.model)
        for case in read_case_list(folder).cases
    )


def _use(case: Case) -> str:
    return "to correct" if case.status == PREDICTED else _USES[case.split]


def case_called(folder: Path, name: str) -> Case | None:
    """The case of that name, if the folder has it; raises InputError as `read_case_table`."""
    return next((case for case in read_case_list(folder).cases if case.name == name), None)


def kept_thumbnail(folder: Path, name: str) -> np.ndarray | None:
    """The picture (96, 96, 3) uint8 of a case, rows from the top; None if it has yet to be made. Reads no list: fast."""
    return thumbnails.kept_thumbnail(folder, Case(name, "", "train"))  # files are named after the case alone


def remove_arguments(folder: Path, name: str) -> tuple[str, ...]:
    """What CommandProcess is to run to take a case out of the folder."""
    return ("-m", "MedSegDLLib", "cases", "remove", str(folder), name)


class ThumbnailMaker(CommandWork):
    """Makes the pictures that are missing; `made` grows with the names of the cases that have theirs now."""

    def __init__(self, folder: Path, interpreter: Interpreter) -> None:
        super().__init__(interpreter, ["cases", "thumbnails", str(folder)])
        self.made: list[str] = []
        self.warnings: list[str] = []

    def _hear(self, event: dict) -> None:
        if event.get("event") == "thumbnail":
            self.made.append(event["case"])
        elif event.get("event") == "warning":
            self.warnings.append(event["text"])
