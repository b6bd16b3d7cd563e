"""Lines through pipes without ever waiting: for processes that a timer polls (no slicer, no threads).

On Windows `os.set_blocking` knows pipes from Python 3.12 on, which is what every supported Slicer brings.
"""

from __future__ import annotations

import os
from typing import BinaryIO

_AT_ONCE = 1 << 16
# What one look reads at most, so that a process that prints without end does not hold up its caller.
_LARGEST_LOOK = 1 << 20
# A longer line is cut: nothing that is meant to be read is that long.
LONGEST_LINE = 1 << 24


class LineReader:
    """The lines that come through a pipe, as far as they have come."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe, self._rest = pipe, b""
        self.ended = False
        os.set_blocking(pipe.fileno(), False)

    def lines(self) -> list[bytes]:
        """The lines that have come since the last call, without their ends; the last one may be a part, once `ended`."""
        if self.ended:
            return []
        *lines, self._rest = (self._rest + self._come()).split(b"\n")
        if self._rest and (self.ended or len(self._rest) > LONGEST_LINE):
            lines, self._rest = [*lines, self._rest], b""
        return lines

    def close(self) -> None:
        """Read no more."""
        self.ended = True
        self._pipe.close()

    def _come(self) -> bytes:
        parts, size = [], 0
        while size < _LARGEST_LOOK:
            try:
                part = os.read(self._pipe.fileno(), _AT_ONCE)
            except BlockingIOError:
                break
            except OSError:  # some systems tell so that the other end is gone
                part = b""
            if not part:
                self.ended = True
                break
            parts.append(part)
            size += len(part)
        return b"".join(parts)


class LineWriter:
    """What is to go through a pipe; kept until the other end has room for it."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe, self._waiting = pipe, b""
        self.broken = False  # nobody reads at the other end any more
        os.set_blocking(pipe.fileno(), False)

    def write(self, data: bytes) -> None:
        """Send as much of this, after what waits already, as there is room for."""
        self._waiting += data
        self.flush()

    def flush(self) -> None:
        """Send more of what waits."""
        while self._waiting and not self.broken:
            try:
                self._waiting = self._waiting[os.write(self._pipe.fileno(), self._waiting) :]
            except BlockingIOError:
                return
            except OSError:
                self.broken = True

    def close(self) -> None:
        """Send no more."""
        self.broken = True
        self._pipe.close()
