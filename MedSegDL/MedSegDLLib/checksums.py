"""Checksums of files, without reading them into memory whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

from MedSegDLLib.errors import InputError

_PIECE = 1 << 20


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits in lower case; raises InputError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError as reason:
        raise InputError(f"{path} cannot be read: {reason.strerror}.") from reason
    return digest.hexdigest()
