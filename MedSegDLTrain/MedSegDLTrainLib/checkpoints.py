"""Everything that a run needs to go on, in one file that is either whole or absent."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from MedSegDLLib.errors import InputError
from MedSegDLLib.networks import build_network
from MedSegDLTrainLib.job import TrainingJob
from MedSegDLTrainLib.optimizers import OPTIMIZERS
from MedSegDLTrainLib.tables import entry

CHECKPOINT_FILE = "last.pt"


@dataclass
class TrainingState:
    """The network, the moving average of its weights, the optimiser, and the number of steps done."""

    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0


def new_state(job: TrainingJob) -> TrainingState:
    """The state before the first step; the same for the same job."""
    build_optimizer = entry(OPTIMIZERS, job.optimisation.optimizer, "optimiser")
    torch.manual_seed(job.seed)
    network = build_network(job.network).to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).requires_grad_(False)
    return TrainingState(network, average, build_optimizer(network.parameters(), job.optimisation))


@torch.no_grad()
def update_average(state: TrainingState, decay: float) -> None:
    """Move the averaged weights towards the network's; early on faster, so that the first random weights fade."""
    decay = min(decay, (1 + state.step) / (10 + state.step))
    for mean, value in zip(state.average.state_dict().values(), state.network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def save_checkpoint(state: TrainingState, folder: Path) -> None:
    """Write beside, then rename: a kill at any moment leaves the old or the new checkpoint."""
    part = folder / (CHECKPOINT_FILE + ".part")
    torch.save(
        {
            "step": state.step,
            "network": state.network.state_dict(),
            "average": state.average.state_dict(),
            "optimizer": state.optimizer.state_dict(),
        },
        part,
    )
    part.replace(folder / CHECKPOINT_FILE)


def load_checkpoint(state: TrainingState, folder: Path) -> None:
    """Bring `state` to where the run in `folder` was saved; tensors and numbers only, no code is unpickled."""
    try:
        saved = torch.load(folder / CHECKPOINT_FILE, weights_only=True)
        state.network.load_state_dict(saved["network"])
        state.average.load_state_dict(saved["average"])
        state.optimizer.load_state_dict(saved["optimizer"])
        state.step = saved["step"]
    except Exception as reason:
        raise InputError(
            f"The checkpoint in {folder} cannot be read or belongs to another job ({reason}): start a new run."
        ) from reason
