"""Gaussian blur with numpy alone (light: no scipy).

Where scipy may not be there yet: Slicer makes the phantom before its user has let anything be installed. The sums run in
double precision and in the order of `scipy.ndimage.gaussian_filter`, so that both give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_PART = 2**17  # values that are worked on at a time, so that they stay in the processor's cache


def gaussian_blur(array: np.ndarray, sigmas: Sequence[float], truncate: float = 4.0) -> np.ndarray:
    """`array` (three axes) blurred by a standard deviation in voxels for each axis, 0 for none; the edge is a mirror.

    The bell is cut off at `truncate` standard deviations. The result has the type of `array`.
    """
    for axis, sigma in enumerate(sigmas):
        if sigma > 0:
            array = _blurred(array, _half_bell(sigma, int(truncate * sigma + 0.5)), axis)
    return array


def _half_bell(sigma: float, radius: int) -> np.ndarray:
    """Weights of distances 0…radius; over both sides they add up to 1."""
    bell = np.exp(-0.5 / (sigma * sigma) * np.arange(-radius, radius + 1) ** 2)
    return (bell / bell.sum())[radius:]


def _blurred(array: np.ndarray, half_bell: np.ndarray, axis: int) -> np.ndarray:
    blurred = np.empty_like(array)
    across = 1 if axis == 0 else 0
    step = max(_PART * array.shape[across] // array.size, 1)
    for begin in range(0, array.shape[across], step):
        part = tuple(slice(begin, begin + step) if each == across else slice(None) for each in range(array.ndim))
        blurred[part] = _blurred_part(array[part].astype(float), half_bell, axis)
    return blurred


def _blurred_part(part: np.ndarray, half_bell: np.ndarray, axis: int) -> np.ndarray:
    radius, length = len(half_bell) - 1, part.shape[axis]
    mirrored = np.pad(part, [(radius, radius) if each == axis else (0, 0) for each in range(part.ndim)], mode="symmetric")
    mirrored = np.moveaxis(mirrored, axis, 0)
    result, both = np.moveaxis(part * half_bell[0], axis, 0), np.empty_like(np.moveaxis(part, axis, 0))
    for distance in range(radius, 0, -1):  # from far to near: the order of scipy's sums
        np.add(mirrored[radius - distance :][:length], mirrored[radius + distance :][:length], out=both)
        both *= half_bell[distance]
        result += both
    return np.moveaxis(result, 0, axis)
