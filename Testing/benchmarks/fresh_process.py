"""One approach in a process of its own, so that no run finds memory or threads as another left them.

A module that measures calls `in_fresh_process`; that runs `python -m MODULE APPROACH SETTING FOLDER`, which measures and
calls `leave`. `reset_peak` and `status_mib` tell how much memory the process takes (Linux).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

_REPOSITORY = Path(__file__).resolve().parents[2]


def in_fresh_process(module: str, approach: str, setting: str) -> tuple[dict[str, Any], np.ndarray | None]:
    """The fields of the run and the array, if any, that `module` leaves."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", module, approach, setting, folder]
        finished = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, encoding="utf-8")
        if finished.returncode:
            raise RuntimeError(f"{approach} failed with exit code {finished.returncode}:\n{finished.stderr}")
        array = Path(folder) / "array.npy"
        return json.loads((Path(folder) / "run.json").read_text(encoding="utf-8")), np.load(array) if array.exists() else None


def leave(run: Any, array: np.ndarray | None, folder: str) -> None:
    """Write a run (a dataclass) and what it computed where `in_fresh_process` looks for them."""
    if array is not None:
        np.save(Path(folder) / "array.npy", array)
    (Path(folder) / "run.json").write_text(json.dumps(asdict(run)), encoding="utf-8")


def reset_peak() -> None:
    """Make the kernel forget the highest resident size until now (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def status_mib(key: str) -> float:
    """A size of /proc/self/status: VmRSS is resident memory now, VmHWM its highest value."""
    (line,) = [
        line for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if line.startswith(f"{key}:")
    ]
    return int(line.split()[1]) / 1024
