"""Intensities to network input, the same in training and in use."""

from __future__ import annotations

import numpy as np

from MedSegDLLib.model_card import Normalisation


def normalised(array: np.ndarray, how: Normalisation) -> np.ndarray:
    """(C, Z, Y, X) intensities of any scale to float32 network input, each channel on its own.

    "zscore": clipped to the percentiles of the region (volume or slice) if the card names some, then mean 0 and standard
    deviation 1 over that region; a constant region becomes 0. "window": clipped to the window and scaled to 0…1.
    """
    array = array.astype(np.float32, order="C")  # a copy that all further steps change in place: volumes are large
    if how.method == "window":
        low, high = how.window
        np.clip(array, low, high, out=array)
        array -= low
        array /= high - low
        return array
    for region in array.reshape(-1, *array.shape[2:]) if how.region == "slice" else array:
        _zscore(region, how.percentiles)
    return array


def _zscore(region: np.ndarray, percentiles: tuple[float, float] | None) -> None:
    """Normalise `region` (…, Y, X) in place."""
    if percentiles:
        np.clip(region, *np.percentile(region, percentiles), out=region)
    # Rounding leaves a constant region with a deviation that is tiny but not zero.
    negligible = 1e-6 * max(abs(float(region.min())), abs(float(region.max())), 1e-30)
    region -= region.mean(dtype=np.float64)
    squares = sum(float(np.square(line, dtype=np.float64).sum()) for line in region)
    deviation = (squares / region.size) ** 0.5
    region *= 1 / deviation if deviation > negligible else 0
