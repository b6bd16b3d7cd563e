"""The panel's one clock: it asks what is under way how far it is, and stands still while nothing is."""

from __future__ import annotations

from collections.abc import Callable

import qt

INTERVAL_MS = 10


class Polling:
    """Calls each of its functions every 10 ms, until all answer that nothing is under way."""

    def __init__(self) -> None:
        self._polls: list[Callable[[], bool]] = []
        self._timer = qt.QTimer()
        self._timer.setInterval(INTERVAL_MS)
        self._timer.connect("timeout()", self._onTimeout)

    def add(self, poll: Callable[[], bool]) -> None:
        """`poll` takes something further without blocking and returns whether it is still under way."""
        self._polls.append(poll)

    def wake(self) -> None:
        """Something may be under way now."""
        if not self._timer.active:
            self._timer.start()

    def stop(self) -> None:
        """Ask no more; for the end of the panel."""
        self._timer.stop()
        self._polls.clear()

    def _onTimeout(self) -> None:
        underWay = [poll() for poll in self._polls]  # every one is asked
        if not any(underWay):
            self._timer.stop()
