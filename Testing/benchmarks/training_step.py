"""Seconds of a training step: the loop of `medsegdl train` against a bare loop and nnU-Net's trainer, on one network.

Batches are in memory already: patches are measured by themselves (patches_run.py).
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
STEPS = 16  # of each approach; the first two, which set things up, are left out

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


@dataclass(frozen=True)
class StepSetting:
    """There is one; `text` is it in words."""

    text: str = f"training step of {BATCH} patches of {'×'.join(map(str, PATCH))} voxels, {CLASSES} classes"


@dataclass(frozen=True)
class StepRun:
    """`seconds`: median of the steps, making a batch of noise included, which all approaches do alike."""

    figures: ClassVar = ()
    approach: str
    seconds: float

    @property
    def text(self) -> str:
        return f"{self.seconds:.3f} s a step"


def measure_step(approach: str, setting: StepSetting) -> tuple[StepRun, None]:
    """Take the steps of one approach in a fresh process."""
    run, _ = in_fresh_process("Testing.benchmarks.training_step", approach, setting.text)
    return StepRun(**run), None


def step_results(measured: Measured) -> dict[str, Result]:
    """The loop of `medsegdl train` against both others."""
    ours = measured.median("ours", "seconds")
    return {
        "training_step_bare_loop": Result(ours, measured.median("bare", "seconds"), "s", 1.05),
        "training_step_nnunet": Result(ours, measured.median("nnunet", "seconds"), "s", 1.0),
    }


def _seconds(approach: str) -> float:
    turns, seconds = STEP_APPROACHES[approach](), []
    for _ in range(STEPS):
        began = time.perf_counter()
        next(turns)
        seconds.append(time.perf_counter() - began)
    return median(seconds[2:])


if __name__ == "__main__":
    leave(StepRun(sys.argv[1], _seconds(sys.argv[1])), None, sys.argv[3])
