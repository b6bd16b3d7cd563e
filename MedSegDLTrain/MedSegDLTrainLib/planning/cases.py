"""What a plan says of the cases themselves."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.cases import read_case_list
from MedSegDLTrainLib.division import counted, divided
from MedSegDLTrainLib.job import Validation
from MedSegDLTrainLib.planning.fingerprint import Fingerprint
from MedSegDLTrainLib.splits import FOLDS

_RAREST = 3  # labels that a reason names


def check_trainable(found: Fingerprint, folder: Path) -> None:
    """Raise InputError if no training case has a label."""
    if not any(sum(case.voxels) for case in found.training):
        raise InputError(f"{folder} holds no training case with a label: correct some first, then 'medsegdl cases add'.")


def reasons_of_cases(found: Fingerprint, folder: Path) -> dict[str, str]:
    """What is in the case folder, who validates, and which labels are rare or absent."""
    cases, patients = found.counts["train"]
    held_cases, held_patients = found.counts.get("test", (0, 0))
    text = f"{_counted(cases, patients)} to train on"
    if held_cases:
        text += f"; {_counted(held_cases, held_patients)} held out, not opened"
    if found.predicted:
        text += f"; {found.predicted} only predicted, left out until somebody corrects them"
    return {"cases": text, "labels": _labels_why(found), "validation.fold": _validation_why(found, folder)}


def _counted(cases: int, patients: int) -> str:
    return f"{cases} case{'s' * (cases != 1)} of {patients} patient{'s' * (patients != 1)}"


def _validation_why(found: Fingerprint, folder: Path) -> str:
    cases, patients = found.counts.get("validation", (0, 0))
    if cases:
        return f"the best weights are told by {_counted(cases, patients)} of the split validation"
    advice = ["name some of the patients in patients"] if found.counts["train"][1] > 1 else []
    if usable := _usable_fold(folder):
        fold, cases, patients = usable
        advice.insert(0, f"set fold to {fold} (leaves {_counted(cases, patients)} out)")
    advice.append("add cases of another patient with --split validation")
    return (
        "NO patient is in the split validation, so the best weights cannot be told and the last ones are kept: "
        + ", or ".join(advice)
    )


def _usable_fold(folder: Path) -> tuple[int, int, int] | None:
    """The first fold with somebody in it and others to train on, and how many cases and patients it leaves out."""
    document = read_case_list(folder)
    for fold in range(FOLDS):
        with suppress(InputError):  # nobody is left to train on
            if left_out := divided(document, Validation(fold=fold)).validation:
                return fold, len(left_out), counted(left_out)["patients"]
    return None


def _labels_why(found: Fingerprint) -> str:
    training = found.training
    annotated = sum(case.annotated_voxels for case in training)
    rows = []
    for number, label in enumerate(found.labels):
        voxels = [case.voxels[number] for case in training]
        rows.append((sum(voxels) / annotated, sum(count > 0 for count in voxels), label))
    absent = [label for share, _, label in rows if share == 0]
    shown = sorted(rows)[:_RAREST]
    texts = [
        f"'{label}' in {count} of {len(training)} cases, {100 * share:.2g} % of their voxels" for share, count, label in shown
    ]
    text = ("the rarest: " if len(rows) > _RAREST else "") + "; ".join(texts)
    warning = f"NO training case has {', '.join(map(repr, absent))}: it cannot be learnt; " if absent else ""
    return warning + text
