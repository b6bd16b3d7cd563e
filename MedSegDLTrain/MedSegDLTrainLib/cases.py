"""A case folder: nnU-Net's raw layout, and cases.json with patients, their split, and where each case came from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.errors import InputError
from MedSegDLLib.strict_json import from_json, read_json, to_json
from MedSegDLTrainLib.splits import SPLITS, Patient, drawn

IGNORE = 255
"""Label value of voxels that nobody annotated: they take no part in training or validation."""

STATUSES = ("predicted", "corrected", "approved")
CASES_FILE, DATASET_FILE = "cases.json", "dataset.json"


@dataclass(frozen=True)
class Case:
    """One annotated volume. Splits are by patient and never move."""

    name: str
    patient: str
    split: str = field(metadata={"help": "train, validation, or test: held out for ever", "choices": SPLITS})
    status: str = field(default="approved", metadata={"help": "What a person did with the labels.", "choices": STATUSES})
    version: int = field(default=1, metadata={"help": "How many times labels were added; earlier ones are kept."})
    source: str = field(default="", metadata={"help": "The file that the image was read from."})
    image_sha256: str = field(default="", metadata={"help": "Of the intensities: two cases never have the same image."})
    model: str = field(default="", metadata={"help": "Id of the model whose prediction the labels began as."})
    model_sha256: str = field(default="", metadata={"help": "Of that model's weights."})


@dataclass(frozen=True)
class CaseList:
    """cases.json. `patients` are all that there ever were, in the order in which they came."""

    cases: tuple[Case, ...]
    patients: tuple[Patient, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """What nnU-Net's dataset.json says of the folder: `labels` by name (background and ignore left out)."""

    labels: dict[str, int]
    modality: str


def read_cases(folder: Path) -> tuple[Case, ...]:
    """The cases of a folder; raises InputError if a file is missing or a patient is in two splits."""
    cases = read_case_list(folder).cases
    for case in cases:
        for path in (image_path(folder, case), label_path(folder, case)):
            if not path.is_file():
                raise InputError(f"{path} of case {case.name} is missing.")
    return cases


def read_case_list(folder: Path) -> CaseList:
    """cases.json, with a place for each patient; raises InputError if it is not as it must be or a patient is in two splits."""
    document = read_json(CaseList, folder / CASES_FILE, InputError)
    patients = list(document.patients)
    splits = {patient.key: patient.split for patient in patients}
    for case in document.cases:
        if case.patient not in splits:
            patients.append(drawn(patients, case.patient, case.split))
            splits[case.patient] = case.split
        if splits[case.patient] != case.split:
            raise InputError(f"In {folder} the patient {case.patient} is both in {splits[case.patient]} and in {case.split}.")
    return CaseList(document.cases, tuple(patients))


def read_dataset(folder: Path) -> Dataset:
    """dataset.json; raises InputError if it cannot be read."""
    path = folder / DATASET_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        labels = {str(name): int(value) for name, value in document["labels"].items()}
        modality = str(document["channel_names"]["0"])
    except OSError as reason:
        raise InputError(f"{path} cannot be read: {reason.strerror}.") from reason
    except (ValueError, KeyError, TypeError, AttributeError) as reason:
        raise InputError(f"{path} is no dataset.json of one channel with labels by name.") from reason
    return Dataset({name: value for name, value in labels.items() if value not in (0, IGNORE)}, modality)


def write_cases(folder: Path, cases: Sequence[Case], labels: dict[str, int], modality: str) -> None:
    """Write cases.json and nnU-Net's dataset.json beside images and label maps that are already there."""
    write_case_list(folder, CaseList(tuple(cases)), Dataset(labels, modality))


def write_case_list(folder: Path, document: CaseList, dataset: Dataset) -> None:
    """Write cases.json and dataset.json, each whole or not at all, cases.json last."""
    nnunet = {
        "channel_names": {"0": dataset.modality},
        "labels": {"background": 0} | dataset.labels | {"ignore": IGNORE},
        "numTraining": len(document.cases),
        "file_ending": ".nii.gz",
    }
    checked = to_json(from_json(CaseList, to_json(document), CASES_FILE, InputError))
    for name, content in ((DATASET_FILE, nnunet), (CASES_FILE, checked)):
        with written_beside(folder / name) as beside:
            beside.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def image_path(folder: Path, case: Case) -> Path:
    """Where the image of `case` is (nnU-Net's raw layout, one channel)."""
    return folder / "imagesTr" / f"{case.name}_0000.nii.gz"


def label_path(folder: Path, case: Case) -> Path:
    """Where the label map of `case` is."""
    return folder / "labelsTr" / f"{case.name}.nii.gz"


def earlier_label_path(folder: Path, case: Case) -> Path:
    """Where the label map of `case` is kept once there is a newer one."""
    return folder / "labelsTr_earlier" / f"{case.name}.{case.version}.nii.gz"
