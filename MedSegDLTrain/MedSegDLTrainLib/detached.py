"""Runs that outlive the program that started them (light: no torch)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import MedSegDLLib
import MedSegDLTrainLib
from MedSegDLLib.atomic import why
from MedSegDLLib.errors import InputError, OutputError
from MedSegDLTrainLib.run_folder import JOB_FILE, LOG_FILE, check_unused, is_owned, owned_by_another

_SECONDS_TO_START = 120.0  # torch from a slow disk
_SECONDS_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True)
class Launch:
    """A process that was told to work on `run`; what it prints goes to `log`."""

    process: subprocess.Popen
    run: Path
    log: Path

    def has_begun(self) -> bool:
        """Whether the process works on the run by now, or has done so; never waits.

        Raises InputError, with the last line of what it printed, if it failed before it began.
        """
        status = self.process.poll()
        if status:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise InputError(lines[-1] if lines else f"The training ended with status {status}, without a word.")
        return status == 0 or ((self.run / JOB_FILE).is_file() and is_owned(self.run))


def start_detached(job: Path, run: Path, resume: bool, options: Sequence[str] = ()) -> int:
    """`launch` with this interpreter, and return the process id once it works on the run, or after two minutes."""
    started = launch(job, run, resume, options)
    until = time.monotonic() + _SECONDS_TO_START
    while not started.has_begun() and time.monotonic() < until:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return started.process.pid


def launch(
    job: Path,
    run: Path,
    resume: bool,
    options: Sequence[str] = (),
    interpreter: Sequence[str] = (sys.executable,),
    environment: Mapping[str, str] = os.environ,
) -> Launch:
    """Start `medsegdl train` in a session of its own, without waiting for anything.

    `interpreter` is the command that runs Python (in Slicer `sys.executable` is the application), with `environment`.
    What it prints goes to a file beside the run folder. Raises InputError if another process works on the run, OutputError
    where that file cannot be written or nothing can be started.
    """
    if not resume:
        check_unused(run)
    if (run / JOB_FILE).is_file() and is_owned(run):
        raise InputError(owned_by_another(run))
    command = [*interpreter, "-m", "MedSegDLLib", "train", "run", str(job.resolve()), "--run", str(run.resolve())]
    command += [*(["--resume"] if resume else []), "--progress", "none", *options]
    try:
        log = _log_path(run)
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=_found(environment), **_own_session()
            )
    except OSError as reason:
        raise OutputError(f"No training can be started in {run}: {why(reason)}.") from reason
    return Launch(process, run, log)


def _log_path(run: Path) -> Path:
    """Beside the folder, which must be empty when a run begins."""
    run = run.resolve()  # "." has no name
    run.parent.mkdir(parents=True, exist_ok=True)
    return run.with_name(f"{run.name}.{LOG_FILE}")


def _found(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which the packages are found wherever they lie."""
    folders = [str(Path(package.__file__).parents[1]) for package in (MedSegDLLib, MedSegDLTrainLib)]
    before = environment.get("PYTHONPATH")
    return {**environment, "PYTHONPATH": os.pathsep.join([*dict.fromkeys(folders), *([before] if before else [])])}


def _own_session() -> dict:
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
