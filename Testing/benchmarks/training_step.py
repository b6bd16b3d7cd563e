"""Seconds of a training step: the loop of `medsegdl train` against a bare loop and nnU-Net's trainer, on one network.

Batches are in memory already: patches are measured by themselves (patches_run.py). All take turns in one process, a step
each, so that whatever else the machine does, and wherever memory happens to lie, hits all alike: between processes the same
loop differs by five times what is to be told apart.
"""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import ClassVar

import torch
from torch import nn

import Testing.benchmarks.torchvision_operators  # noqa: F401 (before any peer)
from MedSegDLLib.model_card import Inference, NetworkSpec, Normalisation, Preprocessing
from MedSegDLLib.progress import CancelToken
from MedSegDLTrainLib.checkpoints import TrainingState, new_state
from MedSegDLTrainLib.job import Optimisation, Sampling, TrainingJob
from MedSegDLTrainLib.loop import Loop, LoopParts, StopRequests
from MedSegDLTrainLib.losses import dice_and_cross_entropy, loss_sums
from MedSegDLTrainLib.patches import Batch
from MedSegDLTrainLib.progress import EventLog
from MedSegDLTrainLib.steps import Stepper
from Testing.benchmarks.fresh_process import in_fresh_process, leave
from Testing.benchmarks.results import Result
from Testing.benchmarks.rounds import Measured

CLASSES, PATCH, BATCH = 7, (64, 64, 64), 2
STEPS = 22  # of each approach; the first two, which set things up, are left out

JOB = TrainingJob(
    cases="",
    network=NetworkSpec("no_new_net", 1, CLASSES, {"features_per_stage": (16, 32, 64, 128)}),
    preprocessing=Preprocessing("LPS", (1.0, 1.0, 1.0), Normalisation("zscore")),
    sampling=Sampling(PATCH, BATCH, "uniform"),
    optimisation=Optimisation(1e-2, epochs=1, steps_per_epoch=10_000, optimizer="sgd", nesterov=True, clip_norm=12.0),
    inference=Inference(PATCH, "softmax"),
    loss="dice_and_cross_entropy",
    seed=0,
)


def a_batch(number: int) -> Batch:
    """Noise with random labels: a step's time does not depend on them."""
    torch.manual_seed(number)
    return Batch(torch.randn(BATCH, 1, *PATCH), torch.randint(0, CLASSES, (BATCH, *PATCH)), ("noise",) * BATCH)


class _NoCases:
    cases = ()


def ours() -> Iterator[None]:
    """One step at each turn, through the whole loop: events, requests of other processes, moving average, clipping."""
    state = new_state(JOB)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        events, stop = EventLog(run / "events.jsonl"), StopRequests(run, CancelToken())
        loop = Loop(LoopParts(JOB, run, 10_000, _NoCases(), events, stop, 3600.0), state)
        step = Stepper(JOB, state, torch.device("cpu")).step
        for number in range(STEPS):
            loop.run_some([a_batch(number)], step)
            yield


def bare() -> Iterator[None]:
    """What a tutorial's loop does, with the same loss."""
    state = new_state(JOB)
    for number in range(STEPS):
        batch = a_batch(number)
        state.optimizer.zero_grad(set_to_none=True)
        loss = dice_and_cross_entropy(loss_sums(state.network(batch.images), batch.labels))
        loss.backward()
        state.optimizer.step()
        loss.item()
        yield


def nnunet() -> Iterator[None]:
    """nnUNetTrainer.train_step with nnU-Net's own loss and optimiser settings."""
    trainer = _trainer(new_state(JOB))
    for number in range(STEPS):
        batch = a_batch(number)
        trainer.train_step({"data": batch.images, "target": batch.labels[:, None]})
        yield


def _trainer(state: TrainingState) -> object:
    from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
    from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    trainer = object.__new__(nnUNetTrainer)
    network: nn.Module = copy.deepcopy(state.network)
    dice = {"batch_dice": False, "smooth": 1e-5, "do_bg": False, "ddp": False}
    trainer.network, trainer.device, trainer.grad_scaler = network, torch.device("cpu"), None
    trainer.loss = DC_and_CE_loss(
        dice, {}, weight_ce=1, weight_dice=1, ignore_label=None, dice_class=MemoryEfficientSoftDiceLoss
    )
    trainer.optimizer = torch.optim.SGD(network.parameters(), 1e-2, momentum=0.99, nesterov=True, weight_decay=3e-5)
    return trainer


STEP_APPROACHES: dict[str, Callable[[], Iterator[None]]] = {"ours": ours, "bare": bare, "nnunet": nnunet}
IN_TURNS = "in turns"


@dataclass(frozen=True)
class StepSetting:
    """There is one; `text` is it in words."""

    text: str = f"training step of {BATCH} patches of {'×'.join(map(str, PATCH))} voxels, {CLASSES} classes"


@dataclass(frozen=True)
class StepRun:
    """Medians of the steps, making a batch of noise included, which all approaches do alike; `seconds` are ours."""

    figures: ClassVar = ("bare_seconds", "nnunet_seconds")
    approach: str
    seconds: float
    bare_seconds: float
    nnunet_seconds: float

    @property
    def text(self) -> str:
        return f"{self.seconds:.3f} s a step, a bare loop {self.bare_seconds:.3f} s, nnU-Net {self.nnunet_seconds:.3f} s"


def measure_step(approach: str, setting: StepSetting) -> tuple[StepRun, None]:
    """Take the steps of all approaches in a fresh process."""
    run, _ = in_fresh_process("Testing.benchmarks.training_step", approach, setting.text)
    return StepRun(**run), None


def step_results(measured: Measured) -> dict[str, Result]:
    """The loop of `medsegdl train` against both others."""
    ours, bare, nnunet = (measured.median(IN_TURNS, name) for name in ("seconds", "bare_seconds", "nnunet_seconds"))
    return {
        "training_step_bare_loop": Result(ours, bare, "s", 1.05),
        "training_step_nnunet": Result(ours, nnunet, "s", 1.0),
    }


def _medians() -> list[float]:
    """Of each approach in STEP_APPROACHES; who begins changes from step to step."""
    turns = [approach() for approach in STEP_APPROACHES.values()]
    seconds: list[list[float]] = [[] for _ in turns]
    for step in range(STEPS):
        for number in (*range(step % len(turns), len(turns)), *range(step % len(turns))):
            began = time.perf_counter()
            next(turns[number])
            seconds[number].append(time.perf_counter() - began)
    return [median(taken[2:]) for taken in seconds]


if __name__ == "__main__":
    leave(StepRun(IN_TURNS, *_medians()), None, sys.argv[3])
