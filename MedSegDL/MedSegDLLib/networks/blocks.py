"""Building blocks that several networks share, for 2D and 3D alike."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED_CONVOLUTION = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
BATCH_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
INSTANCE_NORM = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
MAX_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}

_MOST_STAGES, _MOST_FEATURES = 9, 4096


class SegmentationNetwork(nn.Module):
    """What every network of the table NETWORKS is: `features` (anything) followed by `classifier` (linear, 1×1).

    The split lets large volumes be stitched from features, far fewer than classes, and classified afterwards.
    Subclasses set `dimensions` (2 or 3), `stride` (what the deepest level divides sizes by) and `classifier`,
    and write `_features`. Inputs (N, C, Y, X) or (N, C, Z, Y, X) may have any size.
    """

    dimensions: int
    stride: int
    classifier: nn.Module

    def features(self, batch: Tensor) -> Tensor:
        """(N, F, …) features before the classifier, of the same spatial size as `batch`."""
        size = batch.shape[2:]
        padded = pad_to_multiple(batch, self.stride)
        return crop_to_size(self._features(padded), size)

    def forward(self, batch: Tensor) -> Tensor:
        """(N, out_channels, …) logits of `batch`."""
        return self.classifier(self.features(batch))

    def _features(self, batch: Tensor) -> Tensor:
        raise NotImplementedError


def pad_to_multiple(batch: Tensor, stride: int) -> Tensor:
    """Zero-pad every spatial size at its end to the next multiple of `stride`."""
    missing = [-size % stride for size in batch.shape[2:]]
    if not any(missing):
        return batch
    return functional.pad(batch, [amount for size in reversed(missing) for amount in (0, size)])


def crop_to_size(batch: Tensor, size: torch.Size) -> Tensor:
    """Take back what `pad_to_multiple` added."""
    return batch[(..., *(slice(0, n) for n in size))]


def checked_stages(features_per_stage: Sequence[int]) -> list[int]:
    """Filters of each level, finest first; raises ValueError for numbers that no network has (cards come from strangers)."""
    stages = list(features_per_stage)
    if not 1 <= len(stages) <= _MOST_STAGES or not all(1 <= features <= _MOST_FEATURES for features in stages):
        expected = f"1 to {_MOST_STAGES} numbers within 1…{_MOST_FEATURES}"
        raise ValueError(f"features_per_stage must be {expected}, but is {reprlib.repr(stages)}")
    return stages


def he_normal(network: nn.Module) -> None:
    """Initialise every convolution as He et al. 2015 (normal, fan in) with zero biases."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
