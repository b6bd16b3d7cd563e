"""Normalisation, with values worked out by hand."""

import numpy as np
import pytest

from MedSegDLLib.model_card import Normalisation
from MedSegDLLib.normalise import normalised


def test_zscore_over_the_volume():
    array = np.array([0, 2, 4, 6], np.int16).reshape(1, 2, 1, 2)
    result = normalised(array, Normalisation("zscore"))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.ravel(), np.array([-3, -1, 1, 3]) / np.sqrt(5), rtol=1e-6)


def test_zscore_by_slice_and_channel():
    array = np.array([0, 2, 10, 30, 5, 5, -7, -9], np.float64).reshape(2, 2, 1, 2)
    result = normalised(array, Normalisation("zscore", region="slice"))
    np.testing.assert_allclose(result.ravel(), [-1, 1, -1, 1, 0, 0, 1, -1], atol=1e-6)


def test_percentiles_clip_outliers_first():
    array = np.concatenate([np.arange(100.0), [1e6]]).reshape(1, 1, 1, 101)
    result = normalised(array, Normalisation("zscore", percentiles=(0, 99)))
    assert result.max() == result.ravel()[99]
    assert abs(result.mean()) < 1e-6


def test_window_scales_to_unit_range():
    array = np.array([-2000, -200, 300, 800, 3000.0]).reshape(1, 1, 1, 5)
    result = normalised(array, Normalisation("window", window=(-200, 800)))
    np.testing.assert_allclose(result.ravel(), [0, 0, 0.5, 1, 1])


@pytest.mark.parametrize("value", [0, 7, 1e30, -3e-20, 0.1])
def test_constant_images_become_zero(value):
    assert not normalised(np.full((1, 2, 3, 3), value), Normalisation("zscore")).any()
