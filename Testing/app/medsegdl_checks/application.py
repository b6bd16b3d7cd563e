"""Slicer as a person uses it: open a module, press a button, and wait while the application's own events run.

NOT YET RUN in the application.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import qt
import slicer

_LOOK_EVERY_MS = 20
_TICK_MS = 10


class LeftOut(Exception):
    """What a check needs is not here; the message says what."""


def waitUntil(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Let Qt's event loop run, idle as it is when nobody clicks, until `condition`; AssertionError when it takes too long.

    The idle loop is the point: Slicer's main thread keeps Python's lock in it, so that whatever relies on a thread starves.
    """
    loop, end, raised = qt.QEventLoop(), time.monotonic() + seconds, []

    def look() -> None:
        try:
            if condition() or time.monotonic() > end:
                loop.quit()
        except Exception as problem:  # a loop that nobody quits would wait for ever
            raised.append(problem)
            loop.quit()

    timer = _timer(_LOOK_EVERY_MS, look)
    loop.exec_()
    timer.stop()
    if raised:
        raise raised[0]
    if not condition():
        raise AssertionError(f"after {seconds:.0f} s still not so: {what}")


def openModule(name: str) -> Any:
    """The module's widget object, opened as by the module selector."""
    slicer.util.selectModule(name)
    slicer.app.processEvents()
    return slicer.util.getModuleWidget(name)


def press(button: Any, reason: Any = None) -> None:
    """Click a button once it is enabled; `reason` is the label in which the panel says why it is not."""
    try:
        waitUntil(lambda: button.enabled, 30, f"the button '{button.text}' is enabled")
    except AssertionError as late:
        raise AssertionError(f"{late} ({reason.text if reason is not None else 'no reason given'})") from None
    button.click()
    slicer.app.processEvents()


class Ticks:
    """A timer that ticks every 10 ms while the window is alive; a window that freezes shows as a gap."""

    def __init__(self) -> None:
        self._times = [time.monotonic()]
        self._timer = _timer(_TICK_MS, lambda: self._times.append(time.monotonic()))

    def stop(self) -> None:
        """Tick no more; the time until now counts."""
        self._timer.stop()
        self._times.append(time.monotonic())

    @property
    def longestGap(self) -> float:
        """Seconds between two ticks, at most."""
        return max(later - earlier for earlier, later in zip(self._times, self._times[1:]))  # noqa: B905 (one is shorter)

    def __str__(self) -> str:
        seconds = self._times[-1] - self._times[0]
        return f"{len(self._times)} ticks in {seconds:.1f} s, longest gap {1000 * self.longestGap:.0f} ms"


def _timer(milliseconds: int, tell: Callable[[], None]) -> Any:
    timer = qt.QTimer()
    timer.setInterval(milliseconds)
    timer.connect("timeout()", tell)
    timer.start()
    return timer
