"""Cases come into a folder, are corrected, are checked and leave it again; other cases stay as they are.

Every change is made by one process at a time and ends with cases.json. What is stopped before leaves the other cases as
they were, and is to be done again; earlier labels stay.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from filelock import FileLock

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.checksums import sha256_of
from MedSegDLLib.errors import InputError, MedSegDLError, OutputError
from MedSegDLLib.files import name_of, read_image, read_labels, write_image
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.labels import LabelTable, write_label_table
from MedSegDLLib.model_card import LABELS_FILE
from MedSegDLLib.segmentation import Segmentation
from MedSegDLTrainLib.cases import (
    CASES_FILE,
    DATASET_FILE,
    IGNORE,
    IGNORE_NAME,
    Case,
    CaseList,
    Dataset,
    check_same_grid,
    earlier_label_path,
    image_path,
    label_path,
    new_dataset,
    next_folder,
    prepared_folder,
    read_case,
    read_case_list,
    read_dataset,
    thumbnail_folder,
    values_of,
    write_case_labels,
    write_case_list,
)
from MedSegDLTrainLib.splits import drawn

_LOCK_FILE = ".lock"


@dataclass(frozen=True)
class NewCase:
    """What is to be added: an image, labels on its grid, and whose they are.

    `slices` counts annotated slices from 0 along the array's z; None: all are. `split` None: drawn. `frame` chooses one of
    an image over time, and of its labels if they are, too.
    """

    image: Path
    labels: Path
    patient: str
    status: str = "corrected"
    model: str = ""
    model_sha256: str = ""
    slices: tuple[int, ...] | None = None
    split: str | None = None
    frame: int | None = None

    @property
    def source(self) -> str:
        """What the image was read from."""
        return self.image.name if self.frame is None else f"{self.image.name}, frame {self.frame}"


def add_case(folder: Path, new: NewCase, table: LabelTable | None = None, modality: str = "MR") -> Case:
    """Copy image and labels into the folder and return the case; an image that is there already gets the new labels.

    The folder is made if need be, with the labels of `table`, or of the segments of a .seg.nrrd, numbered from 1, which it
    keeps in labels.csv; if that fails, nothing is left of it. Segments are matched to the folder's labels by name; one called
    "ignore" marks what nobody annotated. In a plain label map 255 does, and what a folder that is not new has for it. Raises
    InputError for what cannot be a case, OutputError where writing fails.
    """
    image = read_image(new.image, new.frame)
    given = read_labels(new.labels, new.frame)
    table = _without_ignore(table) if table else _numbered(_without_ignore(given.labels))
    with _one_at_a_time(folder):
        is_new = not (folder / CASES_FILE).is_file()
        document, dataset = _begun(folder, table, modality) if is_new else _opened(folder)
        marks = {IGNORE} if is_new else {IGNORE, dataset.ignore}
        labels = _checked(given, image, new, dataset.labels, marks)
        case, document = _placed(document, new, image)
        _keep_earlier(folder, case)
        with _taken_back_if_it_fails(folder, case):
            if case.version == 1:
                write_image(image, image_path(folder, case))
            write_case_labels(folder, case, labels, dataset)
            if is_new:
                write_label_table(table, folder / LABELS_FILE)
            cases = {before.name: before for before in document.cases} | {case.name: case}
            write_case_list(folder, CaseList(tuple(cases.values()), document.patients), dataset)
    return case


def remove_case(folder: Path, name: str) -> None:
    """Take a case out of the folder, its files with it; its patient keeps the split. Raises InputError if there is none."""
    with _one_at_a_time(folder):
        document = read_case_list(folder)
        case = next((case for case in document.cases if case.name == name), None)
        if case is None:
            raise InputError(f"There is no case {name} in {folder}.")
        others = tuple(other for other in document.cases if other.name != name)
        write_case_list(folder, CaseList(others, document.patients), read_dataset(folder))
        _forget(folder, case)
        versions = range(1, case.version + 1)  # the last one's: of a correction that was stopped
        earlier = [earlier_label_path(folder, replace(case, version=version)) for version in versions]
        for path in (image_path(folder, case), label_path(folder, case), *earlier):
            path.unlink(missing_ok=True)


def _forget(folder: Path, case: Case) -> None:
    """Remove what was made of a case: its arrays, its picture, and models' predictions of its image."""
    for made in (prepared_folder(folder, case), thumbnail_folder(folder, case)):
        shutil.rmtree(made, ignore_errors=True)
    image = image_path(folder, case)
    if image.is_file() and next_folder(folder).is_dir():
        for path in next_folder(folder).glob(f"*/{file_key(image)}.*"):
            path.unlink(missing_ok=True)


def file_key(path: Path) -> str:
    """The first half of the SHA-256 of a file, which names what was made of it."""
    return sha256_of(path)[:32]


