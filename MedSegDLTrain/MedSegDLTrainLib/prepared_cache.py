"""Arrays of a case kept as files that are memory-mapped: an entry is a folder that is there whole or not at all.

An entry holds an .npy file for each array, and about.json. It is written beside its place and renamed. Entries of one case
lie side by side, one for each setting; what was made of files that have changed since is removed.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from MedSegDLLib.atomic import why
from MedSegDLLib.errors import InputError, OutputError
from MedSegDLLib.strict_json import read_json, to_json

try:
    import resource
except ImportError:  # Windows, which has no small limit of open files
    resource = None

_ABOUT_FILE, _LOCK_FILE = "about.json", ".lock"
_ENTRIES_A_CASE = 3
_ABANDONED_SECONDS = 3600
_OPEN_FILES = 10_000  # what macOS allows at most
_MAPPED_BYTES = 1 << 16  # smaller arrays are read: every mapped one keeps a file open


@dataclass(frozen=True)
class About:
    """about.json: `content` tells the files that the arrays were made of by their SHA-256; `shapes` are those of the arrays."""

    content: str
    spacing_zyx: tuple[float, float, float]
    shapes: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Entry:
    """Read-only `arrays` by name, and the `spacing_zyx` in mm of those that lie on a grid."""

    spacing_zyx: tuple[float, float, float]
    arrays: dict[str, np.ndarray]


def open_entry(folder: Path, names: Sequence[str]) -> Entry | None:
    """The arrays called `names` of an entry; None if it is not there or damaged."""
    _allow_many_open_files()
    try:
        about = read_json(About, folder / _ABOUT_FILE, InputError)
        arrays = {name: _array(folder / f"{name}.npy") for name in names}
    except (InputError, OSError, ValueError, EOFError):
        return None
    if {name: array.shape for name, array in arrays.items()} != about.shapes:
        return None
    return Entry(about.spacing_zyx, arrays)


def use_entry(folder: Path, names: Sequence[str]) -> Entry | None:
    """`open_entry`, and the entry counts as the one used last, where the disk can be written to."""
    entry = open_entry(folder, names)
    if entry is not None:
        with suppress(OSError):
            os.utime(folder / _ABOUT_FILE)
    return entry


def keep_entry(folder: Path, content: str, entry: Entry) -> Entry:
    """Write an entry, and give it back memory-mapped; then remove those of its case that are no longer wanted.

    Another process may have written the same one, which then stays. Raises OutputError, with everything left as it was,
    where that cannot be written, for example because the disk is full.
    """
    beside = folder.with_name(_hidden_name())
    try:
        _write_entry(beside, content, entry)
        with FileLock(folder.with_name(_LOCK_FILE)):
            return _put(beside, folder, content, tuple(entry.arrays))
    except OSError as reason:
        raise OutputError(f"Prepared cases cannot be kept in {folder.parent.parent}: {why(reason)}.") from reason
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _array(path: Path) -> np.ndarray:
    """A plain array, because views of np.memmap are slow to make."""
    mapped = "r" if path.stat().st_size > _MAPPED_BYTES else None
    array = np.asarray(np.load(path, mmap_mode=mapped, allow_pickle=False))
    array.flags.writeable = False
    return array


def _write_entry(folder: Path, content: str, entry: Entry) -> None:
    folder.mkdir(parents=True)
    for name, array in entry.arrays.items():
        _write_array(array, folder / f"{name}.npy")
    shapes = {name: array.shape for name, array in entry.arrays.items()}
    about = json.dumps(to_json(About(content, entry.spacing_zyx, shapes)))
    _write(about.encode(), folder / _ABOUT_FILE)


def _write_array(array: np.ndarray, path: Path) -> None:
    """As np.save does, which however does not say why a disk took only a part."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    _write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, path)


def _write(content: bytes | memoryview, path: Path) -> None:
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # else a power cut could leave a file of zeros under its final name


def _put(beside: Path, folder: Path, content: str, names: Sequence[str]) -> Entry:
    """Rename, in the place of a damaged entry if there is one, unless another process was first."""
    if (entry := open_entry(folder, names)) is None:
        _remove(folder)
        beside.rename(folder)
        _tidy(folder, content)
        entry = open_entry(folder, names)
    if entry is None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))  # what was just written cannot be read
    return entry


def _tidy(folder: Path, content: str) -> None:
    """Remove entries of the same case made of other files, all but the last used settings, and what a killed process left."""
    wanted = []
    for other in list(folder.parent.iterdir()):
        if other.name.startswith("."):
            with suppress(FileNotFoundError):  # its owner has just renamed it
                if time.time() - other.stat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(other, ignore_errors=True)
        elif _content_of(other) == content:
            wanted.append(other)
        else:
            _remove(other)
    for other in sorted(wanted, key=_last_used, reverse=True)[_ENTRIES_A_CASE:]:
        _remove(other)


def _content_of(folder: Path) -> str | None:
    try:
        return read_json(About, folder / _ABOUT_FILE, InputError).content
    except InputError:
        return None


def _last_used(folder: Path) -> int:
    return (folder / _ABOUT_FILE).stat().st_mtime_ns


def _remove(folder: Path) -> None:
    """At one blow for other processes, if the system allows it: Windows does not while one has the arrays open."""
    hidden = folder.with_name(_hidden_name())
    with suppress(OSError):
        folder.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)


def _hidden_name() -> str:
    return f".{secrets.token_hex(6)}"


def _allow_many_open_files() -> None:
    """Systems let a process begin with 256 or 1,024 open files; a few hundred cases have more."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
