"""Which Python runs what must not run in the caller's process (no slicer)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("MedSegDLLib", "MedSegDLTrainLib")


@dataclass(frozen=True)
class Interpreter:
    """A Python to start: `command` and the whole `environment`, in which MedSegDL's packages are found."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)


def this_interpreter() -> Interpreter:
    """The Python that runs this."""
    return Interpreter((sys.executable,), with_packages(os.environ))


def with_packages(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with the folders of MedSegDL's packages, as this process finds them, in PYTHONPATH before all others.

    A folder that was added to `sys.path` only, as Slicer does with its module folders, is not known to a new process. The
    current folder is kept out of the new process's path: a random.py that lies there would be taken for Python's own (by
    Python 3.10, which does not know the variable for that, it still is).
    """
    before = [folder for folder in environment.get("PYTHONPATH", "").split(os.pathsep) if folder]
    folders = os.pathsep.join(dict.fromkeys([*_folders(), *before]))
    return {**environment, "PYTHONPATH": folders, "PYTHONSAFEPATH": "1"}


def _folders() -> list[str]:
    found = [find_spec(name) for name in _PACKAGES]
    return [str(Path(spec.origin).resolve().parents[1]) for spec in found if spec and spec.origin]
