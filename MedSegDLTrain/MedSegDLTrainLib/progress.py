"""What a run tells: one JSON object a line in events.jsonl (standard library only).

| event | fields |
|---|---|
| started | step, steps, resumed, device, precision, parameters, training and validation {patients, cases} |
| step | step, loss, rate, seconds_per_step, patches_per_second, seconds_left |
| epoch | step, epoch, loss (mean of its steps) |
| validation | step, metric, score, best (whether it is the best so far), patients {key: score}, seconds |
| checkpoint | step |
| warning | step, text |
| paused | step, reason (asked to pause, asked to stop, disk full) |
| finished | step, best_step, best_score, seconds |
| failed | step, reason |

Each has "event" and "time" (seconds since 1970) as well. After a kill the steps since the last checkpoint are done, and
told, once more: of two lines of one step the later one counts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# Called with every event as it is written.
Listener = Callable[[dict], None]

_TAIL = 2**16  # bytes that certainly hold the last few events


class EventLog:
    """Appends events to a file, each of them whole, and hands them to the listeners."""

    def __init__(self, path: Path, listeners: Sequence[Listener] = ()) -> None:
        self._path, self._listeners = path, listeners
        if path.is_file() and not path.read_bytes().endswith(b"\n"):
            self._append("\n")  # a line that a kill cut short

    def write(self, event: str, **fields: object) -> None:
        """Append {"event": event, "time": seconds since 1970, …fields}; raises OSError if it cannot be written."""
        told = {"event": event, "time": round(time.time(), 3)} | fields
        for listener in self._listeners:
            listener(told)
        self._append(json.dumps(told) + "\n")

    def _append(self, text: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(text)


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
