"""Which patients are trained on and which are validated on: drawn once for each patient, written down, never moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

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
    block, place = divmod(sum(patient.split != "test" for patient in patients), FOLDS)
    fold = _order(block)[place]
    return Patient(key, split or ("validation" if fold == 0 else "train"), fold)


def _order(block: int) -> list[int]:
    if block == 0:
        return [1, 0, 2, 3, 4]  # the first patient to train on, the second to validate on
    return np.random.default_rng(block).permutation(FOLDS).tolist()
