"""What is measured: one network, one volume and how it is cut into patches, the same for every approach."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch

from MedSegDLLib.networks.no_new_net import NoNewNet

SEED = 2


@dataclass(frozen=True)
class Setting:
    """Sizes in voxels along z, y, x; `features` are the network's filters from the finest to the coarsest level."""

    shape: tuple[int, int, int]
    patch_size: tuple[int, int, int]
    overlap: float
    classes: int = 126
    features: tuple[int, ...] = (16, 32, 64, 128)

    @property
    def text(self) -> str:
        """The setting in words, sizes in xyz."""
        size, patch = ("×".join(map(str, reversed(lengths))) for lengths in (self.shape, self.patch_size))
        return f"{size} voxels, patches {patch}, overlap {self.overlap:g}, features {'-'.join(map(str, self.features))}"

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Setting:
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(text).items()})

    def network(self) -> TimedNetwork:
        """The network with seeded random weights, ready to be used."""
        torch.manual_seed(SEED)
        return TimedNetwork(1, self.classes, self.features).eval()

    def volume(self) -> np.ndarray:
        """Seeded noise (1, Z, Y, X) float32 of mean 0 and standard deviation 1."""
        return np.random.default_rng(SEED).standard_normal((1, *self.shape), dtype=np.float32)


SMALL = Setting(shape=(256, 160, 192), patch_size=(96, 96, 96), overlap=0.5)
LARGE = Setting(shape=(400, 512, 512), patch_size=(96, 96, 96), overlap=0.25)


class TimedNetwork(NoNewNet):
    """The engine's own 3D U-Net that adds up the seconds spent in it, whichever of its two entrances is used."""

    seconds = 0.0  # of all instances, as the engine may work on a copy

    def features(self, batch: torch.Tensor) -> torch.Tensor:
        start = time.perf_counter()
        features = super().features(batch)
        TimedNetwork.seconds += time.perf_counter() - start
        return features

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        features = self.features(batch)
        start = time.perf_counter()
        logits = self.classifier(features)
        TimedNetwork.seconds += time.perf_counter() - start
        return logits
