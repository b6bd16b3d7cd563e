"""Augmentation: exact where nothing changes, and image and label always move together."""

import numpy as np
import pytest
import torch

from MedSegDLTrainLib.augment import INTENSITY_CHANGES, change_intensities, sampling_grid, warp
from MedSegDLTrainLib.job import Augmentation
from MedSegDLTrainLib.slices import AnnotatedSlice

NOTHING = Augmentation()
EVERYTHING = Augmentation(
    scale=(0.7, 1.4),
    stretch=0.1,
    rotation_degrees=30,
    right_angles=True,
    shear=0.1,
    elastic_mm=2,
    gamma=(0.5, 2),
    curve=0.6,
    contrast=(0.6, 1.6),
    brightness=0.5,
    bias_field=0.4,
    blur_pixels=1.5,
    low_resolution=2,
    noise=0.2,
    probability=1,
)


def _slice(rows=20, columns=30, spacing_yx=(1.0, 1.0)):
    label = np.zeros((rows, columns), np.uint8)
    label[6:12, 8:18] = 1
    image = np.random.default_rng(0).normal(size=label.shape).astype(np.float32) + 3 * label
    return AnnotatedSlice(image, label, spacing_yx, "P", "p")


def _patch(item, augmentation, size=(9, 7), centre=(9.0, 13.0), spacing_yx=(1.0, 1.0), seed=0):
    random = np.random.default_rng(seed)
    return warp(item, sampling_grid(item, np.array(centre), size, spacing_yx, augmentation, random), random)


def test_without_augmentation_a_patch_is_a_crop():
    item = _slice()
    image, label = _patch(item, NOTHING)
    np.testing.assert_allclose(image[0].numpy(), item.image[6:13, 9:18], atol=1e-5)
    np.testing.assert_array_equal(label.numpy(), item.label[6:13, 9:18])


def test_patches_have_the_spacing_asked_for():
    """At 2 mm between the patch's pixels, every second pixel of a 1 mm slice is taken."""
    item = _slice()
    image, _ = _patch(item, NOTHING, size=(5, 5), spacing_yx=(2.0, 2.0))
    np.testing.assert_allclose(image[0].numpy(), item.image[5:14:2, 9:18:2], atol=1e-5)


def test_right_angles_are_the_eight_symmetries_without_interpolation():
    item = _slice()
    crop = item.image[5:14, 9:18]
    symmetries = [turned for k in range(4) for turned in (np.rot90(crop, k), np.rot90(crop, k).T)]
    found = set()
    for seed in range(60):
        image, _ = _patch(item, Augmentation(right_angles=True), size=(9, 9), seed=seed)
        matches = [n for n, turned in enumerate(symmetries) if np.allclose(image[0].numpy(), turned, atol=1e-4)]
        assert len(matches) == 1
        found.add(matches[0])
    assert found == set(range(8))


def test_scale_two_shows_the_anatomy_twice_as_large():
    item = _slice()
    _, plain = _patch(item, NOTHING, size=(41, 41), centre=(8.5, 12.5))
    _, large = _patch(item, Augmentation(scale=(2.0, 2.0)), size=(41, 41), centre=(8.5, 12.5))
    assert plain.sum() == 6 * 10
    assert large.sum() == pytest.approx(4 * 6 * 10, rel=0.15)


@pytest.mark.parametrize("seed", range(5))
def test_image_and_label_move_together(seed):
    """An image that is its own label stays so, but for the mixed values at edges."""
    label = _slice().label
    item = AnnotatedSlice(label.astype(np.float32), label, (1.0, 1.0), "P", "p")
    image, moved = _patch(item, EVERYTHING, size=(25, 25), seed=seed)
    assert ((image[0] > 0.5).long() != moved).float().mean() < 0.01
    assert moved.sum() > 10


def test_outside_the_slice_there_is_no_label():
    image, label = _patch(_slice(), NOTHING, size=(5, 5), centre=(-50.0, -50.0))
    assert not label.any()
    assert image.std() == 0


@pytest.mark.parametrize("change", INTENSITY_CHANGES)
def test_each_change_is_off_at_its_neutral_range_and_on_otherwise(change):
    image = torch.from_numpy(_slice().image)[None]
    torch.testing.assert_close(change(image, NOTHING, np.random.default_rng(0)), image, atol=1e-4, rtol=0)
    changed = change(image, EVERYTHING, np.random.default_rng(0))
    assert changed.shape == image.shape
    assert changed.dtype == torch.float32
    assert (changed - image).abs().max() > 0.01


@pytest.mark.parametrize("seed", range(8))
def test_intensity_curves_keep_the_order_of_tissues(seed):
    """Gamma and curve are monotone: what was brighter stays at least as bright."""
    ramp = torch.linspace(-1, 4, 50).reshape(1, 5, 10)
    only = Augmentation(gamma=(0.3, 3), curve=1.0, probability=1)
    changed = change_intensities(ramp, only, np.random.default_rng(seed)).flatten()
    assert (changed.diff() >= -1e-5).all()


def test_constant_images_stay_finite():
    constant = torch.full((1, 8, 8), 3.0)
    assert torch.isfinite(change_intensities(constant, EVERYTHING, np.random.default_rng(0))).all()
