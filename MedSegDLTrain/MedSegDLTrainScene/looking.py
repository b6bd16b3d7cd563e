"""Looking into folders that a person typed or that lie on a drive which may have gone: that never fails (no slicer)."""

from __future__ import annotations

from pathlib import Path


def holds(folder: Path, name: str) -> bool:
    """Whether there is a file of that name in a folder; not where nobody may look."""
    try:
        return (folder / name).is_file()
    except OSError:
        return False


def is_absent(folder: Path) -> bool:
    """Whether there is surely no such folder."""
    try:
        return not folder.exists()
    except OSError:
        return False
