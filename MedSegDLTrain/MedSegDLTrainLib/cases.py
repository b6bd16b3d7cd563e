"""A case folder: nnU-Net's raw layout and cases.json with patients and their split (numpy, SimpleITK, standard library)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from MedSegDLLib.errors import InputError
from MedSegDLLib.strict_json import from_json, read_json, to_json

IGNORE = 255
"""Label value of voxels that nobody annotated: they take no part in training or validation."""


@dataclass(frozen=True)
class Case:
    """One annotated volume. Splits are by patient and never move."""

    name: str
    patient: str
    split: str = field(metadata={"help": "train, or test: held out for ever", "choices": ("train", "test")})


@dataclass(frozen=True)
class CaseList:
    """cases.json."""

    cases: tuple[Case, ...]


def read_cases(folder: Path) -> tuple[Case, ...]:
    """The cases of a folder; raises InputError if a file is missing or a patient is in two splits."""
    cases = read_json(CaseList, folder / "cases.json", InputError).cases
    splits: dict[str, str] = {}
    for case in cases:
        if splits.setdefault(case.patient, case.split) != case.split:
            raise InputError(f"In {folder} the patient {case.patient} is both in {splits[case.patient]} and in {case.split}.")
        for path in (image_path(folder, case), label_path(folder, case)):
            if not path.is_file():
                raise InputError(f"{path} of case {case.name} is missing.")
    return cases


def write_cases(folder: Path, cases: list[Case], labels: dict[str, int], modality: str) -> None:
    """Write cases.json and nnU-Net's dataset.json beside images and label maps that are already there."""
    dataset = {
        "channel_names": {"0": modality},
        "labels": {"background": 0} | labels | {"ignore": IGNORE},
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=2) + "\n", encoding="utf-8")
    document = to_json(from_json(CaseList, {"cases": [to_json(case) for case in cases]}, "cases.json", InputError))
    (folder / "cases.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def image_path(folder: Path, case: Case) -> Path:
    """Where the image of `case` is (nnU-Net's raw layout, one channel)."""
    return folder / "imagesTr" / f"{case.name}_0000.nii.gz"


def label_path(folder: Path, case: Case) -> Path:
    """Where the label map of `case` is."""
    return folder / "labelsTr" / f"{case.name}.nii.gz"
