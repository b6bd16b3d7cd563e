"""Arrays that one process hands to another through a file that both map, in memory where there is room (light: no torch).

Whoever makes a file deletes it. While its owner lives, the file is locked, a lock that the kernel drops with the process;
so a file without a lock is a leftover, which `sweep` removes whatever happened to its owner. (A process id in the name is
for people only: ids are used again. `multiprocessing.shared_memory` is no way here: until Python 3.13 the process that
merely opens a block deletes it when it ends.)
"""

from __future__ import annotations

import errno
import mmap
import os
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from MedSegDLLib.atomic import why
from MedSegDLLib.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be deleted: that is lock enough
    fcntl = None

PREFIX = "MedSegDL-"
_MEMORY = Path("/dev/shm")
_MIB = 2**20
_SPARE = 64 * _MIB  # left free for others
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_ATTEMPTS = 10


class MappedFile:
    """A file that this process made and locked; nobody but this user can read it.

    It is deleted with `remove`, with the last reference to this object, or with the process's end.
    """

    def __init__(self, folder: Path, suffix: str) -> None:
        """A new, empty file in `folder`; raises OSError."""
        for _ in range(_ATTEMPTS):
            self.path = folder / f"{PREFIX}{os.getpid()}-{secrets.token_hex(8)}.{suffix}"
            self._file = os.fdopen(os.open(self.path, _NEW, 0o600), "r+b")
            self._remove = weakref.finalize(self, _delete, self.path, self._file)
            if _locked(self._file.fileno()):
                return
            self.remove()
        raise OSError(errno.EAGAIN, "a sweep by another program came in between again and again")

    def write(self, array: np.ndarray) -> None:
        """Put `array` into the file in C order, over what was there; raises OSError.

        Written, not mapped: a write to a full disk is an error, a write to memory that maps one is the end of the process.
        """
        self._file.seek(0)
        self._file.write(_bytes_of(array))
        self._file.flush()

    def read(self, voxel_type: np.dtype, shape: Sequence[int]) -> np.ndarray:
        """A copy of what is in the file; raises ValueError if that has not the size of such an array."""
        self._file.seek(0)
        return np.fromfile(self._file, voxel_type).reshape(shape)

    def remove(self) -> None:
        """Delete the file. On Windows it stays while another process maps it: the next `sweep` takes it."""
        self._remove()


def exchange_folder(size: int) -> Path:
    """Where files of together `size` bytes find room: memory (/dev/shm), else the temporary folder.

    Raises OutputError with a sentence that says how much is missing.
    """
    temporary = Path(tempfile.gettempdir())
    places = [place for place in (_MEMORY, temporary) if place.is_dir() and os.access(place, os.W_OK)]
    for place in places:
        if shutil.disk_usage(place).free >= size + _SPARE:
            return place
    room = (
        " and ".join(f"{shutil.disk_usage(place).free // _MIB} MiB in {place}" for place in places) or "no folder to write to"
    )
    raise OutputError(
        f"The image needs {(size + _SPARE) // _MIB} MiB of temporary room on its way to the network, but there is {room}: "
        "delete files there, or set the variable TMPDIR to a folder with more room."
    )


def no_room(reason: OSError) -> OutputError:
    """What a failed write of a mapped file means for a person."""
    return OutputError(f"The image could not be handed to the network: {why(reason)}.")


def mapped_array(path: Path, voxel_type: np.dtype, shape: Sequence[int]) -> np.ndarray:
    """The array in a file, read-only, without a copy; it stays mapped until the last array on it is gone.

    Raises OSError, or ValueError if the file is too short.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, voxel_type, count=int(np.prod(shape, dtype=np.int64))).reshape(shape)


def fill(path: Path, array: np.ndarray) -> None:
    """Make `array` all there is in a file that another process made; raises OSError, also if that has removed it."""
    with path.open("r+b") as file:
        file.write(_bytes_of(array))
        file.truncate()


def sweep() -> list[Path]:
    """Remove the files of processes that no longer live; returns them."""
    folders = dict.fromkeys((_MEMORY, Path(tempfile.gettempdir())))
    leftovers = [path for folder in folders if folder.is_dir() for path in folder.glob(f"{PREFIX}*")]
    return [path for path in leftovers if _removed(path)]


def _delete(path: Path, file: BinaryIO) -> None:
    with suppress(OSError):
        if fcntl:  # before it is unlocked, so that nobody else takes it for a leftover
            path.unlink(missing_ok=True)
        file.close()
        path.unlink(missing_ok=True)


def _removed(path: Path) -> bool:
    """Whether `path` was a leftover, which is now gone; files of other users cannot even be opened."""
    try:
        if fcntl is None:
            path.unlink()
            return True
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            return True
    except OSError:
        return False


def _locked(descriptor: int) -> bool:
    """Lock a new file; False if a sweep came in between, which takes it for a leftover."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(descriptor).st_nlink > 0


def _bytes_of(array: np.ndarray) -> memoryview:
    return memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
