"""One training step: forward, sums, loss, backward, clipping, optimiser, moving average."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.checkpoints import TrainingState, Weights
from MedSegDLTrainLib.job import TrainingJob
from MedSegDLTrainLib.losses import LOSSES, LossSums, gradients_of, loss_sums, sum_of
from MedSegDLTrainLib.optimizers import clip
from MedSegDLTrainLib.patches import Batch
from MedSegDLTrainLib.schedules import learning_rate
from MedSegDLTrainLib.tables import entry


class Stepper:
    """Takes steps as a job says. What is random in a network (dropout) depends on seed and step only."""

    def __init__(self, job: TrainingJob, state: TrainingState, device: torch.device) -> None:
        self._loss: Callable[[LossSums], Tensor] = entry(LOSSES, job.loss, "loss")
        self._seed, self._how, self._state, self._device = job.seed, job.optimisation, state, device

    def step(self, batch: Batch, step: int, steps: int) -> float:
        """The loss of `batch` before the step; `step` counts from 0, `steps` are those of the whole run.

        Raises InputError with the cases' names if the loss is not finite; the weights are then as they were.
        """
        for group in self._state.optimizer.param_groups:
            group["lr"] = learning_rate(self._how, step, steps)
        self._state.network.train()
        self._state.optimizer.zero_grad(set_to_none=True)
        loss = self._backward(batch, step)
        value = loss.item()
        if not torch.isfinite(loss):
            raise InputError(
                f"The loss is not finite at step {step} (cases {', '.join(sorted(set(batch.cases)))}): "
                "lower the learning rate, clip the gradient, or look at these cases."
            )
        clip(self._state.network.parameters(), self._how)
        self._state.optimizer.step()
        self._average(step)
        return value

    def _backward(self, batch: Batch, step: int) -> Tensor:
        """The loss; gradients are added up in the weights."""
        if self._how.accumulation == 1:
            loss = self._loss(self._sums(batch.images, batch.labels, step, 0))
            loss.backward()
            return loss.detach()
        return self._backward_in_parts(batch, step)

    def _backward_in_parts(self, batch: Batch, step: int) -> Tensor:
        """The very gradient of the whole batch: a first pass adds up the sums, a second one sends their gradients back."""
        parts = list(zip(batch.images.chunk(self._how.accumulation), batch.labels.chunk(self._how.accumulation), strict=True))
        running = [buffer.clone() for buffer in self._state.network.buffers()]
        with torch.no_grad():
            total = sum_of([self._sums(*part, step, number) for number, part in enumerate(parts)])
        for buffer, value in zip(self._state.network.buffers(), running, strict=True):
            buffer.copy_(value)  # what batch norm keeps is updated by the second pass alone
        loss, gradients = gradients_of(self._loss, total)
        for number, part in enumerate(parts):
            sums = self._sums(*part, step, number)
            torch.autograd.backward(sums.tensors(), gradients)
        return loss

    def _sums(self, images: Tensor, labels: Tensor, step: int, part: int) -> LossSums:
        torch.manual_seed(hash((self._seed, step, part)) % 2**63)
        network = self._state.network
        if images.dim() == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        elif self._how.precision != "float32":
            images = images.contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._how.precision == "bfloat16"):
            logits = network(images)
        return loss_sums(logits, labels)

    def _average(self, step: int) -> None:
        """Move the averaged weights towards the network's; early on faster, so that the first ones fade."""
        if self._state.average is not None:
            decay = min(self._how.average_decay, (2 + step) / (11 + step))
            move_towards(self._state.average, self._state.network, decay)


def blended(start: Weights, trained: Weights, share: float) -> dict[str, Tensor]:
    """(1 − share) · start + share · trained; counters are those of `trained`."""
    pairs = {name: (start[name].to(value.device), value) for name, value in trained.items()}
    return {name: old.lerp(new, share) if new.is_floating_point() else new for name, (old, new) in pairs.items()}


@torch.no_grad()
def move_towards(average: nn.Module, network: nn.Module, decay: float) -> None:
    """average ← decay · average + (1 − decay) · network, running means of batch norm as well; counters are copied."""
    means, values = average.state_dict().values(), network.state_dict().values()
    pairs = list(zip(means, values, strict=True))
    real = [pair for pair in pairs if pair[0].is_floating_point()]
    get_ema_multi_avg_fn(decay)([mean for mean, _ in real], [value for _, value in real], None)
    for mean, value in pairs:
        if not mean.is_floating_point():
            mean.copy_(value)
