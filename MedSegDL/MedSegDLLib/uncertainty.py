"""How sure a network is of a whole image: the mean entropy of its classes, where anything is or might be.

The entropy of a voxel, −Σ p log₂ p in bits, is 0 where the network is sure of one class, 1 where two are equally likely and
log₂ K at most; asking first for what has the largest is uncertainty sampling (Settles 2009, Active Learning Literature
Survey, section 3.1). The mean over a whole image would say how much background there is. Here it is taken over the voxels
that are labelled, or whose entropy is at least FLOOR_BITS: a certain organ lowers it, a doubtful edge, a doubtful spot and
an organ that was nearly found raise it, and sure background does not count. Small organs have more edge and so a larger
mean than large ones. Nothing labelled and nothing doubtful is 0.
"""

from __future__ import annotations

import math

import torch
from torch.nn.functional import softplus

FLOOR_BITS = 0.1
"""Of two classes, one has a chance of 1.3 % there."""


class Uncertainty:
    """Adds up entropies piece by piece, so that no image's logits are ever held together."""

    def __init__(self) -> None:
        self._bits, self._voxels = 0.0, 0

    @property
    def mean_entropy(self) -> float:
        """Bits a voxel, over the voxels that count so far; 0 if there are none."""
        return self._bits / self._voxels if self._voxels else 0.0

    def add(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Voxels (runs, voxels) of which `logits` (runs, K, voxels) led to `labels`; of one class, its sigmoid is meant."""
        bits = entropy_bits(logits)
        counted = (labels > 0) | (bits >= FLOOR_BITS)
        self._bits += float((bits * counted).sum())
        self._voxels += int(counted.sum())


def entropy_bits(logits: torch.Tensor) -> torch.Tensor:
    """(runs, K, voxels) logits to the entropies (runs, voxels) of their softmax, or of the sigmoid if K is 1."""
    if logits.shape[1] == 1:
        logits = logits[:, 0]
        nats = softplus(logits) - logits * logits.sigmoid()
    else:
        logarithms = logits.log_softmax(dim=1)
        nats = -(logarithms.exp() * logarithms).sum(dim=1)
    return nats.clamp_(min=0) / math.log(2)