def problems_of(folder: Path, cases: Sequence[Case]) -> list[str]:
    """What is wrong with cases of a folder, one sentence each; raises InputError if dataset.json itself cannot be read."""
    dataset = read_dataset(folder)
    problems, seen = [], {}
    for case in cases:
        try:
            image, labels = read_case(folder, case, dataset)
            _check_labels(labels, image, case.status)
        except MedSegDLError as reason:
            problems.append(f"{case.name}: {reason}")
            continue
        twin = seen.setdefault(content_of(image), case.name)
        if twin != case.name:
            problems.append(f"{case.name}: has the same image as {twin}; remove one of them.")
    return problems


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; what was made of a folder that then has no cases is removed again."""
    parts = [folder / "imagesTr", folder / "labelsTr"]
    missing = [path for path in (*parts, folder, *folder.parents) if not path.exists()]
    try:
        with _locked(folder):
            for part in parts:
                part.mkdir(parents=True, exist_ok=True)
            try:
                yield
            finally:
                _remove_unless_begun(folder, [part for part in parts if part in missing])
    except OSError as reason:
        raise OutputError(f"The case folder {folder} cannot be changed: {reason.strerror or reason}.") from reason
    finally:
        _remove_unless_begun(folder, [path for path in missing if path not in parts])


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The lock is the kernel's: it ends with the process that holds it, however that ends."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK_FILE):
            if (folder / _LOCK_FILE).exists():  # else whoever had it before has failed, and removed it
                yield
                return


def _remove_unless_begun(folder: Path, made: Sequence[Path]) -> None:
    """Remove the lock and the empty folders `made`, innermost first, if the case folder has no cases.json."""
    if (folder / CASES_FILE).is_file():
        return
    with suppress(OSError):  # Windows removes a lock when it ends
        (folder / _LOCK_FILE).unlink()
    for path in made:
        with suppress(OSError):
            path.rmdir()


def _opened(folder: Path) -> tuple[CaseList, Dataset]:
    """A folder that somebody else made may have no value yet for what nobody annotated."""
    dataset = read_dataset(folder)
    return read_case_list(folder), dataset if dataset.ignore else new_dataset(dataset.labels, dataset.modality)


def _begun(folder: Path, table: LabelTable, modality: str) -> tuple[CaseList, Dataset]:
    if not table.labels:
        raise InputError(
            f"{folder} is a new case folder: say what its labels are called, with a label table, the model that they come "
            "from, or a .seg.nrrd, which names its segments."
        )
    return CaseList(()), new_dataset(_values(table), modality)


def _without_ignore(table: LabelTable) -> LabelTable:
    return LabelTable(tuple(label for label in table.labels if label.name != IGNORE_NAME))


def _numbered(table: LabelTable) -> LabelTable:
    """The labels with the values 1…K in the order of their values, as nnU-Net wants them."""
    ordered = sorted(table.labels, key=lambda label: label.value)
    return LabelTable(tuple(replace(label, value=number) for number, label in enumerate(ordered, 1)))


def _values(table: LabelTable) -> dict[str, int]:
    """Label values by name."""
    return {label.name: label.value for label in table.labels}


def _checked(given: Segmentation, image: Image, new: NewCase, labels: dict[str, int], marks: set[int]) -> LabelMap:
    """The labels with the folder's values, and IGNORE where nobody annotated; raises InputError for what is no case.

    Without names, values are the folder's `labels`, and `marks` for what nobody annotated.
    """
    array, names = given.labelmap.array, _values(given.labels)
    array = _renumbered(array, names, labels) if names else _known(array, set(labels.values()), marks)
    if new.slices is not None:
        array = _only_slices(array, new.slices)
    check_same_grid(image, given.labelmap)
    _check_labels(replace(given.labelmap, array=array), image, new.status)
    return LabelMap(array, image.geometry, given.labelmap.name)


def _check_labels(labels: LabelMap, image: Image, status: str) -> None:
    if image.channels > 1:
        raise InputError(f"The image has {image.channels} values a voxel; a case has one.")
    values = values_of(labels.array)
    if values == {IGNORE}:
        raise InputError("The labels say nothing: every voxel is marked as not annotated.")
    if values == {0} and status != "approved":
        raise InputError("The labels are empty: if that is what the image shows, add them with the status approved.")


def _renumbered(array: np.ndarray, names: dict[str, int], labels: dict[str, int]) -> np.ndarray:
    """Segments by their name, never by their value."""
    result = np.zeros(array.shape, np.uint8)
    for name, value in names.items():
        if name not in labels and name != IGNORE_NAME:
            advice = "rename it" if (array == value).any() else "it is empty, so rename it or delete it"
            raise InputError(f"The segment '{name}' is none of the folder's labels ({', '.join(labels)}): {advice}.")
        result[array == value] = IGNORE if name == IGNORE_NAME else labels[name]
    return result


def _known(array: np.ndarray, labels: set[int], marks: set[int]) -> np.ndarray:
    """Values without names, with IGNORE for each of `marks`."""
    if unknown := sorted(values_of(array) - {0} - labels - marks):
        known = ", ".join(map(str, sorted(labels)))
        raise InputError(
            f"The labels hold the value {unknown[0]}, which is none of {known}, 0 or {IGNORE}: "
            "take it out, or use a case folder whose labels have it."
        )
    return np.where(np.isin(array, list(marks)), IGNORE, array).astype(np.uint8)


def _only_slices(array: np.ndarray, slices: tuple[int, ...]) -> np.ndarray:
    if wrong := [number for number in slices if not 0 <= number < len(array)]:
        raise InputError(f"There is no slice {wrong[0]}: the labels have slices 0…{len(array) - 1}.")
    annotated = np.isin(np.arange(len(array)), slices)
    return np.where(annotated[:, None, None], array, IGNORE)


def _placed(document: CaseList, new: NewCase, image: Image) -> tuple[Case, CaseList]:
    """The case as it will be, and the list with its patient in it."""
    new = replace(new, patient=_patient_key(new.patient, [patient.key for patient in document.patients]))
    patient = next((patient for patient in document.patients if patient.key == new.patient), None)
    if patient is None:
        patient = drawn(document.patients, new.patient, new.split)
        document = replace(document, patients=(*document.patients, patient))
    if new.split not in (None, patient.split):
        raise InputError(f"The patient {new.patient} belongs to {patient.split} for ever and cannot move to {new.split}.")
    content = content_of(image)
    before = next((case for case in document.cases if case.image_sha256 == content), None)
    if before is not None and before.patient != new.patient:
        raise InputError(f"This image is there already as case {before.name} of patient {before.patient}.")
    name, version = (before.name, before.version + 1) if before else (_free_name(document, new), 1)
    case = Case(name, new.patient, patient.split, new.status, version, new.source, content, new.model, new.model_sha256)
    return case, document


def _patient_key(given: str, known: Sequence[str]) -> str:
    """The key as the folder writes it, whatever spaces or forms of one letter somebody types; raises InputError for none.

    One person under two keys could be trained on and validated on at once: keys that differ in capitals only are refused.
    """
    if given in known:
        return given
    key = _plain(given)
    if not key:
        raise InputError("The patient's key is empty: give one that is the same for all images of one person.")
    if same := [other for other in known if _plain(other) == key]:
        return same[0]
    for other in known:
        if _plain(other).casefold() == key.casefold():
            raise InputError(
                f"There is a patient '{other}' already: write '{key}' the same way, or give another person another key."
            )
    return key


def _plain(key: str) -> str:
    """Without spaces at the ends, and ö as one character, which macOS writes as two in names of files."""
    return unicodedata.normalize("NFC", " ".join(key.split()))


def _free_name(document: CaseList, new: NewCase) -> str:
    """Made of the file's name without the channel number of nnU-Net, and the frame."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", name_of(new.image).removesuffix("_0000")).strip("-.") or "case"
    name += "" if new.frame is None else f"-frame-{new.frame}"
    taken = {case.name for case in document.cases}
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(free for free in numbered if free not in taken)


