"""What a run tells: one JSON object a line in events.jsonl (standard library only)."""

from __future__ import annotations

import json
import time
from pathlib import Path


class EventLog:
    """Appends events to a file; each is on disk when `write` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, event: str, **fields: object) -> None:
        """Append {"event": event, "time": seconds since 1970, …fields}."""
        line = json.dumps({"event": event, "time": round(time.time(), 3)} | fields)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def read_events(path: Path) -> list[dict]:
    """All whole events of a log; a last line that a kill cut short is left out."""
    if not path.is_file():
        return []
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            break
    return events
