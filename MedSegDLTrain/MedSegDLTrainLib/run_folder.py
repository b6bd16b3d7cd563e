"""A run's folder: what lies in it, who works on it, and what others ask of it (light: no torch).

    job.json          the job as it is run, with an absolute path to its cases
    plan.json         how many steps it takes, fixed before the first one
    events.jsonl      what it told (progress.py)
    last.checkpoint, before.checkpoint, best.checkpoint, and start.checkpoint if it goes on from a model
    validation.json   the rows of the best validation
    request.pause, request.stop   an empty file: what another process asks for (a full disk takes a name, but no byte)

What a detached run prints goes to a file beside the folder, <folder>.log.txt.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from MedSegDLLib.atomic import why
from MedSegDLLib.errors import InputError, OutputError
from MedSegDLLib.strict_json import read_json
from MedSegDLTrainLib.progress import last_events

JOB_FILE, PLAN_FILE, EVENTS_FILE, VALIDATION_FILE = "job.json", "plan.json", "events.jsonl", "validation.json"
START_FILE = "start.checkpoint"
LOG_FILE = "log.txt"
_LOCK_FILE = ".lock"
_HALF_WRITTEN = re.compile(r"\.[0-9a-f]{12}(\.\w+)*")  # names that `written_beside` gives
_REQUEST_FILES = {"stop": "request.stop", "pause": "request.pause"}  # who asks for both wants the run to stop
_BEFORE_THE_FIRST_STEP = {JOB_FILE, PLAN_FILE, EVENTS_FILE, START_FILE, *_REQUEST_FILES.values()}  # all that a run has by then


@dataclass(frozen=True)
class Plan:
    """plan.json: the steps of a run, fixed when it begins, and the seconds of a step and a validation if those fixed them.

    `cases` and `validation`: the version of each case that was trained on, and validated on, last.
    """

    steps: int
    seconds_per_step: float | None = None
    cases: dict[str, int] | None = None
    validation: dict[str, int] | None = None
    validation_seconds: float | None = None


@dataclass(frozen=True)
class CaseRows:
    """Rows as `measure.case_rows` gives them."""

    patient: str
    labels: tuple[dict[str, str | int | float | None], ...]


@dataclass(frozen=True)
class BestValidation:
    """validation.json: the best validation so far; `cases` maps a case to its patient and its rows, one a label.

    `blend`: the share of the trained weights if they were blended with those of the start (see job.Optimisation).
    """

    step: int
    metric: str
    score: float
    cases: dict[str, CaseRows]
    blend: float | None = None


@dataclass(frozen=True)
class RunStatus:
    """Where a run stands. `state`: running, paused, stopped, finished, failed, or killed (nobody works on it, no last word)."""

    state: str
    step: int = 0
    steps: int = 0
    loss: float | None = None
    seconds_left: float | None = None
    score: float | None = None
    reason: str = ""

    def to_json(self) -> dict:
        """As `train status --json` prints it."""
        return asdict(self)


@contextmanager
def owned(run: Path) -> Iterator[None]:
    """Work on a run as the only one; the kernel drops the lock with the process.

    Raises InputError if another one does, OutputError where nothing can be written.
    """
    from filelock import FileLock, Timeout

    try:
        held = FileLock(run / _LOCK_FILE).acquire(timeout=2)
    except Timeout as reason:
        raise InputError(owned_by_another(run)) from reason
    except OSError as reason:
        raise OutputError(f"No run can be kept in {run}: {why(reason)}.") from reason
    with held:
        yield


def owned_by_another(run: Path) -> str:
    """The sentence for whoever comes second."""
    return f"Another process works on the run in {run}: watch it with `medsegdl train status`, or stop it first."


def is_unused(run: Path) -> bool:
    """Whether a run can begin in the folder: there is none yet, or nothing in it but what a start that was killed left."""
    return not run.exists() or (run.is_dir() and all(path.name.startswith(".") for path in run.iterdir()))


def took_no_step(run: Path) -> bool:
    """Whether the folder holds a run that never took a step: nothing of it is worth keeping."""
    names = {path.name for path in run.iterdir() if not path.name.startswith(".")} if run.is_dir() else set()
    if not {JOB_FILE, EVENTS_FILE} <= names <= _BEFORE_THE_FIRST_STEP:
        return False
    with (run / EVENTS_FILE).open(encoding="utf-8", errors="replace") as lines:
        return not any('"event": "step"' in line for line in lines)


def clear(run: Path) -> None:
    """Remove what a run that never took a step left, but its job; for the owner only, who begins another one there.

    Raises InputError if there is more than that, say because somebody else has worked on it meanwhile.
    """
    check_unused(run)
    for name in (PLAN_FILE, START_FILE, EVENTS_FILE):
        (run / name).unlink(missing_ok=True)


def check_unused(run: Path) -> None:
    """Raise InputError unless a run can begin in the folder: it is unused, or its run never took a step."""
    if run.exists() and not run.is_dir():
        raise InputError(f"{run} is a file: name a folder for the run.")
    if not is_unused(run) and not took_no_step(run):
        raise InputError(f"{run} is not empty: go on with --resume, or choose another folder.")


def sweep(run: Path) -> None:
    """Remove files that a kill left half-written, and no other hidden ones; for the owner of the run only."""
    for path in run.iterdir():
        if _HALF_WRITTEN.fullmatch(path.name):
            path.unlink()


def is_owned(run: Path) -> bool:
    """Whether a process works on the run now; raises InputError if that cannot be told."""
    from filelock import FileLock, Timeout

    if not (run / _LOCK_FILE).is_file():  # the lock would make it, and the folder
        return False
    try:
        with FileLock(run / _LOCK_FILE, blocking=False):
            return False
    except Timeout:
        return True
    except OSError as reason:
        raise InputError(f"Whether a process works on the run in {run} cannot be told: {why(reason)}.") from reason


def status_of(run: Path) -> RunStatus:
    """Where the run stands; raises InputError if the folder holds no run."""
    return standing(run, read_best(run).score if (run / VALIDATION_FILE).is_file() else None)


def standing(run: Path, score: float | None) -> RunStatus:
    """As `status_of`, for who knows the best `score` already: of many cases and labels it takes long to read."""
    if not (run / JOB_FILE).is_file():
        raise InputError(f"{run} holds no training run: there is no {JOB_FILE} in it.")
    events = last_events(run / EVENTS_FILE)
    steps = read_plan(run).steps if (run / PLAN_FILE).is_file() else 0
    latest = {event["event"]: event for event in events}
    step = next((event["step"] for event in reversed(events) if "step" in event), 0)
    told = latest.get("step", {})
    state, reason = _state(events, is_owned(run), request_to(run))
    left = told.get("seconds_left") if state in ("running", "paused") else None
    return RunStatus(state, step, steps, told.get("loss"), left, score, reason)


def _state(events: list[dict], alive: bool, request: str | None) -> tuple[str, str]:
    last = next((event for event in reversed(events) if event["event"] not in ("warning", "checkpoint")), {})
    reason = last.get("reason", "")
    if last.get("event") == "paused":
        return ("paused" if alive else "stopped"), reason
    if alive:
        return "running", ""
    if last.get("event") in ("finished", "failed"):
        return last["event"], reason
    if request == "stop":
        return "stopped", "as asked; there was no room on the disk for a last word"
    return "killed", ""


def ask(run: Path, request: str) -> None:
    """Ask the process that works on the run to "pause" or "stop"; raises InputError if nobody does, OutputError."""
    if not is_owned(run):
        raise InputError(f"No process works on the run in {run}: there is nothing to {request}.")
    try:
        (run / _REQUEST_FILES[request]).touch()
    except OSError as reason:
        raise OutputError(f"The run in {run} cannot be asked to {request}: {why(reason)}.") from reason


def withdraw_request(run: Path) -> None:
    """Take back whatever was asked, for example a pause."""
    for name in _REQUEST_FILES.values():
        (run / name).unlink(missing_ok=True)


def request_to(run: Path) -> str | None:
    """What somebody asks of the run: "pause", "stop" or None."""
    for request, name in _REQUEST_FILES.items():
        if os.path.exists(run / name):  # noqa: PTH110 (asked at every step: twice as fast as pathlib)
            return request
    return None


def read_plan(run: Path) -> Plan:
    """plan.json of the run; raises InputError."""
    return read_json(Plan, run / PLAN_FILE, InputError)


def read_best(run: Path) -> BestValidation:
    """validation.json of the run; raises InputError."""
    return read_json(BestValidation, run / VALIDATION_FILE, InputError)
