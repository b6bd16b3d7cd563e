"""The images that a folder or a DICOM database holds, each with a name for its results; nothing heavy is imported.

A folder is searched with its subfolders. Image files are taken as they are, segmentations (.seg.nrrd) are left out. A folder
that directly holds DICOM files is taken with all its subfolders; each series of images in it is one input.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from MedSegDLLib.dicom import is_dicom, series_of
from MedSegDLLib.errors import InputError
from MedSegDLLib.files import IMAGE_SUFFIXES, name_of, suffix_of
from MedSegDLLib.segmentation_file import SEGMENTATION_SUFFIX

DATABASE_FILE = "ctkDICOM.sql"
_OTHER_THAN_NAMES = re.compile(r"[^\w.-]+")

_SERIES_QUERY = """
SELECT Series.SeriesInstanceUID, Series.SeriesDescription, Series.Modality, Studies.StudyDate, Patients.PatientID
FROM Series
JOIN Studies ON Studies.StudyInstanceUID = Series.StudyInstanceUID
JOIN Patients ON Patients.UID = Studies.PatientsUID
ORDER BY Patients.PatientID, Studies.StudyDate, Series.SeriesNumber, Series.SeriesInstanceUID
"""
_FILES_QUERY = "SELECT Filename FROM Images WHERE SeriesInstanceUID = ? AND Filename IS NOT NULL"


@dataclass(frozen=True)
class BatchInput:
    """An image: where it lies, which series of a DICOM folder it is, its modality where known, and its results' path.

    `name` is a relative path without suffix: where the image lies below the folder that was searched.
    """

    source: Path
    name: Path
    series: str | None = None
    modality: str = ""


def images_below(folder: Path) -> tuple[list[BatchInput], list[str]]:
    """Every image below `folder`, in order of names, and a sentence for each file or folder that cannot be read.

    Raises InputError if the folder is none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give one that holds images, or segment single files with `medsegdl segment`.")
    found, problems = [], []
    for path in _units(folder, problems.append):
        if path.is_file():
            found.append(BatchInput(path, path.relative_to(folder).with_name(name_of(path))))
            continue
        try:
            found += _series_below(path, folder)
        except InputError as reason:
            problems.append(str(reason))
    return _told_apart(found), problems


def images_of_database(folder: Path) -> tuple[list[BatchInput], list[str]]:
    """Every series of images of Slicer's DICOM database in `folder`, in order of patients, and what is wrong with others.

    Results are named PatientID/StudyDate/series. Raises InputError where there is no database that can be read.
    """
    path = folder / DATABASE_FILE
    if not path.is_file():
        raise InputError(f"{folder} holds no DICOM database of Slicer: there is no {DATABASE_FILE} in it.")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute(_SERIES_QUERY).fetchall()
            files = {row[0]: [name for (name,) in database.execute(_FILES_QUERY, row[:1])] for row in rows}
    except sqlite3.Error as reason:
        raise InputError(
            f"The DICOM database {path} cannot be read ({reason}): open it in Slicer once, which repairs it."
        ) from None
    found, problems = [], []
    for uid, description, modality, date, patient in rows:
        present = [file for file in (folder / name for name in files[uid]) if file.is_file()]
        if not present:
            problems.append(f"The files of the series {uid} of patient {patient} are gone from {folder}: import them again.")
            continue
        place = Path(os.path.commonpath([file.parent for file in present]))
        name = Path(_as_name(patient) or "patient", _as_name(date) or "study", _series_name(description, uid))
        found.append(BatchInput(place, name, uid, modality or ""))
    return _told_apart(found), problems


def _units(folder: Path, tell: Callable[[str], None]) -> Iterator[Path]:
    """Image files, and the topmost folders that directly hold DICOM files; `tell` gets a sentence for what is unreadable."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as reason:
        tell(f"The folder {folder} cannot be read: {reason.strerror}.")
        return
    files = [entry for entry in entries if entry.is_file() and not entry.name.lower().endswith(SEGMENTATION_SUFFIX)]
    if any(_is_readable_dicom(file, tell) for file in files if not suffix_of(file, IMAGE_SUFFIXES)):
        yield folder
        return
    yield from (file for file in files if suffix_of(file, IMAGE_SUFFIXES))
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            yield from _units(entry, tell)


def _is_readable_dicom(file: Path, tell: Callable[[str], None]) -> bool:
    try:
        return is_dicom(file)
    except InputError as reason:
        tell(str(reason))
        return False


def _told_apart(found: list[BatchInput]) -> list[BatchInput]:
    """Results of one name (scan.nii.gz and scan.nrrd, or a DICOM folder scan) get the suffix, or the series' UID, added.

    Scan and scan are one name, as they are on the disks of Windows and macOS.
    """
    names = [str(item.name).casefold() for item in found]
    count = Counter(names)
    return [
        item if count[name] == 1 else replace(item, name=_longer_name(item)) for name, item in zip(names, found, strict=True)
    ]


def _longer_name(item: BatchInput) -> Path:
    end = item.series or item.source.name[len(item.name.name) :].replace(".", "_").strip("_")
    return item.name.with_name(f"{item.name.name}_{end}")


def _series_below(place: Path, folder: Path) -> list[BatchInput]:
    series, where = series_of(place), place.relative_to(folder)
    if len(series) == 1 and place != folder:
        return [BatchInput(place, where, series[0].uid, series[0].modality)]
    return [BatchInput(place, where / _series_name(one.description, one.uid), one.uid, one.modality) for one in series]


def _series_name(description: str | None, uid: str) -> str:
    """Readable and unique: descriptions repeat, the end of a UID hardly does."""
    return "_".join(filter(None, (_as_name(description), uid.replace(".", "")[-8:])))


def _as_name(text: str | None) -> str:
    return _OTHER_THAN_NAMES.sub("_", text or "").strip("._")
