"""Telling how far long work is, and stopping it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from MedSegDLLib.errors import Cancelled

# Called as progress(stage, fraction, seconds_left): the stage's name, 0…1 of that stage, and None while unknown.
Progress = Callable[[str, float, float | None], None]


def no_progress(stage: str, fraction: float, seconds_left: float | None) -> None:
    """A Progress that tells nobody."""


class CancelToken:
    """Set from anywhere (another thread, a signal handler), asked by the work at every small step."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop; it stops within one patch."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise Cancelled if somebody asked to stop."""
        if self.cancelled:
            raise Cancelled("Stopped as asked; nothing was written.")


class StepClock:
    """Reports the progress of equal steps with an estimate of the time left from the steps done so far."""

    def __init__(self, stage: str, steps: int, progress: Progress) -> None:
        self._stage, self._steps, self._progress = stage, max(steps, 1), progress
        self._start = time.monotonic()
        progress(stage, 0.0, None)

    def done(self, steps: int) -> None:
        """Tell that `steps` of all steps are finished."""
        elapsed = time.monotonic() - self._start
        left = elapsed / steps * (self._steps - steps) if steps else None
        self._progress(self._stage, min(steps / self._steps, 1.0), left)
