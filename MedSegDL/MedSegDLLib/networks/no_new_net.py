"""The 3D U-Net of Schnider et al. 2020, §2.2, after "No New-Net" (Isensee et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from MedSegDLLib.networks.blocks import SegmentationNetwork, checked_stages, he_normal


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, 3, padding=1),
        nn.InstanceNorm3d(outputs, affine=True),
        nn.LeakyReLU(0.02, inplace=True),
    )


def _block(inputs: int, middle: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_convolution(inputs, middle), _convolution(middle, outputs))


class NoNewNet(SegmentationNetwork):
    """3D U-Net with instance norm, leaky ReLU 0.02 and trilinear upsampling (Schnider et al. 2020, §2.2).

    `features_per_stage`: filters of each level, finest first (the paper: five levels, 30…480, so sizes are padded to
    multiples of 16). In the bottleneck and the decoder the second convolution of a block already halves the filters,
    so that upsampling works on as few as the next level has. (N, C, Z, Y, X) of any size to (N, out_channels, Z, Y, X).
    """

    dimensions = 3

    def __init__(
        self, in_channels: int, out_channels: int, features_per_stage: Sequence[int] = (30, 60, 120, 240, 480)
    ) -> None:
        super().__init__()
        stages = checked_stages(features_per_stage)
        if len(stages) < 2:
            raise ValueError(f"features_per_stage must be at least two numbers, but is {stages}")
        self.stride = 2 ** (len(stages) - 1)
        inputs = [in_channels, *stages]
        self.encoder = nn.ModuleList(_block(before, own, own) for before, own in zip(inputs, stages[:-1], strict=False))
        self.bottleneck = _block(stages[-2], stages[-1], stages[-2])
        above = [stages[0], *stages[:-2]]
        self.decoder = nn.ModuleList(_block(2 * own, own, next_up) for own, next_up in zip(stages[:-1], above, strict=True))
        self.pool = nn.MaxPool3d(2)
        self.classifier = nn.Conv3d(stages[0], out_channels, 1)
        he_normal(self)

    def features(self, batch: Tensor) -> Tensor:
        """As in SegmentationNetwork; within one stride x is padded: instance norm needs two deepest voxels."""
        columns = batch.shape[-1]
        if max(batch.shape[2:]) <= self.stride:
            batch = functional.pad(batch, [0, self.stride + 1 - columns])
        return super().features(batch)[..., :columns]

    def _features(self, batch: Tensor) -> Tensor:
        skips = []
        for block in self.encoder:
            batch = block(batch)
            skips.append(batch)
            batch = self.pool(batch)
        batch = self.bottleneck(batch)
        for block in reversed(self.decoder):
            batch = functional.interpolate(batch, scale_factor=2, mode="trilinear", align_corners=False)
            batch = torch.cat([batch, skips.pop()], dim=1)
            for convolution in block:  # one by one, so that what went into the first is freed before the second
                batch = convolution(batch)
        return batch
