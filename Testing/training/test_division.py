"""Who is trained on, validated on, left aside and never touched."""

from dataclasses import replace

import pytest

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.cases import Case, CaseList
from MedSegDLTrainLib.division import counted, divided
from MedSegDLTrainLib.job import Validation
from MedSegDLTrainLib.splits import Patient

PATIENTS = (
    Patient("A", "train", 1),
    Patient("B", "validation", 0),
    Patient("C", "train", 2),
    Patient("D", "test", 3),
    Patient("E", "train", 3),
)
CASES = tuple(
    Case(f"{patient.key}-{n}", patient.key, patient.split)
    for patient in PATIENTS
    for n in ((1, 2) if patient.key == "C" else (1,))
)
FOLDER = CaseList(CASES, PATIENTS)


def _names(division):
    parts = (division.training, division.validation, division.held_out, division.unused)
    return tuple(" ".join(case.name for case in part) for part in parts)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Validation(), ("A-1 C-1 C-2 E-1", "B-1", "D-1", "")),
        (Validation(patients=("A",)), ("C-1 C-2 E-1", "A-1 B-1", "D-1", "")),
        (Validation(fold=2), ("A-1 B-1 E-1", "C-1 C-2", "D-1", "")),
        (Validation(fold=3), ("A-1 B-1 C-1 C-2", "E-1", "D-1", "")),
        (Validation(train_patients=("C",)), ("C-1 C-2", "B-1", "D-1", "A-1 E-1")),
        (Validation(patients=("D",)), ("A-1 C-1 C-2 E-1", "B-1", "D-1", "")),
    ],
)
def test_division(how, expected):
    assert _names(divided(FOLDER, how)) == expected


def test_what_is_only_predicted_has_no_use():
    predicted = replace(FOLDER, cases=tuple(replace(case, status="predicted") for case in CASES[:2]) + CASES[2:])
    assert _names(divided(predicted, Validation())) == ("C-1 C-2 E-1", "", "D-1", "A-1 B-1")
    everything = replace(FOLDER, cases=tuple(replace(case, status="predicted") for case in CASES))
    with pytest.raises(InputError, match="no case to train on: correct some of those that are only predicted"):
        divided(everything, Validation())


def test_an_unknown_patient_is_a_sentence():
    with pytest.raises(InputError, match="names the patient X, whom"):
        divided(FOLDER, Validation(patients=("X",)))


def test_nothing_left_to_train_on_is_a_sentence():
    with pytest.raises(InputError, match="no case to train on"):
        divided(FOLDER, Validation(patients=("A", "C", "E")))


def test_patients_and_cases_are_counted():
    assert counted(CASES) == {"patients": 5, "cases": 6}
