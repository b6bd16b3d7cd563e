"""Splits by patient, drawn once: whatever comes or goes, nobody moves."""

from collections import Counter

from MedSegDLTrainLib.splits import FOLDS, drawn


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
