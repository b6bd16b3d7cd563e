"""The sums over voxels that cross-entropy and Dice need of a softmax over many classes, without tensors of one-hot labels.

With 126 classes the logits are most of a training step's memory, and every tensor of their size that a loss written in
plain torch makes (softmax, one-hot labels, products, and all of them again for the gradient) costs as much once more.
Here the voxels are worked through in pieces that stay in the processor's cache; only the gradient has the logits' size.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Probabilities that are computed at a time: what stays in a processor's cache, or what keeps a GPU busy.
_ON_HOST, _ON_DEVICE = 2**18, 2**25


class SoftmaxSums(torch.autograd.Function):
    """Sums of p = softmax(logits) over the voxels that count: −log p of the true class, and for each class Σ p over its own
    voxels (intersection) and over all (prediction).

    `logits` (N, K, V) of any floating type, `labels` (N, V) int64 in 0…K−1, `counted` (N, V) bool: voxels to be added up.
    Sums are float32, or float64 for float64 logits. The gradient of p_k = exp(z_k − log Σ exp z) is exact: with a, b, c the
    gradients of intersection, prediction and cross-entropy and y the true class,
    ∂/∂z_k = p_k (b_k + c − Σ_j b_j p_j − a_y p_y) + [k = y] (a_y p_y − c).
    """

    @staticmethod
    def forward(ctx, logits: Tensor, labels: Tensor, counted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        exact = torch.float64 if logits.dtype == torch.float64 else torch.float32
        entropy = logits.new_zeros((), dtype=exact)
        intersection, prediction = (logits.new_zeros(logits.shape[1], dtype=exact) for _ in range(2))
        log_sums = logits.new_empty(labels.shape, dtype=exact)
        room = _room(logits, exact)
        for piece in _pieces(logits):
            columns, label, count = _of(piece, logits), labels[piece], counted[piece].to(exact)
            highest = columns.amax(dim=0).to(exact)
            exponential = _exponential(columns, highest, room)
            total = exponential.sum(dim=0)
            log_sums[piece] = highest + total.log()
            share = count / total
            entropy += ((log_sums[piece] - columns.gather(0, label[None])[0]) * count).sum()
            intersection.index_add_(0, label, exponential.gather(0, label[None])[0] * share)
            prediction.addmv_(exponential, share)
        ctx.save_for_backward(logits, labels, counted, log_sums)
        return entropy, intersection, prediction

    @staticmethod
    @once_differentiable
    def backward(ctx, by_entropy: Tensor, by_intersection: Tensor, by_prediction: Tensor) -> tuple[Tensor, None, None]:
        logits, labels, counted, log_sums = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        room, factors = (_room(logits, log_sums.dtype) for _ in range(2))
        for piece in _pieces(logits):
            label, count = labels[piece], counted[piece].to(log_sums.dtype)
            probability = _exponential(_of(piece, logits), log_sums[piece], room)
            own = by_intersection[label] * probability.gather(0, label[None])[0]
            shift = torch.mv(probability.T, by_prediction) + own - by_entropy
            factor = torch.sub(by_prediction[:, None], shift, out=factors[: probability.numel()].view_as(probability))
            factor.mul_(probability).scatter_add_(0, label[None], (own - by_entropy)[None])
            torch.mul(factor, count, out=factor)
            _of(piece, gradient).copy_(factor)
        return gradient, None, None


def _step(logits: Tensor) -> int:
    """Voxels to work on at a time."""
    budget = _ON_HOST if logits.device.type == "cpu" else _ON_DEVICE
    return min(max(budget // logits.shape[1], 1), logits.shape[2])


def _pieces(logits: Tensor) -> Iterator[tuple[int, slice]]:
    """Sample and voxels of each piece."""
    samples, _, voxels = logits.shape
    step = _step(logits)
    for sample in range(samples):
        for start in range(0, voxels, step):
            yield sample, slice(start, start + step)


def _of(piece: tuple[int, slice], logits: Tensor) -> Tensor:
    """(K, voxels) of a piece, as a view."""
    sample, voxels = piece
    return logits[sample, :, voxels]


def _room(logits: Tensor, dtype: torch.dtype) -> Tensor:
    """Memory for one piece, used again and again: fresh memory costs more than the sums."""
    return logits.new_empty(logits.shape[1] * _step(logits), dtype=dtype)


def _exponential(columns: Tensor, shift: Tensor, room: Tensor) -> Tensor:
    """exp(z − shift) (K, voxels), in `room`."""
    return torch.sub(columns, shift, out=room[: columns.numel()].view(columns.shape)).exp_()
