"""Which patients are trained on and which are validated on: drawn once for each patient, written down, never moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from MedSegDLLib.errors import InputError

FOLDS = 5
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Patient:
    """Where all cases of a patient belong, for ever."""

    key: str
    split: str = field(metadata={"help": "train, validation, or test: held out for ever", "choices": SPLITS})
    fold: int = field(metadata={"help": f"Part of the patients, 0…{FOLDS - 1}, that a cross-validation leaves out together."})


def drawn(patients: Sequence[Patient], key: str, split: str | None = None) -> Patient:
    """The place of a patient who comes after `patients`: `split` if it is given, else validation for fold 0.

    Of every five patients one comes into each fold, in an order drawn anew, so that folds differ by one patient at most.
    """
    fold = _fold_after(patients, FOLDS)
    return Patient(key, split or ("validation" if fold == 0 else "train"), fold)


def fold_of(patients: Sequence[Patient], key: str, folds: int) -> int:
    """The part 0…folds − 1 of patient `key`: the one written down if `folds` is 5, else drawn in the same way.

    It depends on the patients who came before only, so that nobody moves when others come. Raises InputError for a patient
    who is none of `patients`.
    """
    number = next((number for number, patient in enumerate(patients) if patient.key == key), None)
    if number is None:
        raise InputError(f"The case folder has no patient {key}: check the name.")
    return patients[number].fold if folds == FOLDS else _fold_after(patients[:number], folds)


def _fold_after(patients: Sequence[Patient], folds: int) -> int:
    """Where whoever comes after `patients` belongs; patients held out for ever take no place."""
    block, place = divmod(sum(patient.split != "test" for patient in patients), folds)
    return _order(block, folds)[place]


def _order(block: int, folds: int) -> list[int]:
    if block == 0:
        return [1, 0, *range(2, folds)]  # the first patient to train on, the second to validate on
    return np.random.default_rng(block).permutation(folds).tolist()
