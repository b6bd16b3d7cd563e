"""Small pictures of cases beside their names, made in a process where there are none yet."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import qt

from MedSegDLLib.errors import MedSegDLError
from MedSegDLScene.interpreter import Interpreter
from MedSegDLTrainScene.case_table import ThumbnailMaker, kept_thumbnail

_SIZE, _MILLISECONDS_BETWEEN_LOOKS = 40, 100
_PICTURES_AT_A_TIME = 10  # a look at hundreds of cases must not hold up the window


class Thumbnails:
    """Puts a picture into the first column of each case's row; `rowsByName` says where the cases are now."""

    def __init__(self, table: qt.QTableWidget, rowsByName: Callable[[], dict[str, int]]) -> None:
        self._table, self._rowsByName = table, rowsByName
        self._folder: Path | None = None
        self._interpreter: Interpreter | None = None
        self._maker: ThumbnailMaker | None = None
        self._waiting, self._missing, self._taken = [], [], 0
        self._files = tempfile.TemporaryDirectory(prefix="medsegdl-thumbnails-", ignore_cleanup_errors=True)
        self._table.setIconSize(qt.QSize(_SIZE, _SIZE))
        self._table.verticalHeader().setDefaultSectionSize(_SIZE + 4)
        self._timer = qt.QTimer()
        self._timer.setInterval(_MILLISECONDS_BETWEEN_LOOKS)
        self._timer.connect("timeout()", self._look)

    def show(self, folder: Path, names: Sequence[str], interpreter: Interpreter) -> None:
        """Pictures of these cases of a folder: first those that are kept, then the others as they are made."""
        self.stop()
        self._folder, self._interpreter = folder, interpreter
        self._waiting, self._missing = list(names), []
        self._timer.start()

    def stop(self) -> None:
        """Show and make no more of them."""
        self._timer.stop()
        if self._maker is not None:
            self._maker.cancel()
        self._maker, self._taken = None, 0

    def close(self) -> None:
        """As stop, for good."""
        self.stop()
        self._files.cleanup()

    def _look(self) -> None:
        now, self._waiting = self._waiting[:_PICTURES_AT_A_TIME], self._waiting[_PICTURES_AT_A_TIME:]
        rows = self._rowsByName() if now else {}  # asked once a look: it takes a while in a long table
        self._missing += [name for name in now if not self._put(name, rows.get(name))]
        if self._waiting:
            return
        if self._maker is None:
            self._make()
            return
        self._maker.poll()
        self._waiting += self._maker.made[self._taken :]
        self._taken = len(self._maker.made)
        if self._maker.ended and not self._waiting:
            self.stop()

    def _make(self) -> None:
        """Start a process if pictures are missing."""
        if self._missing:
            self._maker = ThumbnailMaker(self._folder, self._interpreter)
        else:
            self.stop()

    def _put(self, name: str, row: int | None) -> bool:
        """Whether there is a picture of the case, which goes into its row.

        Qt reads it from a file, because PythonQt has no pixels from memory. As a QImage: a QPixmap that is read from a file
        is the one that was read from there before, if path, size and second are the same.
        """
        pixels = self._pixels(name)
        if pixels is None or row is None:
            return pixels is not None
        path = Path(self._files.name) / "thumbnail.ppm"
        height, width, _channels = pixels.shape
        path.write_bytes(f"P6 {width} {height} 255\n".encode() + pixels.tobytes())
        self._table.item(row, 0).setIcon(qt.QIcon(qt.QPixmap.fromImage(qt.QImage(str(path)))))
        return True

    def _pixels(self, name: str) -> np.ndarray | None:
        try:
            return kept_thumbnail(self._folder, name)
        except MedSegDLError:  # the folder went meanwhile; its summary says so at the next look
            return None
