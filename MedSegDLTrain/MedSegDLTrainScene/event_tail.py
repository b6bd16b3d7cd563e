"""The new lines of a file of events, a piece at a time (no slicer)."""

from __future__ import annotations

import json
from pathlib import Path

_MOST_BYTES = 2**19  # a few thousand events: some ten milliseconds


class EventTail:
    """Reads on where it stopped; a line is taken once it is whole."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0
        self.caught_up = False
        """Whether all that is in the file has been given."""

    def new_events(self) -> list[dict]:
        """The events since the last call, or the next few thousand of them; never waits, and a missing file has none."""
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, 2)
                self._offset = self._offset if self._offset <= size else 0  # another run in the same place
                file.seek(self._offset)
                piece = file.read(_MOST_BYTES)
        except OSError:
            return []
        whole = piece[: piece.rfind(b"\n") + 1]
        self._offset += len(whole)
        self.caught_up = self._offset + len(piece) - len(whole) >= size
        return [event for line in whole.splitlines() if (event := _event(line)) is not None]


def _event(line: bytes) -> dict | None:
    """None for a line that a kill cut short."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None
