"""MONAI's sliding window up to a label map."""

from __future__ import annotations

import numpy as np
import torch
from monai.inferers import sliding_window_inference

from Testing.benchmarks.setting import Setting, TimedNetwork


def plain(volume: np.ndarray, network: TimedNetwork, setting: Setting) -> np.ndarray:
    """Labels (Z, Y, X) of volume (1, Z, Y, X), with Gaussian weights and one patch at a time."""
    return _labels(volume, network, setting, buffer_steps=None, buffer_dim=-1)


def buffered(volume: np.ndarray, network: TimedNetwork, setting: Setting) -> np.ndarray:
    """The same with MONAI's buffer: one row of patches along the first axis, so that memory is walked in order."""
    return _labels(volume, network, setting, buffer_steps=1, buffer_dim=0)


def _labels(
    volume: np.ndarray, network: TimedNetwork, setting: Setting, buffer_steps: int | None, buffer_dim: int
) -> np.ndarray:
    with torch.inference_mode():
        logits = sliding_window_inference(
            torch.from_numpy(volume)[None],
            setting.patch_size,
            1,
            network,
            overlap=setting.overlap,
            mode="gaussian",
            buffer_steps=buffer_steps,
            buffer_dim=buffer_dim,
        )
        return logits.argmax(dim=1)[0].to(torch.uint8).numpy()
