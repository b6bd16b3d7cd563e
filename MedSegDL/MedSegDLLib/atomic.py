"""Files that appear whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from MedSegDLLib.errors import OutputError


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A temporary path with the suffixes of `path` in its folder: renamed to `path` at the end, removed on failure.

    Raises OutputError where the system does not let the file be written.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=".writing-", dir=path.parent))
    except OSError as reason:
        raise OutputError(f"{path} cannot be written: {reason.strerror}. Choose another folder.") from reason
    beside = folder / path.name
    try:
        yield beside
        beside.replace(path)
    except OSError as reason:
        raise OutputError(f"{path} cannot be written: {reason.strerror}. Nothing was left behind.") from reason
    finally:
        beside.unlink(missing_ok=True)
        folder.rmdir()
