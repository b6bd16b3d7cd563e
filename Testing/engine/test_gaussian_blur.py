"""The blur without scipy, held against scipy's."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from MedSegDLLib.gaussian_blur import gaussian_blur


def test_one_voxel_becomes_a_bell_by_hand():
    line = np.zeros((1, 1, 5))
    line[0, 0, 2] = 1
    # exp(−x²/2) for x = −1, 0, 1, cut off after one standard deviation, as shares of their sum.
    side, middle = np.exp(-0.5) / (1 + 2 * np.exp(-0.5)), 1 / (1 + 2 * np.exp(-0.5))
    np.testing.assert_allclose(gaussian_blur(line, (0, 0, 1), truncate=1)[0, 0], [0, side, middle, side, 0], rtol=1e-15)


@pytest.mark.parametrize("shape, sigmas, truncate", [
    ((8, 40, 60), (1.5, 2.14, 2.14), 2.5),
    ((8, 40, 60), (10.0, 14.3, 14.3), 2.5),  # wider than the array: the mirror is mirrored again
    ((70, 60, 50), (0, 0.6, 0.6), 4.0),
    ((3, 300, 500), (2.0, 0, 0), 4.0),  # more than one part
])  # fmt: skip
@pytest.mark.parametrize("voxel_type", [np.float32, np.float64])
def test_it_is_what_scipy_gives(shape, sigmas, truncate, voxel_type):
    array = np.random.default_rng(0).standard_normal(shape).astype(voxel_type)
    blurred, expected = gaussian_blur(array, sigmas, truncate), gaussian_filter(array, sigmas, truncate=truncate)
    assert blurred.dtype == voxel_type
    # To the bit on x86; where scipy's compiler fuses multiplication and addition, to the last digits.
    np.testing.assert_allclose(blurred, expected, rtol=0, atol=1e-7 if voxel_type == np.float32 else 1e-15)
