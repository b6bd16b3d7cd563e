"""A bar with Cancel, and a message with Details: how the panel shows one piece of work that runs in a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import qt
from slicer.i18n import tr as _

from MedSegDLPanel.folding_log import FoldingLog
from MedSegDLPanel.polling import Polling


class Process(Protocol):
    """What is followed: CommandProcess, and whatever MedSegDLTrainScene starts."""

    ended: bool

    def poll(self) -> None:
        """Look, without waiting, what it has done."""

    def cancel(self) -> None:
        """End it."""


@dataclass(frozen=True)
class RowWidgets:
    """The widgets of one row: a frame with bar and Cancel, the message, and its log behind a button."""

    frame: qt.QFrame
    bar: qt.QProgressBar
    cancelButton: qt.QPushButton
    message: qt.QLabel
    detailsButton: qt.QToolButton
    log: qt.QPlainTextEdit


class WorkRow:
    """Follows one process at a time, or says what came of it."""

    def __init__(self, widgets: RowWidgets, polling: Polling) -> None:
        self._widgets, self._polling = widgets, polling
        self._log = FoldingLog(widgets.detailsButton, widgets.log)
        self._process = self._onEnded = self._fraction = None
        self._cancelled = False
        polling.add(self._poll)
        widgets.cancelButton.connect("clicked(bool)", self.cancel)
        widgets.frame.visible = False
        self.say("")

    @property
    def busy(self) -> bool:
        """Whether a process is followed now."""
        return self._process is not None

    def say(self, sentence: str, log: Sequence[str] = ()) -> None:
        """Show a sentence, and what was printed behind "Details…"."""
        self._widgets.message.text = sentence
        self._widgets.message.visible = bool(sentence)
        self._log.clear()
        self._log.show(log)

    def follow(
        self,
        process: Process,
        sentence: str,
        onEnded: Callable[[Process | None], None],
        fraction: Callable[[Process], float | None] = lambda process: None,
    ) -> None:
        """Show the bar until `process` has ended, then call onEnded(process), or onEnded(None) if it was cancelled.

        `fraction` tells how much of the work is done (0…1), None: nobody knows.
        """
        self._process, self._onEnded, self._fraction, self._cancelled = process, onEnded, fraction, False
        self.say(sentence)
        self._widgets.frame.visible = self._widgets.cancelButton.enabled = True
        self._showFraction()
        self._polling.wake()

    def cancel(self) -> None:
        """End the work; what it was to change stays as it is."""
        if self.busy:
            self._cancelled = True
            self._widgets.cancelButton.enabled = False
            self._process.cancel()

    def close(self) -> None:
        """End the work for good: nobody is told any more."""
        if self.busy:
            self._process.cancel()
        self._leave()

    def _poll(self) -> bool:
        process = self._process
        if process is None:
            return False
        process.poll()
        if not process.ended:
            self._showFraction()
            return True
        onEnded = self._onEnded
        self._leave()
        if self._cancelled:
            self.say(_("Cancelled."))
        onEnded(None if self._cancelled else process)
        return self.busy

    def _leave(self) -> None:
        self._process = self._onEnded = self._fraction = None
        self._widgets.frame.visible = False

    def _showFraction(self) -> None:
        fraction, bar = self._fraction(self._process), self._widgets.bar
        bar.maximum = 0 if fraction is None else 1000
        bar.value = 0 if fraction is None else round(1000 * fraction)
