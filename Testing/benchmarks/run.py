"""One way of segmenting, run once in a process of its own: how long, how much of it in the network, how much memory."""

from __future__ import annotations

import importlib
import sys
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import Testing.benchmarks.torchvision_operators  # noqa: F401 (before any peer)
from Testing.benchmarks.fresh_process import in_fresh_process, leave, reset_peak, status_mib
from Testing.benchmarks.setting import Setting, TimedNetwork

APPROACHES = {
    "ours": ("own", "segment"),
    "bare_forwards": ("own", "bare_forwards"),
    "monai": ("monai_peer", "plain"),
    "monai_buffered": ("monai_peer", "buffered"),
    "nnunet": ("nnunet_peer", "predict"),
}


@dataclass(frozen=True)
class Run:
    """`seconds` from volume to label map; `peak_mib` of resident memory, and `base_mib` just before the run."""

    figures: ClassVar = ("network_seconds", "outside_seconds", "above_base_mib", "peak_mib")
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

    @property
    def text(self) -> str:
        outside = f"{self.seconds:.1f} s, {self.outside_seconds:.2f} s of it outside of the network"
        return f"{outside}, {self.above_base_mib:.0f} MiB above base"


def measure(approach: str, setting: Setting) -> tuple[Run, np.ndarray | None]:
    """Run `approach` in a fresh process; its labels are None for the bare forward passes."""
    run, labels = in_fresh_process("Testing.benchmarks.run", approach, setting.to_text())
    return Run(**run), labels


def _run(approach: str, setting: Setting) -> tuple[Run, np.ndarray | None]:
    module, name = APPROACHES[approach]
    function = getattr(importlib.import_module(f"Testing.benchmarks.{module}"), name)
    network, volume = setting.network(), setting.volume()
    function(volume[:, :16, :16, :16].copy(), network, _tiny(setting))  # threads and libraries start up
    TimedNetwork.seconds = 0.0
    base = status_mib("VmRSS")
    reset_peak()
    start = time.perf_counter()
    labels = function(volume, network, setting)
    seconds = time.perf_counter() - start
    return Run(approach, seconds, TimedNetwork.seconds, base, status_mib("VmHWM")), labels


def _tiny(setting: Setting) -> Setting:
    return Setting((16, 16, 16), (16, 16, 16), setting.overlap, setting.classes, setting.features)


if __name__ == "__main__":
    leave(*_run(sys.argv[1], Setting.from_text(sys.argv[2])), sys.argv[3])
