"""What a run writes must not get lost because a disk is full for a while."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable

from MedSegDLLib.errors import Cancelled
from MedSegDLLib.progress import CancelToken

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SECONDS_BETWEEN = 1.0


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that there is no room."""
    return error is not None and (getattr(error, "errno", None) in _FULL or is_full(error.__cause__))


def when_there_is_room(
    action: Callable[[], None], waiting: Callable[[], None], going_on: Callable[[], None], cancel: CancelToken
) -> None:
    """Do `action`; while the disk is full call `waiting` once, try again every second, then call `going_on`.

    Raises whatever else `action` raises, and Cancelled if `cancel` is set meanwhile.
    """
    full = False
    while True:
        try:
            action()
        except Exception as reason:
            if not is_full(reason):
                raise
            if cancel.cancelled:
                raise Cancelled("Stopped while the disk was full: --resume goes on from the last checkpoint.") from reason
            if not full:
                waiting()
            full = True
            time.sleep(_SECONDS_BETWEEN)
            continue
        if full:
            going_on()
        return
