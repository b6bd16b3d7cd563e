"""One way to make patches, in a process of its own with its loader processes: seconds and processor seconds a patch."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

import torch

import Testing.benchmarks.torchvision_operators  # noqa: F401 (before any peer)
from Testing.benchmarks.fresh_process import in_fresh_process, leave
from Testing.benchmarks.patches_setting import PatchSetting, write_cases
from Testing.benchmarks.results import Result
from Testing.benchmarks.rounds import Measured

PATCH_APPROACHES = {
    "ours": ("own", "own"),
    "torchio_queue": ("torchio", "queue"),
    "torchio_on_patches": ("torchio", "on_patches"),
    "batchgenerators": ("batchgenerators", "nnunet_way"),
}


@dataclass(frozen=True)
class PatchRun:
    """`seconds` a patch on the clock; `processor_seconds` a patch of this process and its loader processes together."""

    figures: ClassVar = ("processor_seconds",)
    approach: str
    seconds: float
    processor_seconds: float

    @property
    def text(self) -> str:
        return f"{1 / self.seconds:.1f} patches a second, {1000 * self.processor_seconds:.0f} ms of processor time each"


def measure_patches(approach: str, setting: PatchSetting) -> tuple[PatchRun, None]:
    """Run `approach` in a fresh process."""
    run, _ = in_fresh_process("Testing.benchmarks.patches_run", approach, json.dumps(asdict(setting)))
    return PatchRun(**run), None


def patch_results(measured: Measured) -> dict[str, Result]:
    """Seconds a patch against the faster of TorchIO's two ways, and against batchgeneratorsv2."""
    ours = measured.median("ours", "seconds")
    torchio = min(measured.median(approach, "seconds") for approach in PATCH_APPROACHES if approach.startswith("torchio"))
    peer = measured.median("batchgenerators", "seconds")
    return {
        "patches_torchio": Result(ours, torchio, "s a patch", 1 / 2),
        "patches_batchgenerators": Result(ours, peer, "s a patch", 1 / 1.5),
    }


def _run(approach: str, setting: PatchSetting) -> PatchRun:
    torch.set_num_threads(1)
    module, name = PATCH_APPROACHES[approach]
    make: Callable[[PatchSetting, Path], Iterator[torch.Tensor]]
    make = getattr(importlib.import_module(f"Testing.benchmarks.patches_{module}"), name)
    with tempfile.TemporaryDirectory() as folder:
        write_cases(setting, Path(folder))
        made = make(setting, Path(folder))
        for images in islice(made, setting.ahead):
            assert images.shape == (setting.batch, 1, *(setting.patch,) * 3), images.shape
        clock, processor = time.perf_counter(), _processor_seconds()
        for _ in islice(made, setting.batches):
            pass
        clock, processor = time.perf_counter() - clock, _processor_seconds() - processor
        made.close()
    patches = setting.batches * setting.batch
    return PatchRun(approach, clock / patches, processor / patches)


def _processor_seconds() -> float:
    """Of this process and its children, as proc(5) counts them."""
    processes = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
    fields = (Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split() for process in processes)
    return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(sys.argv[2]).items()}
    leave(_run(sys.argv[1], PatchSetting(**settings)), None, sys.argv[3])
