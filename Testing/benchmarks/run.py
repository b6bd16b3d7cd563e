"""One approach, run once in a process of its own: how long, how much of it in the network, and how much memory.

`measure` starts the process (`python -m Testing.benchmarks.run APPROACH SETTING FOLDER`) and reads what it leaves in FOLDER.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import Testing.benchmarks.torchvision_operators  # noqa: F401 (before any peer)
from Testing.benchmarks.setting import Setting, TimedNetwork

APPROACHES = {
    "ours": ("own", "segment"),
    "bare_forwards": ("own", "bare_forwards"),
    "monai": ("monai_peer", "plain"),
    "monai_buffered": ("monai_peer", "buffered"),
    "nnunet": ("nnunet_peer", "predict"),
}
_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    """`seconds` from volume to label map; `peak_mib` of resident memory, and `base_mib` just before the run."""

    approach: str
    seconds: float
    network_seconds: float
    base_mib: float
    peak_mib: float

    @property
    def outside_seconds(self) -> float:
        return self.seconds - self.network_seconds

    @property
    def above_base_mib(self) -> float:
        return self.peak_mib - self.base_mib


def measure(approach: str, setting: Setting) -> tuple[Run, np.ndarray | None]:
    """Run `approach` in a fresh process; its labels are None for the bare forward passes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "Testing.benchmarks.run", approach, setting.to_text(), folder]
        finished = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, encoding="utf-8")
        if finished.returncode:
            raise RuntimeError(f"{approach} failed with exit code {finished.returncode}:\n{finished.stderr}")
        run = Run(**json.loads((Path(folder) / "run.json").read_text(encoding="utf-8")))
        labels = Path(folder) / "labels.npy"
        return run, np.load(labels) if labels.exists() else None


def _run(approach: str, setting: Setting) -> tuple[Run, np.ndarray | None]:
    module, name = APPROACHES[approach]
    function = getattr(importlib.import_module(f"Testing.benchmarks.{module}"), name)
    network, volume = setting.network(), setting.volume()
    function(volume[:, :16, :16, :16].copy(), network, _tiny(setting))  # threads and libraries start up
    TimedNetwork.seconds = 0.0
    base = _status_mib("VmRSS")
    _reset_peak()
    start = time.perf_counter()
    labels = function(volume, network, setting)
    seconds = time.perf_counter() - start
    return Run(approach, seconds, TimedNetwork.seconds, base, _status_mib("VmHWM")), labels


def _tiny(setting: Setting) -> Setting:
    return Setting((16, 16, 16), (16, 16, 16), setting.overlap, setting.classes, setting.features)


def _reset_peak() -> None:
    """Make the kernel forget the highest resident size until now (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def _status_mib(key: str) -> float:
    """A size of /proc/self/status: VmRSS is resident memory now, VmHWM its highest value."""
    (line,) = [
        line for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if line.startswith(f"{key}:")
    ]
    return int(line.split()[1]) / 1024


def _main(approach: str, setting: str, folder: str) -> None:
    run, labels = _run(approach, Setting.from_text(setting))
    if labels is not None:
        np.save(Path(folder) / "labels.npy", labels)
    (Path(folder) / "run.json").write_text(json.dumps(asdict(run)), encoding="utf-8")


if __name__ == "__main__":
    _main(*sys.argv[1:])
