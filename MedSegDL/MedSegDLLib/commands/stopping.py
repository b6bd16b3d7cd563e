"""Ctrl-C and the request to end (SIGTERM) stop the work within one patch; a second one kills at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from MedSegDLLib.progress import CancelToken

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def cancelled_by_signals() -> Iterator[CancelToken]:
    """A token that the first of these signals cancels; to be used in the main thread."""
    token = CancelToken()

    def stop(number: int, frame: FrameType | None) -> None:
        token.cancel()
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    before = {each: signal.signal(each, stop) for each in _SIGNALS}
    try:
        yield token
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
