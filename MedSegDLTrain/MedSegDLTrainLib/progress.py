"""What a run tells: one JSON object a line in events.jsonl (light: no torch).

| event | fields |
|---|---|
| preparing | case (empty before the first one), done, of |
| taken_over | model, text: what was taken from the model that the job starts from |
| started | step, steps, resumed, device, precision, parameters; training, validation, held_out {patients, cases} |
| step | step, loss, rate, seconds_per_step, patches_per_second, seconds_left |
| epoch | step, epoch, loss (mean of its steps) |
| validation | step, metric, score, best (is it so far?), patients {key: score}, seconds, blend (null or a share) |
| checkpoint | step |
| warning | text |
| paused | reason (asked to pause, stopped as asked, the disk is full) |
| finished | step, best_step, best_score, seconds |
| failed | reason |

Each has "event" and "time" (seconds since 1970) as well, and warnings and pauses between two steps have "step". After a
kill the steps since the last checkpoint are done, and told, once more: of two lines of one step the later one counts.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from MedSegDLLib.atomic import why
from MedSegDLLib.errors import OutputError

# Called with every event as it is written.
Listener = Callable[[dict], None]

ASKED_TO_PAUSE = "asked to pause"  # the reason of a run that waits for a person; one that waits for room says another

_TAIL = 2**16  # bytes that certainly hold the last few events


class EventLog:
    """Appends events to a file, each of them whole, and hands them to the listeners."""

    def __init__(self, path: Path, listeners: Sequence[Listener] = ()) -> None:
        self._path, self._listeners = path, listeners
        if path.is_file() and not path.read_bytes().endswith(b"\n"):
            self._append("\n")  # a line that a kill cut short

    def write(self, event: str, **fields: object) -> None:
        """`tell` and `append` {"event": event, "time": seconds since 1970, …fields}; raises OutputError as `append` does."""
        self.append(self.tell(event, **fields))

    def tell(self, event: str, **fields: object) -> dict:
        """Hand an event to the listeners, and give it back."""
        told = {"event": event, "time": round(time.time(), 3)} | fields
        for listener in self._listeners:
            listener(told)
        return told

    def append(self, told: dict) -> None:
        """Write an event to the file, whole or not at all; raises OutputError if it cannot be written."""
        self._append(json.dumps(told) + "\n")

    def _append(self, text: str) -> None:
        size = self._path.stat().st_size if self._path.is_file() else 0
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as reason:
            with suppress(OSError):
                os.truncate(self._path, size)  # a full disk took a part of the line
            raise OutputError(f"{self._path} cannot be written: {why(reason)}.") from reason


def read_events(path: Path) -> list[dict]:
    """All whole events of a log, oldest first; a line that a kill cut short is left out."""
    return _events(path.read_text(encoding="utf-8")) if path.is_file() else []


def last_events(path: Path) -> list[dict]:
    """The last few events of a log, whatever its length."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _TAIL, 0))
        return _events(file.read().decode("utf-8", errors="replace"))


def _events(text: str) -> list[dict]:
    events = []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            events.append(event)
    return events
