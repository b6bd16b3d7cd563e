"""Showing how far long work is: a bar for a person, JSON lines for a program, or nothing."""

from __future__ import annotations

import json
import time
from typing import Protocol, TextIO

KINDS = ("bar", "json", "none")
_SECONDS_BETWEEN = 0.1  # between two updates of one stage
_WIDTH = 24


class ProgressDisplay(Protocol):
    """A Progress that can be told what is being worked on, and to make room for other output."""

    def __call__(self, stage: str, fraction: float, seconds_left: float | None) -> None: ...

    def name(self, name: str) -> None:
        """What the following stages are about."""

    def clear(self) -> None:
        """Leave the line free for other text."""


def progress_display(kind: str | None, stdout: TextIO, stderr: TextIO) -> ProgressDisplay:
    """The display of a kind in KINDS; None is a bar on a terminal and nothing elsewhere.

    A bar goes to stderr, JSON lines {"stage", "fraction", "seconds_left"} go to stdout.
    """
    if kind == "json":
        return JsonLines(stdout)
    if kind == "bar" or (kind is None and stderr.isatty()):
        return Bar(stderr)
    return Nothing()


class Nothing:
    """Shows nothing."""

    def __call__(self, stage: str, fraction: float, seconds_left: float | None) -> None:
        pass

    def name(self, name: str) -> None:
        pass

    def clear(self) -> None:
        pass


class JsonLines(Nothing):
    """One JSON object a line; the first and the last step of a stage always, those between at most ten times a second."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._pace = stream, _Pace()

    def __call__(self, stage: str, fraction: float, seconds_left: float | None) -> None:
        if self._pace.due(stage, fraction):
            left = None if seconds_left is None else round(seconds_left, 2)
            line = {"stage": stage, "fraction": round(fraction, 4), "seconds_left": left}
            print(json.dumps(line), file=self._stream, flush=True)


class Bar:
    """One line that is drawn again and again."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._pace, self._name = stream, _Pace(), ""

    def __call__(self, stage: str, fraction: float, seconds_left: float | None) -> None:
        if self._pace.due(stage, fraction):
            full = int(fraction * _WIDTH)
            left = "" if seconds_left is None else f"  {duration(seconds_left)} left"
            bar = f"[{'#' * full}{'.' * (_WIDTH - full)}] {fraction:4.0%}"
            self._stream.write(f"\r\x1b[K{self._name}{stage:<12}{bar}{left}")
            self._stream.flush()

    def name(self, name: str) -> None:
        self._name = f"{name}  " if name else ""

    def clear(self) -> None:
        self._stream.write("\r\x1b[K")
        self._stream.flush()


class _Pace:
    """Whether an update is worth showing."""

    def __init__(self) -> None:
        self._stage, self._shown_at = "", float("-inf")

    def due(self, stage: str, fraction: float) -> bool:
        now = time.monotonic()
        if stage == self._stage and 0 < fraction < 1 and now - self._shown_at < _SECONDS_BETWEEN:
            return False
        self._stage, self._shown_at = stage, now
        return True


def duration(seconds: float) -> str:
    """ "41 s" or "4 min 10 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
