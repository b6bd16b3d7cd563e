"""Starting, watching and asking a training run, which lives in a process of its own and outlives Slicer (no slicer).

Nothing here waits. A run is its folder: whoever opens it later finds it where it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from MedSegDLLib.errors import InputError, MedSegDLError, OutputError
from MedSegDLScene.interpreter import Interpreter
from MedSegDLScene.process_groups import ask_group_to_end
from MedSegDLTrainLib.detached import Launch, launch
from MedSegDLTrainLib.progress import last_events
from MedSegDLTrainLib.run_folder import (
    EVENTS_FILE,
    JOB_FILE,
    VALIDATION_FILE,
    RunStatus,
    ask,
    read_best,
    standing,
    status_of,
    withdraw_request,
)
from MedSegDLTrainScene.event_tail import EventTail
from MedSegDLTrainScene.known_runs import remember_run
from MedSegDLTrainScene.run_history import RunHistory

MISSING = "missing"
"""The state of a run whose folder is gone or cannot be read, beside those of RunStatus."""

_SECONDS_BETWEEN_STATUSES = 1.0
_NO_LOCKS = "Whether a run is being worked on cannot be told yet: install PyTorch first, in the module MedSegDL."


class Starting:
    """A process that is about to work on a run; once it does, nobody needs this any more."""

    def __init__(self, launched: Launch) -> None:
        self._launched = launched
        self.run = launched.run
        self.ended, self.sentence = False, ""

    @property
    def failed(self) -> bool:
        """Whether it ended before it began."""
        return bool(self.sentence)

    @property
    def lines(self) -> Sequence[str]:
        """What the process printed."""
        with suppress(OSError):
            return self._launched.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return ()

    def poll(self) -> None:
        """See whether the process works on the run (`ended`), or failed (`sentence` says why)."""
        if self.ended:
            return
        try:
            self.ended = _with_locks(self._launched.has_begun)
        except MedSegDLError as reason:
            self.ended, self.sentence = True, str(reason)

    def cancel(self) -> None:
        """End the process, which has yet to begin, and not only the launcher that PythonSlicer is."""
        ask_group_to_end(self._launched.process)
        self.ended = True


def start_run(job: Path, run: Path, interpreter: Interpreter, device: str = "auto") -> Starting:
    """Begin to train as a job file says, in the folder `run`, which must be new; the run is remembered.

    Raises InputError and OutputError for what can be told at once.
    """
    return _started(job, run, interpreter, False, device)


def resume_run(run: Path, interpreter: Interpreter) -> Starting | None:
    """Let a run go on: one that waits at once (None), else in a new process from its last checkpoint.

    Raises InputError for a run that works or is finished.
    """
    status = run_status(run)
    if status.state == "paused":
        withdraw_request(run)
        return None
    if status.state not in ("stopped", "killed", "failed"):
        raise InputError(f"The run in {run} is {status.state}: there is nothing to resume.")
    return _started(run / JOB_FILE, run, interpreter, True, _device(run))


def pause_run(run: Path) -> None:
    """Ask a run to wait after its present step; watch its status. Raises InputError if nobody works on it."""
    _with_locks(lambda: ask(run, "pause"))


def stop_run(run: Path) -> None:
    """Ask a run to end after its present step, with a checkpoint. Raises InputError if nobody works on it."""
    _with_locks(lambda: ask(run, "stop"))


def run_status(run: Path) -> RunStatus:
    """Where a run stands; its state is MISSING, with a reason, where that cannot be told."""
    return _told(lambda: status_of(run))


class RunWatch:
    """A run as somebody watches it: `status` and `history` are as of the last poll. Long runs are caught up with by and by."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._best = _BestScore(run)
        self.status = RunStatus(MISSING)
        self.look()
        self.history = RunHistory()
        self._tail = EventTail(run / EVENTS_FILE)

    @property
    def caught_up(self) -> bool:
        """Whether `history` holds all that the run has told."""
        return self._tail.caught_up

    def poll(self) -> tuple[dict, ...]:
        """Take in what the run has told since (see MedSegDLTrainLib.progress); its status at most once a second."""
        events = tuple(self._tail.new_events())
        for event in events:
            self.history.take(event)
        if time.monotonic() - self._asked >= _SECONDS_BETWEEN_STATUSES:
            self.look()
        return events

    def look(self) -> None:
        """Ask for the status now, for example after a request."""
        self.status = _told(lambda: standing(self.run, self._best.score()))
        self._asked = time.monotonic()


class _BestScore:
    """The score in a run's validation.json, which is read again when the file has changed."""

    def __init__(self, run: Path) -> None:
        self._path = run / VALIDATION_FILE
        self._seen: tuple[int, int] | None = None
        self._score: float | None = None

    def score(self) -> float | None:
        """None before the first validation; raises InputError if the file is damaged."""
        if not self._path.is_file():
            return None
        file = self._path.stat()
        if (file.st_mtime_ns, file.st_size) != self._seen:
            self._score = read_best(self._path.parent).score
            self._seen = (file.st_mtime_ns, file.st_size)
        return self._score


def _started(job: Path, run: Path, interpreter: Interpreter, resume: bool, device: str) -> Starting:
    options = ["--device", device]
    launched = _with_locks(lambda: launch(job, run, resume, options, interpreter.command, interpreter.environment))
    with suppress(OutputError):  # the run is worth more than the list of runs
        remember_run(run)
    return Starting(launched)


def _device(run: Path) -> str:
    """Where it ran last, as far as the end of what it told says."""
    named = [event["device"] for event in last_events(run / EVENTS_FILE) if "device" in event]
    return named[-1] if named else "auto"


def _told(ask_status: Callable[[], RunStatus]) -> RunStatus:
    try:
        return _with_locks(ask_status)
    except (MedSegDLError, OSError) as reason:  # OSError: a network drive has gone
        return RunStatus(MISSING, reason=str(reason))


def _with_locks(do: Callable):
    """Whether a run is worked on is told by a lock; the package for that comes with PyTorch."""
    try:
        return do()
    except ModuleNotFoundError as reason:
        raise InputError(_NO_LOCKS) from reason
