"""Losses out of sums: logits and labels in, a scalar out.

Every loss is reduced to sums over voxels first and combined last, so that the sums of several processes, or of batches
that are accumulated, can be added and give exactly the loss of the whole batch, whatever is ignored where.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from MedSegDLTrainLib.cases import IGNORE


@dataclass(frozen=True)
class LossSums:
    """Sums over all voxels that count: cross-entropy, their number, and per foreground class three sums for overlaps."""

    cross_entropy: Tensor
    voxels: Tensor
    intersection: Tensor
    prediction: Tensor
    reference: Tensor


def loss_sums(logits: Tensor, labels: Tensor) -> LossSums:
    """Sums of logits (N, C, …) and integer labels (N, …); one channel means one foreground class with a sigmoid."""
    counted = labels != IGNORE
    if logits.shape[1] == 1:
        target = torch.where(counted, labels, 0).to(logits.dtype)[:, None]
        entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")[:, 0]
        probabilities, targets = logits.sigmoid(), target
    else:
        entropy = functional.cross_entropy(logits, labels, reduction="none", ignore_index=IGNORE)
        one_hot = functional.one_hot(torch.where(counted, labels, 0), logits.shape[1]).movedim(-1, 1)
        probabilities, targets = logits.softmax(dim=1)[:, 1:], one_hot[:, 1:].to(logits.dtype)
    mask = counted.to(logits.dtype)
    axes = [axis for axis in range(logits.dim()) if axis != 1]
    return LossSums(
        cross_entropy=(entropy * mask).sum(),
        voxels=mask.sum(),
        intersection=(probabilities * targets * mask[:, None]).sum(axes),
        prediction=(probabilities * mask[:, None]).sum(axes),
        reference=(targets * mask[:, None]).sum(axes),
    )


def cross_entropy(sums: LossSums) -> Tensor:
    """Mean cross-entropy of a voxel (binary with one logit)."""
    return sums.cross_entropy / sums.voxels.clamp(min=1)


def dice(sums: LossSums) -> Tensor:
    """1 − soft Dice over the whole batch, mean over foreground classes; eps 1e-5 makes an absent class score 1."""
    overlap = (2 * sums.intersection + 1e-5) / (sums.prediction + sums.reference + 1e-5)
    return 1 - overlap.mean()


def dice_and_cross_entropy(sums: LossSums) -> Tensor:
    """The unweighted sum of both."""
    return dice(sums) + cross_entropy(sums)


LOSSES = {"cross_entropy": cross_entropy, "dice": dice, "dice_and_cross_entropy": dice_and_cross_entropy}
