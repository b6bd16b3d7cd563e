"""A `medsegdl` command in a process of its own, followed without waiting (no slicer)."""

from __future__ import annotations

from collections.abc import Sequence

from MedSegDLScene.command_process import CommandProcess
from MedSegDLScene.interpreter import Interpreter


class CommandWork:
    """Runs `medsegdl ARGUMENTS`; who wants more than its sentence overrides `_hear` and `_end`."""

    def __init__(self, interpreter: Interpreter, arguments: Sequence[str]) -> None:
        self._process = CommandProcess(interpreter, ["-m", "MedSegDLLib", *arguments])
        self._heard, self._over = 0, False

    def poll(self) -> None:
        """Take in what the process said meanwhile; never waits."""
        if self._over:
            return
        self._process.poll()
        for event in self._process.events[self._heard :]:
            self._hear(event)
        self._heard = len(self._process.events)
        if self._process.ended:
            self._over = True
            self._end()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._over

    @property
    def failed(self) -> bool:
        """Whether it ended without doing what was asked."""
        return self._over and self._process.status != 0

    @property
    def sentence(self) -> str:
        """Why it failed; "" while it works and where it did not."""
        return self._process.sentence if self.failed else ""

    @property
    def lines(self) -> Sequence[str]:
        """All that it printed, for whoever wants details."""
        return self._process.lines

    def cancel(self) -> None:
        """End the process; what it was to change stays as it is."""
        self._process.cancel()

    def _hear(self, event: dict) -> None:
        """Called with each JSON object that the process prints."""

    def _end(self) -> None:
        """Called once, when the process has ended."""