def _keep_earlier(folder: Path, case: Case) -> None:
    """A copy of the labels that `case` replaces, unless a correction that was stopped has made it."""
    kept = earlier_label_path(folder, replace(case, version=case.version - 1))
    if case.version == 1 or kept.exists():
        return
    kept.parent.mkdir(exist_ok=True)
    with written_beside(kept) as beside:
        shutil.copyfile(label_path(folder, case), beside)


@contextmanager
def _taken_back_if_it_fails(folder: Path, case: Case) -> Iterator[None]:
    """The files of a case that cases.json does not know, say because the disk is full, go; corrected labels come back.

    The tables of a folder that does not get its cases.json go, too.
    """
    tables = [path for path in (folder / LABELS_FILE, folder / DATASET_FILE) if not path.exists()]
    try:
        yield
    except BaseException:
        if case.version > 1:
            earlier_label_path(folder, replace(case, version=case.version - 1)).replace(label_path(folder, case))
        else:
            label_path(folder, case).unlink(missing_ok=True)
            image_path(folder, case).unlink(missing_ok=True)
        if not (folder / CASES_FILE).is_file():
            for path in tables:
                path.unlink(missing_ok=True)
        raise


def content_of(image: Image) -> str:
    """SHA-256 of the intensities, whatever their number type: NIfTI may keep them in another."""
    return hashlib.sha256(np.ascontiguousarray(image.array, dtype="<f8").tobytes()).hexdigest()
