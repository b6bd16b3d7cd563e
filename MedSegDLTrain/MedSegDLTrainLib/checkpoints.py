"""Everything that a run needs to go on, in files that are either whole or known to be damaged."""

from __future__ import annotations

import copy
import hashlib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor, nn

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.errors import InputError, ModelError
from MedSegDLLib.networks import build_network
from MedSegDLTrainLib.job import TrainingJob
from MedSegDLTrainLib.optimizers import build_optimizer

LAST_FILE, BEFORE_FILE, BEST_FILE = "last.checkpoint", "before.checkpoint", "best.checkpoint"
_DIGITS = 64  # a checkpoint begins with the SHA-256 of the rest


Weights = Mapping[str, Tensor]
"""A network's state: parameters and buffers by name."""


@dataclass
class Tally:
    """What has been done: steps, the losses of the present epoch added up, seconds spent, and the best validation."""

    step: int = 0
    epoch_loss: float = 0.0
    training_seconds: float = 0.0
    validation_seconds: float = 0.0
    last_validation_seconds: float = 0.0
    best_step: int = 0
    best_score: float | None = None


@dataclass
class TrainingState:
    """The network, the moving average of its weights (None: the job wants none), the optimiser, and what has been done."""

    network: nn.Module
    average: nn.Module | None
    optimizer: torch.optim.Optimizer
    tally: Tally = field(default_factory=Tally)

    @property
    def published(self) -> nn.Module:
        """The network whose weights are validated and published."""
        return self.average or self.network


def new_state(job: TrainingJob, device: torch.device | str = "cpu") -> TrainingState:
    """The state before the first step, with fresh weights; the same for the same job."""
    torch.manual_seed(job.seed)
    network = build_network(job.network)
    network.to(device=device, memory_format=_memory_format(network.dimensions, job.optimisation.precision))
    state = TrainingState(network, None, build_optimizer(network, job.optimisation))
    restart_average(state, job.optimisation.average_decay)
    return state


def restart_average(state: TrainingState, decay: float | None) -> None:
    """Let the moving average begin with the network's present weights."""
    state.average = None if decay is None else copy.deepcopy(state.network).requires_grad_(False)


def _memory_format(dimensions: int, precision: str) -> torch.memory_format:
    """What convolutions run fastest with: in 3D only reduced precision gains from channels last."""
    if dimensions == 2:
        return torch.channels_last
    return torch.channels_last_3d if precision != "float32" else torch.contiguous_format


def save_checkpoint(state: TrainingState, run: Path) -> None:
    """Write last.checkpoint; the one that was last becomes before.checkpoint. A kill at any moment leaves one of them.

    Raises ModelError, with both left as they are, if a weight is not finite; OutputError if there is no room.
    """
    check_finite(state.network)
    document = {
        "tally": asdict(state.tally),
        "network": state.network.state_dict(),
        "average": state.average.state_dict() if state.average else None,
        "optimizer": state.optimizer.state_dict(),
    }
    with written_beside(run / LAST_FILE) as beside:
        _write(document, beside)
        if (run / LAST_FILE).exists():
            (run / LAST_FILE).replace(run / BEFORE_FILE)


def save_best(weights: Weights, tally: Tally, run: Path) -> None:
    """Write best.checkpoint: the weights that were validated."""
    write_checkpoint({"tally": asdict(tally), "weights": dict(weights)}, run / BEST_FILE)


def write_checkpoint(document: dict, path: Path) -> None:
    """Write tensors and numbers so that `read_checkpoint` gives them back, whole or not at all; raises OutputError."""
    with written_beside(path) as beside:
        _write(document, beside)


def check_finite(network: nn.Module) -> None:
    """Raise ModelError if a weight or a running mean is not finite."""
    for name, tensor in network.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise ModelError(f"The weights {name} are no longer finite numbers: lower the learning rate, or clip the gradient.")


def load_checkpoint(state: TrainingState, run: Path, tell: Callable[[str], None]) -> None:
    """Bring `state` to where the run was saved last; to the save before that, and `tell` so, if the last one is damaged.

    Without any checkpoint the run was stopped before its first one, and `state` stays as it is. Raises InputError if there
    are checkpoints but none can be used.
    """
    damaged = []
    for name in (LAST_FILE, BEFORE_FILE):
        if not (run / name).is_file():
            continue
        try:
            _restore(state, read_checkpoint(run / name))
        except InputError as reason:
            damaged.append(str(reason))
            continue
        if damaged:
            tell(f"{damaged[0]} The run goes on from the one before it, step {state.tally.step}.")
        return
    if damaged:
        raise InputError(f"{' '.join(damaged)} Start a new run.")


def read_checkpoint(path: Path) -> dict:
    """What `path` holds; raises InputError if it is not what was written. Tensors and numbers only: no code is unpickled."""
    try:
        data = path.read_bytes()
        if hashlib.sha256(data[_DIGITS:]).hexdigest().encode() != data[:_DIGITS]:
            raise InputError(f"The checkpoint {path} is damaged: its SHA-256 is not what it was written with.")
        return torch.load(io.BytesIO(data[_DIGITS:]), weights_only=True, map_location="cpu")
    except OSError as reason:
        raise InputError(f"The checkpoint {path} cannot be read: {reason.strerror}.") from reason


def _restore(state: TrainingState, saved: dict) -> None:
    try:
        state.network.load_state_dict(saved["network"])
        if state.average is not None:
            state.average.load_state_dict(saved["average"])
        state.optimizer.load_state_dict(saved["optimizer"])
        state.tally = Tally(**saved["tally"])
    except (KeyError, TypeError, ValueError, RuntimeError) as reason:
        raise InputError(f"A checkpoint of this run belongs to another job ({reason}).") from reason


def _write(document: dict, path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"0" * _DIGITS)
        hashing = _Hashing(file)
        _save(document, hashing)
        file.seek(0)
        file.write(hashing.digest.hexdigest().encode())
        file.flush()
        os.fsync(file.fileno())


def _save(document: dict, hashing: _Hashing) -> None:
    """torch.save, which tells of a full disk as a RuntimeError about a position."""
    try:
        torch.save(document, hashing)
    except RuntimeError:
        if hashing.failure is None:
            raise
        raise hashing.failure from None


class _Hashing:
    """Hands on what is written, and keeps its SHA-256, and why something could not be written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest, self.failure = file, hashlib.sha256(), None

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        try:
            return self._file.write(data)
        except OSError as reason:
            self.failure = reason
            raise

    def flush(self) -> None:
        self._file.flush()
