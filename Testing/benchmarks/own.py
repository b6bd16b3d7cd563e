"""The engine, and the least that any approach must do: the same patches through the same network, results thrown away."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch

from MedSegDLLib.sliding_window import segment_array
from MedSegDLLib.windows import patch_starts
from Testing.benchmarks.setting import Setting, TimedNetwork


def segment(volume: np.ndarray, network: TimedNetwork, setting: Setting) -> np.ndarray:
    """Labels (Z, Y, X) of volume (1, Z, Y, X)."""
    return segment_array(volume, network, setting.patch_size, setting.overlap)


def bare_forwards(volume: np.ndarray, network: TimedNetwork, setting: Setting) -> None:
    """Each patch of `segment` through the whole network, one after another, and nothing else."""
    batch = torch.from_numpy(volume)[None]
    starts = map(patch_starts, setting.shape, setting.patch_size, [setting.overlap] * 3)
    with torch.inference_mode():
        for z, y, x in product(*starts):
            depth, height, width = setting.patch_size
            network(batch[:, :, z : z + depth, y : y + height, x : x + width])
