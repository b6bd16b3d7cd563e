"""Patch positions and weights, against values by hand and MONAI's formulas."""

import math

import pytest
import torch

from MedSegDLLib.windows import importance_map, padded_to_patch, patch_starts


@pytest.mark.parametrize(
    ("length", "patch", "overlap", "starts"),
    [
        (10, 4, 0.5, [0, 2, 4, 6]),
        (9, 4, 0.5, [0, 2, 4, 5]),  # the last patch is moved back to the border
        (9, 4, 0.0, [0, 4, 5]),
        (8, 4, 0.0, [0, 4]),
        (4, 4, 0.5, [0]),
        (3, 4, 0.5, [0]),
        (6, 4, 0.9, [0, 1, 2]),  # a step is at least one voxel
        (160, 96, 0.5, [0, 48, 64]),
        (10, 10 // 2, 0.75, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_patch_starts_by_hand(length, patch, overlap, starts):
    assert patch_starts(length, patch, overlap) == starts


def _monai_starts(length: int, patch: int, overlap: float) -> list[int]:
    """As MONAI's dense_patch_slices has them."""
    length = max(length, patch)
    interval = patch if patch == length else max(int(patch * (1 - overlap)), 1)
    count = math.ceil(length / interval)
    last = next(n for n in range(count) if n * interval + patch >= length)
    return [n * interval - max(n * interval + patch - length, 0) for n in range(last + 1)]


def test_patch_starts_equal_monais():
    cases = [
        (length, patch, overlap) for length in range(1, 60) for patch in (1, 5, 16) for overlap in (0, 0.25, 0.5, 0.7, 0.9)
    ]
    assert all(patch_starts(*case) == _monai_starts(*case) for case in cases)


def test_importance_by_hand():
    # σ = 8/8 = 1, voxels at ±0.5, ±1.5, ±2.5, ±3.5 from the middle
    expected = [math.exp(-(x**2) / 2) for x in (-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5)]
    assert torch.allclose(importance_map((1, 8, 1)).flatten(), torch.tensor(expected))
    both = importance_map((1, 8, 8))[0]
    assert torch.allclose(both[3, 1], torch.tensor(expected[3] * expected[1]))
    assert both[0, 0] == pytest.approx(1e-3)  # e^-12 is raised


def test_padding_is_on_both_sides_of_short_axes_only():
    padded, before = padded_to_patch(torch.ones(2, 4, 3, 6), (4, 6, 5))
    assert before == (0, 1, 0)
    assert padded.shape == (2, 4, 6, 6)
    assert padded[0, 0, :, 0].tolist() == [0, 1, 1, 1, 0, 0]
