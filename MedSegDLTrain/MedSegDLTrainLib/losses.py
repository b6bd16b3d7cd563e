"""Losses out of sums: logits and labels in, a scalar out.

Every loss is reduced to sums over voxels first and combined last, so that the sums of several processes, or of batches
that are accumulated, can be added and give exactly the loss of the whole batch, whatever is ignored where.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn import functional

from MedSegDLTrainLib.cases import IGNORE
from MedSegDLTrainLib.sparse_softmax import SoftmaxSums


@dataclass(frozen=True)
class LossSums:
    """Sums over all voxels that count: cross-entropy, their number, and per class three sums for overlaps.

    The classes are those of the softmax, background first; with one logit there is only the foreground.
    """

    cross_entropy: Tensor
    voxels: Tensor
    intersection: Tensor
    prediction: Tensor
    reference: Tensor

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Those that depend on the logits; voxels and reference depend on the labels alone."""
        return self.cross_entropy, self.intersection, self.prediction


def sum_of(parts: Sequence[LossSums]) -> LossSums:
    """The sums of a batch out of those of its parts."""
    return LossSums(*(torch.stack([getattr(part, field.name) for part in parts]).sum(dim=0) for field in fields(LossSums)))


def gradients_of(loss: Callable[[LossSums], Tensor], total: LossSums) -> tuple[Tensor, tuple[Tensor, ...]]:
    """`loss` of the sums of a whole batch, and its gradient with respect to `total.tensors()`.

    A batch that does not fit into memory goes through the network in parts: first without gradients, for the total; then
    `torch.autograd.backward(part.tensors(), gradients)` of each part adds up to the gradient of the whole batch.
    """
    cross_entropy, intersection, prediction = leaves = [tensor.detach().requires_grad_() for tensor in total.tensors()]
    value = loss(replace(total, cross_entropy=cross_entropy, intersection=intersection, prediction=prediction))
    return value.detach(), torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)


def loss_sums(logits: Tensor, labels: Tensor) -> LossSums:
    """Sums of logits (N, C, …) and integer labels (N, …); one channel means one foreground class with a sigmoid.

    Logits of half precision are added up in float32.
    """
    counted = labels != IGNORE
    sums = _sigmoid_sums if logits.shape[1] == 1 else _softmax_sums
    return sums(logits.flatten(2), torch.where(counted, labels, 0).flatten(1), counted.flatten(1))


def _sigmoid_sums(logits: Tensor, labels: Tensor, counted: Tensor) -> LossSums:
    logits = logits[:, 0].to(torch.promote_types(logits.dtype, torch.float32))
    mask, targets = counted.to(logits.dtype), labels.to(logits.dtype)
    probabilities = logits.sigmoid() * mask
    return LossSums(
        cross_entropy=functional.binary_cross_entropy_with_logits(logits, targets, mask, reduction="sum"),
        voxels=mask.sum(),
        intersection=(probabilities * targets).sum()[None],
        prediction=probabilities.sum()[None],
        reference=(targets * mask).sum()[None],
    )


def _softmax_sums(logits: Tensor, labels: Tensor, counted: Tensor) -> LossSums:
    entropy, intersection, prediction = SoftmaxSums.apply(logits, labels, counted)
    reference = torch.bincount(labels[counted], minlength=logits.shape[1]).to(entropy.dtype)
    return LossSums(entropy, counted.sum().to(entropy.dtype), intersection, prediction, reference)


def cross_entropy(sums: LossSums) -> Tensor:
    """Mean cross-entropy of a voxel (binary with one logit)."""
    return sums.cross_entropy / sums.voxels.clamp(min=1)


def dice(sums: LossSums) -> Tensor:
    """1 − soft Dice over the whole batch, mean over foreground classes; eps 1e-5 makes an absent class score 1."""
    overlap = _overlap(sums)
    foreground = overlap[1:] if len(overlap) > 1 else overlap
    return 1 - foreground.mean()


def dice_and_cross_entropy(sums: LossSums) -> Tensor:
    """The unweighted sum of both."""
    return dice(sums) + cross_entropy(sums)


def dice_of_all_classes_and_cross_entropy(sums: LossSums) -> Tensor:
    """The sum with the background as one of the classes (Schnider §2.3, Eq. 1)."""
    return 1 - _overlap(sums).mean() + cross_entropy(sums)


def _overlap(sums: LossSums) -> Tensor:
    """Soft Dice of each class."""
    return (2 * sums.intersection + 1e-5) / (sums.prediction + sums.reference + 1e-5)


LOSSES = {
    "cross_entropy": cross_entropy,
    "dice": dice,
    "dice_and_cross_entropy": dice_and_cross_entropy,
    "dice_of_all_classes_and_cross_entropy": dice_of_all_classes_and_cross_entropy,
}
