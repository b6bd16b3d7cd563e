"""Where MedSegDL keeps a user's files: data that stays (models), and caches that may be deleted at any time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_NAME = "MedSegDL"


def data_folder() -> Path:
    """This user's folder for what stays; it need not exist yet."""
    if sys.platform == "win32":
        return _from_environment("LOCALAPPDATA", "AppData/Local") / _NAME
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support" / _NAME
    return _from_environment("XDG_DATA_HOME", ".local/share") / _NAME


def cache_folder() -> Path:
    """The folder for what can be made again: MEDSEGDL_CACHE if set, else this user's; it need not exist yet."""
    if os.environ.get("MEDSEGDL_CACHE"):
        return Path(os.environ["MEDSEGDL_CACHE"])
    if sys.platform == "win32":
        return _from_environment("LOCALAPPDATA", "AppData/Local") / _NAME / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches" / _NAME
    return _from_environment("XDG_CACHE_HOME", ".cache") / _NAME


def _from_environment(variable: str, otherwise: str) -> Path:
    """The absolute path in an environment variable, or `otherwise` in the home folder."""
    folder = Path(os.environ.get(variable, ""))
    return folder if folder.is_absolute() else Path.home() / otherwise
