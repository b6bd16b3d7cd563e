"""The 2D U-Net of Desai et al. 2019, §2.3 and Fig. 1A; with other numbers that of the LGG report, §4."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from MedSegDLLib.networks.blocks import (
    BATCH_NORM,
    CONVOLUTION,
    MAX_POOL,
    TRANSPOSED_CONVOLUTION,
    SegmentationNetwork,
    checked_stages,
    he_normal,
)


def _desai_block(dimensions: int, inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions with ReLU, then one batch norm (Keras' eps 1e-3 and momentum 0.95, which is PyTorch's 0.05)."""
    convolution = CONVOLUTION[dimensions]
    return nn.Sequential(
        convolution(inputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
        convolution(outputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
        BATCH_NORM[dimensions](outputs, eps=1e-3, momentum=0.05),
    )


def _conv_norm_relu_block(dimensions: int, inputs: int, outputs: int) -> nn.Sequential:
    """Convolution, batch norm, ReLU, twice: the usual block, and that of the LGG report."""
    convolution, norm = CONVOLUTION[dimensions], BATCH_NORM[dimensions]
    return nn.Sequential(
        convolution(inputs, outputs, 3, padding=1, bias=False),
        norm(outputs),
        nn.ReLU(inplace=True),
        convolution(outputs, outputs, 3, padding=1, bias=False),
        norm(outputs),
        nn.ReLU(inplace=True),
    )


_UP_KERNELS = (2, 3)
_BLOCKS = {"desai": _desai_block, "conv_norm_relu": _conv_norm_relu_block}


class UNet2d(SegmentationNetwork):
    """Encoder and decoder of 3×3 convolutions with skip connections (Desai et al. 2019, §2.3).

    `features_per_stage`: filters of each level, finest first; the paper's are 32·2^k for six levels. `block`: "desai"
    (convolution–ReLU twice, then batch norm) or "conv_norm_relu" (the LGG report's). `up_kernel`: 3 as in the paper, or 2:
    kernel of the transposed convolutions of stride 2. Any input size (N, C, Y, X); logits (N, out_channels, Y, X).
    """

    dimensions = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        features_per_stage: Sequence[int] = (32, 64, 128, 256, 512, 1024),
        block: str = "desai",
        up_kernel: int = 3,
    ) -> None:
        super().__init__()
        if block not in _BLOCKS:
            raise ValueError(f"block must be {' or '.join(_BLOCKS)}, but is {reprlib.repr(block)}")
        if up_kernel not in _UP_KERNELS:
            raise ValueError(f"up_kernel must be {' or '.join(map(str, _UP_KERNELS))}, but is {reprlib.repr(up_kernel)}")
        build_block, stages = _BLOCKS[block], checked_stages(features_per_stage)
        self.stride = 2 ** (len(stages) - 1)
        self.encoder = nn.ModuleList(
            build_block(self.dimensions, inputs, outputs)
            for inputs, outputs in zip([in_channels, *stages], stages, strict=False)
        )
        self.pool = MAX_POOL[self.dimensions](2)
        self.up = nn.ModuleList(self._up(deep, shallow, up_kernel) for deep, shallow in zip(stages[1:], stages, strict=False))
        self.decoder = nn.ModuleList(build_block(self.dimensions, 2 * outputs, outputs) for outputs in stages[:-1])
        self.classifier = CONVOLUTION[self.dimensions](stages[0], out_channels, 1)
        he_normal(self)

    def _up(self, inputs: int, outputs: int, kernel: int) -> nn.Module:
        """A transposed convolution that doubles the size exactly, whatever its kernel (2 or 3)."""
        edge = kernel - 2
        return TRANSPOSED_CONVOLUTION[self.dimensions](inputs, outputs, kernel, stride=2, padding=edge, output_padding=edge)

    def _features(self, batch: Tensor) -> Tensor:
        skips = []
        for level, block in enumerate(self.encoder):
            batch = block(self.pool(batch) if level else batch)
            skips.append(batch)
        batch = skips.pop()
        for up, block in zip(reversed(self.up), reversed(self.decoder), strict=True):
            batch = block(torch.cat([up(batch), skips.pop()], dim=1))
        return batch
