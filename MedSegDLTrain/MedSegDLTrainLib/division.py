"""Which cases of a folder a job trains on, validates on, and never touches (light: no torch)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.cases import PREDICTED, Case, CaseList
from MedSegDLTrainLib.job import Validation
from MedSegDLTrainLib.splits import fold_of


@dataclass(frozen=True)
class Division:
    """Cases by their use; `unused` are those that nobody has corrected, and of patients that a job leaves aside."""

    training: tuple[Case, ...]
    validation: tuple[Case, ...]
    held_out: tuple[Case, ...]
    unused: tuple[Case, ...] = ()


def divided(document: CaseList, how: Validation) -> Division:
    """The division that a job asks for; patients held out as "test" are held out whatever it says.

    Cases that are only predicted have no use: a model would learn its own mistakes, and be praised for them. Raises
    InputError if the job names a patient whom the folder lacks, or nothing is left to train on.
    """
    check_patients(document, (*how.patients, *how.train_patients))
    parts: dict[str, list[Case]] = {"training": [], "validation": [], "held_out": [], "unused": []}
    left_out = _left_out(document, how)
    for case in document.cases:
        parts[_part(case, how, left_out)].append(case)
    if not parts["training"]:
        raise InputError(f"The case folder has no case to train on: {_remedy(document)}, or leave out fewer patients.")
    return Division(**{name: tuple(cases) for name, cases in parts.items()})


def _remedy(document: CaseList) -> str:
    only_predicted = any(case.status == PREDICTED for case in document.cases)
    return "correct some of those that are only predicted" if only_predicted else "add some"


def _part(case: Case, how: Validation, left_out: set[str]) -> str:
    if case.status == PREDICTED:
        return "unused"
    if case.split == "test":
        return "held_out"
    if case.patient in left_out:
        return "validation"
    return "training" if not how.train_patients or case.patient in how.train_patients else "unused"


def _left_out(document: CaseList, how: Validation) -> set[str]:
    """Patients to validate on."""
    if how.fold is None:
        chosen = {patient.key for patient in document.patients if patient.split == "validation"}
    else:
        keys = [patient.key for patient in document.patients if patient.split != "test"]
        chosen = {key for key in keys if fold_of(document.patients, key, how.folds) == how.fold}
    return chosen | set(how.patients)


def check_patients(document: CaseList, named: Sequence[str]) -> None:
    """Raise InputError for a patient whom a job names and the case folder does not have."""
    known = {patient.key for patient in document.patients}
    if unknown := [key for key in named if key not in known]:
        raise InputError(f"The job names the patient {unknown[0]}, whom the case folder does not have.")


def counted(cases: Sequence[Case]) -> dict[str, int]:
    """{patients, cases} of some cases."""
    return {"patients": len({case.patient for case in cases}), "cases": len(cases)}
