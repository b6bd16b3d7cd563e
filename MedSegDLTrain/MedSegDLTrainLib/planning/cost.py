"""What a training step costs on this machine: memory by a rule, time by trying."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from MedSegDLLib.device import device_name, free_cached_memory, synchronise
from MedSegDLLib.model_card import NetworkSpec
from MedSegDLLib.networks import build_network
from MedSegDLTrainLib.losses import LOSSES, loss_sums

# The first step also sets things up; others follow, unless they have taken so long that it hardly matters.
_STEPS, _ENOUGH_SECONDS = 3, 12.0
_BYTES = 4  # of a float32


@dataclass(frozen=True)
class Trial:
    """A training step to be tried. `patch_size` is x, y, z; z is 1 for a network of slices. `loss`: key in LOSSES."""

    network: NetworkSpec
    patch_size: tuple[int, int, int]
    batch_size: int
    loss: str
    precision: str = "float32"


@dataclass(frozen=True)
class Machine:
    """Where a job will run: `seconds` of one step (infinite if it cannot be taken), `bytes_needed` for it, and how much of
    memory is free (None: the system does not tell)."""

    name: str
    free_bytes: int | None
    seconds: Callable[[Trial], float]
    bytes_needed: Callable[[Trial], int]


def machine_of(device: torch.device) -> Machine:
    """`device` as it is now."""
    return Machine(device_name(device), free_bytes(device), lambda trial: step_seconds(trial, device), step_bytes)


def free_bytes(device: torch.device) -> int | None:
    """Memory of a device that is free now; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    found = meminfo.is_file() and re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(encoding="utf-8"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def step_bytes(trial: Trial) -> int:
    """Memory of a float32 training step, without running it.

    What autograd keeps of the forward pass, counted on tensors without data; four times its largest tensor for gradients
    and work space on their way; two logits for loss and gradient; and of the weights five copies (gradient, two means of
    the optimiser, moving average). Measured on a CPU with 2D and 3D networks of 0.3 to 1.4 GB, the rule gives 0.94 to 1.4
    of the process's growth; in bfloat16 it gives 1.5 times as much as is needed.
    """
    with torch.device("meta"):
        network = build_network(trial.network).train()
        images = torch.empty(_shape(trial, network.dimensions))
    kept = kept_bytes(network, images)
    logits = trial.network.out_channels * images.numel() // trial.network.in_channels
    weights = sum(parameter.numel() for parameter in network.parameters())
    return sum(kept) + 4 * max(kept) + _BYTES * (2 * logits + 5 * weights)


def kept_bytes(network: nn.Module, images: torch.Tensor) -> list[int]:
    """Bytes of each tensor, weights left out, that autograd keeps of a forward pass of `images` until the backward pass."""
    weights = {_storage(parameter) for parameter in network.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if _storage(tensor) not in weights:
            kept[_storage(tensor)] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = network(images)  # what is kept lives as long as these
    sizes = [tensor.untyped_storage().nbytes() for tensor in kept.values()]
    del logits
    return sizes


def _storage(tensor: torch.Tensor) -> int:
    """What tells memory that tensors share from other memory; tensors without data have no address."""
    return tensor.untyped_storage()._cdata


def step_seconds(trial: Trial, device: torch.device) -> float:
    """Seconds of forward, loss, backward and optimiser on noise: the shortest of three steps.

    Infinite if there is too little memory, the device lacks the precision, or the loss is not finite.
    """
    try:
        return _tried(trial, device)
    except (RuntimeError, MemoryError):
        return math.inf
    finally:
        free_cached_memory(device)


def _tried(trial: Trial, device: torch.device) -> float:
    step, times = _trial_step(trial, device), []
    while len(times) < _STEPS and sum(times) < _ENOUGH_SECONDS:
        times.append(_timed(step, device))
    return min(times)


def _timed(step: Callable[[], bool], device: torch.device) -> float:
    start = time.perf_counter()
    finite = step()
    synchronise(device)
    return time.perf_counter() - start if finite else math.inf


def _trial_step(trial: Trial, device: torch.device) -> Callable[[], bool]:
    """A function that takes one step and says whether its loss was finite; nobody's random numbers are touched."""
    with torch.random.fork_rng(devices=[]):
        network = build_network(trial.network).to(device).train()
    images, labels = _noise(trial, network.dimensions, device)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)

    def step() -> bool:
        with torch.autocast(device.type, torch.bfloat16, enabled=trial.precision == "bfloat16"):
            logits = network(images)
        loss = LOSSES[trial.loss](loss_sums(logits, labels))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return math.isfinite(loss.item())

    return step


def _noise(trial: Trial, dimensions: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels in the memory order that training gives them."""
    random = torch.Generator().manual_seed(0)
    shape = _shape(trial, dimensions)
    labels = torch.randint(max(trial.network.out_channels, 2), (shape[0], *shape[2:]), generator=random)
    images = torch.randn(shape, generator=random).to(device)
    if dimensions == 2:
        images = images.contiguous(memory_format=torch.channels_last)
    elif trial.precision != "float32":
        images = images.contiguous(memory_format=torch.channels_last_3d)
    return images, labels.to(device)


def _shape(trial: Trial, dimensions: int) -> tuple[int, ...]:
    return (trial.batch_size, trial.network.in_channels, *trial.patch_size[::-1][3 - dimensions :])
