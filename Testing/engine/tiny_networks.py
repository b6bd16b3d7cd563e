"""Networks of a few weights, with the `features`/`classifier` split of networks/blocks.py."""

from __future__ import annotations

import torch
from torch import nn


class TinyNetwork(nn.Module):
    """One 3×3(×3) convolution and ReLU to `width` features, then the linear classifier; seeded random weights.

    `seen` lists the batch sizes that came through; a batch above `room` runs out of memory.
    """

    def __init__(self, dimensions: int, classes: int, width: int = 4, channels: int = 1, room: int | None = None) -> None:
        super().__init__()
        torch.manual_seed(3)
        convolution = nn.Conv2d if dimensions == 2 else nn.Conv3d
        self.dimensions, self.room, self.seen = dimensions, room, []
        self.body = nn.Sequential(convolution(channels, width, 3, padding=1), nn.ReLU())
        self.classifier = convolution(width, classes, 1)
        nn.init.normal_(self.classifier.weight)
        self.eval()

    def features(self, batch: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(batch))
        if self.room is not None and len(batch) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return self.body(batch)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(batch))
