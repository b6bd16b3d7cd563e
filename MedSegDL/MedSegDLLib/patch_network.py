"""A network made ready to be run on batches of patches: device, number format, mirroring, and what is stitched of it."""

from __future__ import annotations

import math
from itertools import chain, combinations

import torch
from torch import nn
from torch.nn import functional

from MedSegDLLib.device import Execution
from MedSegDLLib.errors import ModelError
from MedSegDLLib.labelling import Head

_AXES = "xyz"


class PatchNetwork:
    """Runs a network with `features` and `classifier` and gives what is to be stitched: whichever is narrower.

    With fewer features than classes the features (the classifier is applied to the stitched ones: `head`), otherwise
    the logits. Mirrored runs along every combination of `mirror_axes` (a subset of "xyz"; z only in 3D) are averaged.
    """

    def __init__(self, network: nn.Module, execution: Execution, activation: str, threshold: float, mirror_axes: str) -> None:
        classifier = network.classifier
        self.dimensions, self._execution = network.dimensions, execution
        self._network = execution.prepared(network)
        axes = [-1 - _AXES.index(axis) for axis in mirror_axes if _AXES.index(axis) < self.dimensions]
        self._mirrored = list(chain.from_iterable(combinations(axes, count) for count in range(len(axes) + 1)))
        weight = classifier.weight.detach().float().flatten(1).to(execution.device)
        bias = torch.zeros(len(weight)) if classifier.bias is None else classifier.bias.detach().float()
        self._weight, self._bias = weight, bias.to(execution.device)
        self.stitches_logits = weight.shape[0] <= weight.shape[1]
        self.head = self._head(_cutoff(activation, threshold, len(weight)))

    def _head(self, cutoff: float | None) -> Head:
        if self.stitches_logits:
            return Head(len(self._weight), None, None, cutoff)
        return Head(len(self._weight), self._weight, self._bias, cutoff)

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """(N, C, Z, Y, X) float32 in host memory to (N, F or K, Z, Y, X) on the device; Z is 1 for a network of slices."""
        flat = batch.squeeze(2) if self.dimensions == 2 else batch
        flat = flat.to(self._execution.device, self._execution.dtype)
        result = self._forward(flat, self._mirrored[0])
        for axes in self._mirrored[1:]:
            result = result.float().add_(self._forward(flat, axes))
        if len(self._mirrored) > 1:
            result.div_(len(self._mirrored))
        return result.unsqueeze(2) if self.dimensions == 2 else result

    def _forward(self, batch: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
        mirrored = batch.flip(axes) if axes else batch
        features = self._network.features(mirrored.contiguous(memory_format=self._execution.memory_format(self.dimensions)))
        if self.stitches_logits:
            weight = self._weight.reshape(*self._weight.shape, *[1] * self.dimensions)
            features = (functional.conv2d if self.dimensions == 2 else functional.conv3d)(features.float(), weight, self._bias)
        return features.flip(axes) if axes else features


def _cutoff(activation: str, threshold: float, outputs: int) -> float | None:
    """None for softmax (the largest logit wins), else the logit whose sigmoid is `threshold`."""
    if activation == "softmax":
        return None
    if outputs != 1:
        raise ModelError(f"A network with sigmoid activation has one output, but this one has {outputs}: correct the card.")
    if not 0 < threshold < 1:
        raise ModelError(f"The threshold is a probability between 0 and 1, not {threshold}: correct the card.")
    return math.log(threshold / (1 - threshold))
