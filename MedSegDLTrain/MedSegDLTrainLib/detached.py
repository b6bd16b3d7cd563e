"""Runs that outlive the program that started them (light: no torch)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import MedSegDLLib
import MedSegDLTrainLib
from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.run_folder import JOB_FILE, LOG_FILE, check_unused, is_owned, owned_by_another

_SECONDS_TO_START = 120.0  # torch from a slow disk
_SECONDS_BETWEEN_LOOKS = 0.1


def start_detached(job: Path, run: Path, resume: bool, options: Sequence[str] = ()) -> int:
    """Start `medsegdl train` in a session of its own and return its process id once it works on the run.

    What it prints goes to a file beside the run folder. Raises InputError if another process works on the run, or with the
    last line of what it printed if it fails before it has begun.
    """
    if not resume:
        check_unused(run)
    if (run / JOB_FILE).is_file() and is_owned(run):
        raise InputError(owned_by_another(run))
    log = _log_path(run)
    command = [sys.executable, "-m", "MedSegDLLib", "train", "run", str(job.resolve()), "--run", str(run.resolve())]
    command += [*(["--resume"] if resume else []), "--progress", "none", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=_environment(), **_own_session()
        )
    _wait(process, run, log)
    return process.pid


def _log_path(run: Path) -> Path:
    """Beside the folder, which must be empty when a run begins."""
    run.parent.mkdir(parents=True, exist_ok=True)
    return run.with_name(f"{run.name}.{LOG_FILE}")


def _wait(process: subprocess.Popen, run: Path, log: Path) -> None:
    """Until the process works on the run, or has ended."""
    until = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < until:
        status = process.poll()
        if status == 0 or (status is None and (run / JOB_FILE).is_file() and is_owned(run)):
            return
        if status is not None:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise InputError(lines[-1] if lines else f"The training ended with status {status}, without a word.")
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _environment() -> dict[str, str]:
    """This process's, in which the packages are found wherever they lie."""
    folders = [str(Path(package.__file__).parents[1]) for package in (MedSegDLLib, MedSegDLTrainLib)]
    before = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join([*dict.fromkeys(folders), *([before] if before else [])])}


def _own_session() -> dict:
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
