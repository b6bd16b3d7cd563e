"""Intensities to network input, the same in training and in use."""

from __future__ import annotations

import numpy as np

from MedSegDLLib.model_card import Normalisation


def normalised(array: np.ndarray, how: Normalisation) -> np.ndarray:
    """(C, Z, Y, X) intensities of any scale to float32 network input, each channel on its own.

    "zscore": clipped to the percentiles of the region (volume or slice) if the card names some, then mean 0 and standard
    deviation 1 over that region; a constant region becomes 0. "window": clipped to the window and scaled to 0…1.
    """
    array = array.astype(np.float32)
    if how.method == "window":
        low, high = how.window
        return (np.clip(array, low, high) - low) / (high - low)
    regions = array.reshape(-1, *array.shape[2:]) if how.region == "slice" else array
    return np.stack([_zscore(region, how.percentiles) for region in regions]).reshape(array.shape)


def _zscore(region: np.ndarray, percentiles: tuple[float, float] | None) -> np.ndarray:
    if percentiles:
        region = np.clip(region, *np.percentile(region, percentiles))
    centred = region - region.mean(dtype=np.float64)
    deviation = centred.std(dtype=np.float64)
    # Rounding leaves a constant region with a deviation that is tiny but not zero.
    negligible = 1e-6 * max(float(np.abs(region).max()), 1e-30)
    return (centred / deviation if deviation > negligible else np.zeros_like(region)).astype(np.float32)
