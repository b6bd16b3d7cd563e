"""Splits by patient, drawn once: whatever comes or goes, nobody moves."""

from collections import Counter

import pytest

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.splits import FOLDS, Patient, drawn, fold_of


def _patients(count):
    patients = []
    for number in range(count):
        patients.append(drawn(patients, f"P{number}"))
    return patients


def test_the_first_is_trained_on_and_the_second_validated_on():
    assert [patient.split for patient in _patients(5)] == ["train", "validation", "train", "train", "train"]


def test_folds_differ_by_one_patient_at_most_and_fold_0_is_validated_on():
    for count in range(1, 43):
        patients = _patients(count)
        sizes = Counter(patient.fold for patient in patients)
        assert max(sizes.values()) - min(sizes[fold] for fold in range(FOLDS)) <= 1
        assert all((patient.split == "validation") == (patient.fold == 0) for patient in patients)


def test_held_out_patients_take_no_place_from_the_others():
    patients = _patients(3)
    held_out = drawn(patients, "H", "test")
    assert held_out.split == "test"
    assert drawn([*patients, held_out], "X") == drawn(patients, "X")


@pytest.mark.parametrize("folds", [2, 3, 5, 10])
def test_nobody_changes_folds_while_a_hundred_patients_come(folds):
    patients, places = [], {}
    for number in range(100):
        patients.append(drawn(patients, f"P{number}", "test" if number % 7 == 3 else None))
        for patient in patients:
            place = fold_of(patients, patient.key, folds)
            assert places.setdefault(patient.key, place) == place
        sizes = Counter(places[patient.key] for patient in patients if patient.split != "test")
        assert set(sizes) <= set(range(folds)) and max(sizes.values()) - min(sizes[fold] for fold in range(folds)) <= 1


def test_five_folds_are_those_written_down():
    patients = [Patient("A", "train", 3), Patient("B", "train", 3)]
    assert [fold_of(patients, key, 5) for key in "AB"] == [3, 3]
    assert [fold_of(patients, key, 2) for key in "AB"] == [1, 0]
    assert all(fold_of(_patients(30), f"P{number}", 5) == _patients(30)[number].fold for number in range(30))


def test_who_is_no_patient_of_the_folder_has_no_fold():
    with pytest.raises(InputError, match="no patient X"):
        fold_of(_patients(3), "X", 2)
