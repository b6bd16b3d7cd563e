"""A case folder: nnU-Net's raw layout, and cases.json with patients, their split, and where each case came from."""

from __future__ import annotations

import colorsys
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import read_image, read_labelmap, write_labelmap
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.labels import Label, LabelTable, read_label_table
from MedSegDLLib.model_card import LABELS_FILE
from MedSegDLLib.strict_json import from_json, read_json, to_json, write_json
from MedSegDLTrainLib.splits import SPLITS, Patient, drawn

IGNORE = 255
"""Label value, once read, of voxels that nobody annotated: they take no part in training or validation."""

LARGEST_LABEL = IGNORE - 1
BACKGROUND_NAME, IGNORE_NAME = "background", "ignore"  # in nnU-Net's dataset.json

PREDICTED = "predicted"  # nobody has looked at such labels: neither trained on nor measured against
STATUSES = (PREDICTED, "corrected", "approved")
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
    """What nnU-Net's dataset.json says of the folder: values of the `labels` by name, background and ignore left out.

    `ignore` is the value in the folder's files of voxels that nobody annotated; None: the folder has no such voxels.
    Raises InputError for values that are not 1…254 (`ignore`: 1…255), or not all different.
    """

    labels: dict[str, int]
    modality: str
    ignore: int | None

    def __post_init__(self) -> None:
        if reserved := {BACKGROUND_NAME, IGNORE_NAME} & set(self.labels):
            raise InputError(f"A label cannot be called '{min(reserved)}': the name means something else to nnU-Net.")
        if wrong := [value for value in self.labels.values() if not 1 <= value <= LARGEST_LABEL]:
            raise InputError(f"Labels of a case folder have values from 1 to {LARGEST_LABEL}, but one is {wrong[0]}.")
        if self.ignore is not None and not 1 <= self.ignore <= IGNORE:
            raise InputError(f"What nobody annotated has a value from 1 to {IGNORE} in a case folder, but it is {self.ignore}.")
        values = [*self.labels.values(), self.ignore]
        if repeated := [value for value, count in Counter(values).items() if count > 1]:
            raise InputError(f"Each label of a case folder needs a value of its own, but two have {repeated[0]}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the labels, by their value."""
        return tuple(sorted(self.labels, key=self.labels.__getitem__))


def new_dataset(labels: dict[str, int], modality: str) -> Dataset:
    """The dataset of a new folder; nnU-Net wants the ignore label to be the one after the last."""
    return Dataset(labels, modality, max(labels.values(), default=0) + 1)


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
    _check_names([case.name for case in document.cases], folder)
    patients = list(document.patients)
    splits = {patient.key: patient.split for patient in patients}
    for case in document.cases:
        if case.patient not in splits:
            patients.append(drawn(patients, case.patient, case.split))
            splits[case.patient] = case.split
        if splits[case.patient] != case.split:
            raise InputError(f"In {folder} the patient {case.patient} is both in {splits[case.patient]} and in {case.split}.")
    return CaseList(document.cases, tuple(patients))


def check_there(folder: Path) -> None:
    """Raise InputError, which says what can be done, if the case folder that a job names is not there."""
    if not folder.is_dir():
        raise InputError(
            f"There is no case folder {folder}: put it back, or say where it is now in `cases` of the job file (a run goes on "
            "with `medsegdl train JOB.json --run FOLDER --resume`)."
        )


def read_dataset(folder: Path) -> Dataset:
    """dataset.json; raises InputError if it cannot be read or its labels cannot be trained on."""
    path = folder / DATASET_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        labels = {str(name): int(value) for name, value in document["labels"].items()}
        (modality,) = document["channel_names"].values()
    except OSError as reason:
        raise InputError(f"{path} cannot be read: {reason.strerror}.") from reason
    except (ValueError, KeyError, TypeError, AttributeError) as reason:
        raise InputError(f"{path} is no dataset.json of one channel with labels by name.") from reason
    labels.pop(BACKGROUND_NAME, None)
    ignore = labels.pop(IGNORE_NAME, None)
    try:
        return Dataset(labels, str(modality), ignore)
    except InputError as reason:
        raise InputError(f"{path}: {reason}") from reason


def case_labels(folder: Path, case: Case, dataset: Dataset) -> LabelMap:
    """The labels of a case as uint8 with IGNORE where nobody annotated, whatever value the folder's files have for it.

    Raises InputError if the file cannot be read or holds a value that the dataset does not name.
    """
    labelmap = read_labelmap(label_path(folder, case))
    known = {0, *dataset.labels.values(), dataset.ignore} - {None}
    if unknown := sorted(values_of(labelmap.array) - known):
        raise InputError(
            f"{label_path(folder, case)} holds the value {unknown[0]}, which is none of {', '.join(map(str, sorted(known)))}: "
            "correct the labels, or name the value in dataset.json."
        )
    array = labelmap.array if dataset.ignore is None else np.where(labelmap.array == dataset.ignore, IGNORE, labelmap.array)
    return replace(labelmap, array=array.astype(np.uint8, copy=False))


def read_case(folder: Path, case: Case, dataset: Dataset) -> tuple[Image, LabelMap]:
    """Image and labels (see `case_labels`) of a case; raises InputError if they cannot be read or lie on different grids."""
    image, labels = read_image(image_path(folder, case)), case_labels(folder, case, dataset)
    check_same_grid(image, labels)
    return image, labels


def check_same_grid(image: Image | LabelMap, labels: LabelMap) -> None:
    """Raise InputError unless labels lie on the grid of their image, or of what was made of it."""
    if not image.geometry.same_grid(labels.geometry):
        sizes = ("×".join(map(str, item.geometry.size)) for item in (image, labels))
        raise InputError(
            "Image ({} voxels) and labels ({} voxels) of '{}' lie on different grids: export the segmentation with the image "
            "as its reference, and add it again.".format(*sizes, labels.name)
        )


def write_case_labels(folder: Path, case: Case, labelmap: LabelMap, dataset: Dataset) -> None:
    """Write labels, with IGNORE where nobody annotated, so that `case_labels` gives them back; raises OutputError."""
    ignore = IGNORE if dataset.ignore is None else dataset.ignore
    array = np.where(labelmap.array == IGNORE, ignore, labelmap.array)
    write_labelmap(replace(labelmap, array=array), label_path(folder, case))


def values_of(array: np.ndarray) -> set[int]:
    """Which values occur in an array of whole numbers (Z, Y, X), found slice by slice to save memory."""
    return {value for plane in array for value in np.unique(plane).tolist()}


def label_table_of(folder: Path) -> LabelTable:
    """Names and values of dataset.json, with colours and terminology of the folder's labels.csv where it has the name.

    Other labels get colours that are easy to tell apart. Raises InputError or ModelError for a file that is damaged.
    """
    path = folder / LABELS_FILE
    known = {label.name: label for label in read_label_table(path).labels} if path.is_file() else {}
    dataset = read_dataset(folder)
    return LabelTable(
        tuple(
            replace(known[name], value=value) if name in known else Label(value, name, _colour(number))
            for number, (name, value) in enumerate((name, dataset.labels[name]) for name in dataset.names)
        )
    )


def write_cases(folder: Path, cases: Sequence[Case], labels: dict[str, int], modality: str) -> None:
    """Write cases.json and nnU-Net's dataset.json beside images and label maps that are already there."""
    write_case_list(folder, CaseList(tuple(cases)), new_dataset(labels, modality))


def write_case_list(folder: Path, document: CaseList, dataset: Dataset) -> None:
    """Write cases.json and dataset.json, each whole or not at all, cases.json last."""
    ignore = {} if dataset.ignore is None else {IGNORE_NAME: dataset.ignore}
    nnunet = {
        "channel_names": {"0": dataset.modality},
        "labels": {BACKGROUND_NAME: 0} | dataset.labels | ignore,
        "numTraining": len(document.cases),
        "file_ending": ".nii.gz",
    }
    checked = to_json(from_json(CaseList, to_json(document), CASES_FILE, InputError))
    for name, content in ((DATASET_FILE, nnunet), (CASES_FILE, checked)):
        write_json(content, folder / name)


def image_path(folder: Path, case: Case) -> Path:
    """Where the image of `case` is (nnU-Net's raw layout, one channel)."""
    return folder / "imagesTr" / f"{case.name}_0000.nii.gz"


def label_path(folder: Path, case: Case) -> Path:
    """Where the label map of `case` is."""
    return folder / "labelsTr" / f"{case.name}.nii.gz"


def earlier_label_path(folder: Path, case: Case) -> Path:
    """Where the label map of `case` is kept once there is a newer one."""
    return folder / "labelsTr_earlier" / f"{case.name}.{case.version}.nii.gz"


def prepared_folder(folder: Path, case: Case) -> Path:
    """Where `case` is kept as networks are to see it: files that can be made again."""
    return folder / ".prepared" / case.name


def thumbnail_folder(folder: Path, case: Case) -> Path:
    """Where the small picture of `case` is kept; no case has a name that begins with a dot."""
    return folder / ".prepared" / ".thumbnails" / case.name


def next_folder(folder: Path) -> Path:
    """Where models' predictions and scores of images that nobody has corrected are kept (next_cases.py)."""
    return folder / ".prepared" / ".next"


def _check_names(names: list[str], folder: Path) -> None:
    """Names of cases become names of files."""
    if unsafe := [name for name in names if not name or name.startswith(".") or set(name) & set('/\\:*?"<>|')]:
        raise InputError(f"In {folder} a case is called {unsafe[0]!r}, which cannot be the name of a file: rename it.")
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(f"In {folder} two cases are called {repeated[0]}: rename one of them.")


def _colour(number: int) -> tuple[int, int, int]:
    """Red, green, blue of the label `number`: hues a golden section of the circle apart, by turns strong, dark and pale."""
    hue, (saturation, value) = 0.02 + 0.618034 * number, ((0.75, 0.95), (0.9, 0.6), (0.45, 0.9))[number % 3]
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, saturation, value))
