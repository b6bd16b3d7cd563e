"""Files appear whole or not at all: they are written beside their place and renamed when finished."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from MedSegDLLib.errors import OutputError

_REASONS = {
    errno.ENOSPC: "the disk is full; make room or choose another folder",
    errno.EDQUOT: "your disk quota is used up; make room or choose another folder",
    errno.EFBIG: "the file would be larger than allowed there; choose another folder",
    errno.EROFS: "that disk is read-only; choose another folder",
    errno.EACCES: "writing there is not allowed; choose another folder or change its permissions",
    errno.EPERM: "writing there is not allowed; choose another folder or change its permissions",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A new, empty file in the same folder that becomes `path` when the block ends well.

    It has the suffixes of `path`, in lower case. On any exception it is removed and what `path` held before stays. An
    OSError becomes an OutputError; so do a missing folder, a folder in the place of the file and a write-protected file.
    """
    temporary = path.with_name(f".{secrets.token_hex(6)}{''.join(path.suffixes[-2:]).lower()}")
    try:
        _check_place(path)
        temporary.touch(exist_ok=False)
        yield temporary
        temporary.replace(path)
    except OSError as reason:
        raise OutputError(f"{path} cannot be written: {why(reason)}.") from reason
    finally:
        with suppress(OSError):  # a read-only disk refuses even to remove what is not there
            temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> list[Path]:
    """Make a folder and what is missing above it; returns what was made, topmost first. Raises OutputError."""
    try:
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise OutputError(f"The folder {folder} cannot be made: {why(reason)}.") from reason
    return missing[::-1]


def put_folder(folder: Path, target: Path) -> None:
    """Rename a finished folder, which lies in a temporary one of its own, to `target`.

    A folder that is there is put aside beside `folder` first, and put back if that fails. Raises OSError.
    """
    older = folder.with_name(".replaced")
    if target.is_symlink() or target.exists():
        target.rename(older)
    try:
        folder.rename(target)
    finally:
        if older.exists() and not target.exists():
            older.rename(target)


def why(reason: OSError) -> str:
    """What an OSError means for a person, and what to do."""
    return _REASONS.get(reason.errno, reason.strerror or str(reason))


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give the name of a file.")
    if not path.parent.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {path.parent}; make it or choose another.")
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputError(f"{path} is write-protected; choose another name or change its permissions.")
