"""A command of MedSegDL or pip beside the caller, watched without waiting (no slicer, no threads).

process = CommandProcess(slicerInterpreter(), ["-m", "MedSegDLLib", "train", "new", …])
… a timer calls process.poll() until process.ended …
process.status, process.sentence
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from MedSegDLScene.interpreter import Interpreter
from MedSegDLScene.line_pipes import LineReader
from MedSegDLScene.process_groups import ask_group_to_end, kill_group, own_group

# What a process prints comes at once, and in UTF-8 whatever the system's language is.
_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
# Polls come every 10 ms: how long a command that was cancelled may tidy up, and how long output is waited for after its end.
_POLLS_TO_END = 200
_CANNOT_START = 127  # a shell's status for a command that it does not find


class CommandProcess:
    """Starts at once, in a process group of its own; one that cannot be started has ended with a sentence and status 127.

    `lines`: what it printed, on either stream, as it came; `events`: those lines that are JSON objects; `status`: its exit
    status, None until it has ended, negative if a signal ended it.
    """

    def __init__(self, interpreter: Interpreter, arguments: Sequence[str]) -> None:
        self.lines: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.status: int | None = None
        self._process: subprocess.Popen | None = None
        self._output: LineReader | None = None
        self._cancelled_for: int | None = None  # polls
        self._dead_for = 0
        self._start(interpreter, arguments)

    @property
    def ended(self) -> bool:
        """Whether it has ended and all that it printed is there."""
        return self.status is not None

    @property
    def sentence(self) -> str:
        """The last line that is for a person; for a failure that is why."""
        said = (line for line in reversed(self.lines) if line.strip() and _event(line) is None)
        return next(said, "").strip()

    def poll(self) -> None:
        """Take what it has printed since, and see whether it has ended; never waits."""
        if self.ended:
            return
        for line in self._output.lines():
            self._take(line)
        if self._cancelled_for is not None and not self._output.ended:
            self._cancelled_for += 1
            if self._cancelled_for < _POLLS_TO_END:
                return  # its status is left where it is: as long as nobody takes it, its whole group can be killed
            kill_group(self._process)
        status = self._process.poll()
        self._dead_for += status is not None
        # A process that it left behind on purpose may keep the pipe open.
        if status is not None and (self._output.ended or self._dead_for > _POLLS_TO_END):
            self._output.close()
            self.status = status

    def cancel(self) -> None:
        """Ask it and all that it has started to end; what has not after some polls is killed."""
        if not self.ended and self._cancelled_for is None:
            self._cancelled_for = 0
            ask_group_to_end(self._process)

    def _start(self, interpreter: Interpreter, arguments: Sequence[str]) -> None:
        try:
            self._process = subprocess.Popen(
                [*interpreter.command, *arguments],
                bufsize=0,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**interpreter.environment, **_ENVIRONMENT},
                **own_group(),
            )
        except OSError as reason:
            self.lines.append(f"The program {interpreter.command[0]} cannot be started: {reason.strerror}.")
            self.status = _CANNOT_START
            return
        self._output = LineReader(self._process.stdout)

    def _take(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]  # a bar that is drawn anew: as it looks last
        self.lines.append(text)
        if (event := _event(text)) is not None:
            self.events.append(event)


def _event(line: str) -> dict[str, Any] | None:
    """The JSON object that a line is, if it is one."""
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None
