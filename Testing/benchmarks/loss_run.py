"""One loss, forward and backward, in a process of its own: processor time, memory above the logits, and the gradient."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import ClassVar

import numpy as np
import torch

import Testing.benchmarks.torchvision_operators  # noqa: F401 (before any peer)
from Testing.benchmarks.fresh_process import in_fresh_process, leave, reset_peak, status_mib
from Testing.benchmarks.loss_peers import LOSS_APPROACHES, Loss
from Testing.benchmarks.setting import SEED

_PLANES_COMPARED = 8  # every eighth plane of the gradient


@dataclass(frozen=True)
class LossSetting:
    """One patch of `size`³ voxels with `classes` random logits each, and how often the loss of it is taken."""

    size: int
    passes: int
    classes: int = 126

    @property
    def text(self) -> str:
        return f"loss of {self.size}×{self.size}×{self.size} voxels, {self.classes} classes"

    def example(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (1, classes, size, size, size) that need a gradient, and labels (1, size, size, size)."""
        torch.manual_seed(SEED)
        space = (self.size,) * 3
        return torch.randn(1, self.classes, *space, requires_grad=True), torch.randint(0, self.classes, (1, *space))


@dataclass(frozen=True)
class LossRun:
    """`seconds`: processor time of one forward and backward pass on one thread, median of the passes.

    `base_mib`: resident memory with the logits there; `peak_mib`: its highest value during the passes.
    """

    figures: ClassVar = ("above_base_mib", "peak_mib")
    approach: str
    seconds: float
    base_mib: float
    peak_mib: float

    @property
    def above_base_mib(self) -> float:
        return self.peak_mib - self.base_mib

    @property
    def text(self) -> str:
        return f"{self.seconds:.3f} s of processor time, {self.above_base_mib:.0f} MiB above the logits"


def measure_loss(approach: str, setting: LossSetting) -> tuple[LossRun, np.ndarray]:
    """Run `approach` in a fresh process; the array is every eighth plane of the gradient."""
    run, gradient = in_fresh_process("Testing.benchmarks.loss_run", approach, json.dumps(asdict(setting)))
    return LossRun(**run), gradient


def _run(approach: str, setting: LossSetting) -> tuple[LossRun, np.ndarray]:
    torch.set_num_threads(1)  # threads that wait for each other use processor time, on a busy machine most of it
    loss = LOSS_APPROACHES[approach]()
    _seconds(loss, *LossSetting(8, 1, setting.classes).example())  # threads and libraries start up
    logits, labels = setting.example()
    base = status_mib("VmRSS")
    reset_peak()
    seconds = median([_seconds(loss, logits, labels) for _ in range(setting.passes)])
    run = LossRun(approach, seconds, base, status_mib("VmHWM"))
    return run, logits.grad[:, :, ::_PLANES_COMPARED].numpy()


def _seconds(loss: Loss, logits: torch.Tensor, labels: torch.Tensor) -> float:
    logits.grad = None
    start = time.process_time()
    loss(logits, labels).backward()
    return time.process_time() - start


if __name__ == "__main__":
    leave(*_run(sys.argv[1], LossSetting(**json.loads(sys.argv[2]))), sys.argv[3])
