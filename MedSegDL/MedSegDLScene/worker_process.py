"""One worker process as its caller sees it: messages both ways, its log, and why it is lost (no slicer, no threads)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import weakref
from collections import deque
from contextlib import suppress

from MedSegDLLib.protocol import Answer, Hello, ProtocolError, Request, VersionError, from_line, to_line
from MedSegDLScene.interpreter import Interpreter
from MedSegDLScene.line_pipes import LineReader, LineWriter
from MedSegDLScene.process_groups import kill_group, own_group

LOG_LINES = 50
# Calls of `poll` in closer succession count as one: a number of polls then means at least so much time.
_SECONDS_OF_A_POLL = 0.005
# So many polls are given to a process that has ended to tell its status and the rest of its log.
_POLLS_TO_END = 50
_MOST_LINES_BEFORE_HELLO = 1000
_MODULE = ("-m", "MedSegDLLib.worker")


class WorkerProcess:
    """Starts at once (raises OSError). `lost` is the sentence that says why it cannot be used any more, "" before that.

    It ends with `kill`, with the last reference to this object, or with the caller's end.
    `polls` counts the calls of `poll`, `heard` is its value when the process last said anything.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        self._process = subprocess.Popen(
            [*interpreter.command, *_MODULE],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(interpreter.environment),
            **own_group(),
        )
        self._requests = LineWriter(self._process.stdin)
        self._answers, self._errors = LineReader(self._process.stdout), LineReader(self._process.stderr)
        self._end = weakref.finalize(self, _end, self._process, self._requests, self._answers, self._errors)
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self.pid = 0  # of the worker itself, known once it has said hello; a launcher's is another one
        self.lost = ""
        self.polls = self.heard = 0
        self._ended_at: int | None = None
        self._last_poll = 0.0
        self._before_hello = 0

    @property
    def log(self) -> tuple[str, ...]:
        """The last lines that the process and its libraries printed."""
        return tuple(self._log)

    def send(self, message: Request) -> None:
        """Queue a message; it is sent as the process takes it."""
        self._requests.write(to_line(message))

    def poll(self) -> list[Answer]:
        """What the process has said since the last call; never waits."""
        self._count()
        self._requests.flush()
        self._log.extend(_text(line) for line in self._errors.lines())
        messages = [] if self.lost else self._messages()
        if not self.lost:
            self.lost = self._how_it_ended()
        return messages

    @property
    def ending(self) -> bool:
        """Whether it says or hears nothing any more, although it may not be known yet why."""
        return self._answers.ended or self._requests.broken

    def kill(self) -> None:
        """End it at once, whatever it is doing, with its launcher and whatever it has started."""
        worker_lives = self.pid > 1 and not self._answers.ended  # it holds its pipe, so its id is no other's
        if worker_lives:
            with suppress(OSError):
                os.kill(self.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        self._end()

    def reaped(self, seconds: float = 0.0) -> bool:
        """Whether a killed process is gone for good; waits for that at most so long."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode is not None

    def _count(self) -> None:
        now = time.monotonic()
        if now - self._last_poll >= _SECONDS_OF_A_POLL:
            self._last_poll = now
            self.polls += 1

    def _messages(self) -> list[Answer]:
        messages = []
        for line in self._answers.lines():
            self.heard = self.polls
            if message := self._message(line):
                messages.append(message)
            if self.lost:
                break
        return messages

    def _message(self, line: bytes) -> Answer | None:
        """None for what is no message: text that a launcher prints before the hello, a line that was cut off by death."""
        try:
            message = from_line(line)
        except ProtocolError as reason:
            self._log.append(_text(line))
            self._before_hello += 1
            if isinstance(reason, VersionError):
                self.lost = str(reason)
            elif (self.pid or self._before_hello > _MOST_LINES_BEFORE_HELLO) and not self._answers.ended:
                self.lost = "The segmentation process said something that is no answer, and was ended: try again."
            return None
        if isinstance(message, Hello):
            self.pid = message.pid
        return message

    def _how_it_ended(self) -> str:
        """A sentence once the process has ended and said all it had to say, else ""."""
        if not self.ending:
            return ""
        self._ended_at = self.polls if self._ended_at is None else self._ended_at
        status = self._process.poll()
        if (status is None or not self._errors.ended) and self.polls - self._ended_at < _POLLS_TO_END:
            return ""
        return _sentence(status)


def _end(process: subprocess.Popen, *pipes: LineReader | LineWriter) -> None:
    """Also behind a launcher and not yet known by its id, a worker ends when nobody holds its pipes."""
    kill_group(process)
    for pipe in pipes:
        pipe.close()


def _sentence(status: int | None) -> str:
    """What the exit status of a process that should not have ended means."""
    killed = -getattr(signal, "SIGKILL", 9)
    if status == killed:
        return (
            "The segmentation process was ended by the system, most likely because memory ran out: close other programs, "
            "or segment a smaller region."
        )
    if status is not None and status < 0 and sys.platform != "win32":
        return (
            f"The segmentation process crashed ({signal.Signals(-status).name}): try again, and if it crashes again, "
            "choose the device cpu."
        )
    told = "" if status is None else f" (exit status {status})"
    return f"The segmentation process ended unexpectedly{told}: try again; its log says more."


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip()
