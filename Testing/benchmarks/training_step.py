"""Seconds of a training step: the loop of `medsegdl train` against a bare loop and nnU-Net's trainer, on one network.

`python -m Testing.benchmarks.training_step` prints medians as JSON. All three take steps in turns in one process, on batches
that are in memory already: patches are measured by themselves.
"""

from __future__ import annotations

import copy
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

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
        parts = LoopParts(
            JOB, run, 10_000, _NoCases(), EventLog(run / "events.jsonl"), StopRequests(run, CancelToken()), 3600.0
        )
        loop, step = Loop(parts, state), Stepper(JOB, state, torch.device("cpu")).step
        # A generator inside of the loop's own iteration: the loop asks for a batch, and is asked in turn for a step.
        yield from _in_turns(loop, step)


def _in_turns(loop: Loop, step: Callable[[Batch, int, int], float]) -> Iterator[None]:
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


APPROACHES: dict[str, Callable[[], Iterator[None]]] = {"ours": ours, "bare": bare, "nnunet": nnunet}


def measured() -> dict[str, float]:
    """Median seconds of a step of each approach; making the noise is in all of them alike."""
    turns = {name: approach() for name, approach in APPROACHES.items()}
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(STEPS):
        for name, turn in turns.items():
            began = time.perf_counter()
            next(turn)
            seconds[name].append(time.perf_counter() - began)
    return {name: median(taken[2:]) for name, taken in seconds.items()}


if __name__ == "__main__":
    print(json.dumps(measured()))
