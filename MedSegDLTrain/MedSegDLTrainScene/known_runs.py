"""Which training runs there are: those that were started from here, and those that lie beside a case folder (no slicer)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from MedSegDLLib.errors import InputError, OutputError
from MedSegDLLib.folders import data_folder
from MedSegDLLib.strict_json import read_json, write_json
from MedSegDLTrainLib.job import TrainingJob, localised, read_job
from MedSegDLTrainLib.run_folder import JOB_FILE, is_unused
from MedSegDLTrainScene.looking import holds

_RUNS_FILE, _MOST = "runs.json", 200


@dataclass(frozen=True)
class _Known:
    """runs.json: absolute paths, the latest first."""

    runs: tuple[str, ...] = ()


def known_runs() -> tuple[Path, ...]:
    """The runs that were remembered and are still there, the latest first."""
    return tuple(run for run in map(Path, _read().runs) if holds(run, JOB_FILE))


def remember_run(run: Path) -> None:
    """Put a run first in the list; raises OutputError where the list cannot be kept."""
    run = str(run.resolve())
    _write([run, *(other for other in _read().runs if other != run)][:_MOST])


def forget_run(run: Path) -> None:
    """Take a run off the list; its folder stays. Raises OutputError where the list cannot be kept."""
    _write([other for other in _read().runs if other != str(run.resolve())])


def runs_of(folder: Path) -> tuple[Path, ...]:
    """The runs on the cases of `folder`: remembered ones, and those beside it; the one begun last first."""
    beside = [path.parent for path in folder.resolve().parent.glob(f"*/{JOB_FILE}")]
    found = [run for run in dict.fromkeys([*known_runs(), *beside]) if _cases_of(run) == folder.resolve()]
    return tuple(sorted(found, key=_begun, reverse=True))


def free_run_folder(folder: Path, name: str = "run") -> Path:
    """A folder beside the case folder in which a run can begin: NAME, or NAME-2, NAME-3 …"""
    parent, number = folder.resolve().parent, 1
    while not is_unused(place := parent / (name if number == 1 else f"{name}-{number}")):
        number += 1
    return place


def job_of(run: Path) -> TrainingJob:
    """The job of a run; raises InputError."""
    return localised(read_job(run / JOB_FILE), run.resolve())


def _cases_of(run: Path) -> Path | None:
    try:
        return Path(job_of(run).cases).resolve()
    except InputError:  # another program's job.json
        return None


def _begun(run: Path) -> float:
    return (run / JOB_FILE).stat().st_mtime


def _read() -> _Known:
    """What is remembered; nothing if the file is missing or damaged."""
    try:
        return read_json(_Known, data_folder() / _RUNS_FILE, InputError)
    except InputError:
        return _Known()


def _write(runs: Sequence[str]) -> None:
    path = data_folder() / _RUNS_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise OutputError(f"The list of runs cannot be kept in {path}: {reason.strerror}.") from reason
    write_json(_Known(tuple(runs)), path)
