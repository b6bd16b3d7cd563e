"""Changes of intensity: values by hand, then scipy and PyTorch."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

from MedSegDLTrainLib.intensities import CHANGES, apply_changes, drawn_changes
from Testing.training.made_cases import EVERYTHING, NOTHING

SIZE = (6, 12, 14)
ORDER = ["low_resolution", "blur", "motion_blur", "bias_field", "gamma", "curve", "contrast", "brightness", "noise"]


def _image(size=SIZE, channels=1):
    return torch.from_numpy(np.random.default_rng(0).normal(size=(channels, *size)).astype(np.float32))


def _applied(name, values, image):
    return CHANGES[name].apply(image.clone(), values)


def test_all_changes_come_in_a_fixed_order():
    drawn = drawn_changes(EVERYTHING, SIZE, np.random.default_rng(0))
    assert [name for name, _ in drawn] == ORDER


def test_nothing_is_drawn_where_the_job_switches_it_off():
    assert drawn_changes(replace(NOTHING, probability=1), SIZE, np.random.default_rng(0)) == ()


def test_each_change_comes_with_the_probability_of_the_job():
    augmentation = replace(EVERYTHING, probability=0.3)
    names = [name for seed in range(300) for name, _ in drawn_changes(augmentation, SIZE, np.random.default_rng(seed))]
    assert all(abs(names.count(name) / 300 - 0.3) < 0.1 for name in ORDER)


@pytest.mark.parametrize("name", ORDER)
@pytest.mark.parametrize("size", [SIZE, (1, 12, 14)])
def test_each_change_changes_something_and_keeps_the_shape(name, size):
    values = CHANGES[name].draw(EVERYTHING, size, np.random.default_rng(1))
    changed = _applied(name, values, _image(size, 2))
    assert changed.shape == (2, *size)
    assert changed.dtype == torch.float32
    assert (changed - _image(size, 2)).abs().max() > 0.01


@pytest.mark.parametrize("deviation", [0.4, 1.0, 1.7])
def test_blur_is_scipys(deviation):
    image = _image()
    wanted = ndimage.gaussian_filter(image[0].numpy(), deviation, mode="nearest", radius=math.ceil(3 * deviation))
    np.testing.assert_allclose(_applied("blur", deviation, image)[0], wanted, atol=1e-5)


def test_low_resolution_is_pytorchs_without_aliasing_and_back():
    """14 → 8 and 12 → 7 voxels, as round(n / 1.75)."""
    image = _image((1, 12, 14))
    coarse = functional.interpolate(image, size=(7, 8), mode="bilinear", antialias=True, align_corners=False)
    wanted = functional.interpolate(coarse, size=(12, 14), mode="bilinear", align_corners=False)
    torch.testing.assert_close(_applied("low_resolution", 1.75, image), wanted, atol=1e-5, rtol=0)


def test_low_resolution_acts_on_all_axes_of_a_volume():
    halved = _applied("low_resolution", 2.0, _image())
    for axis in (1, 2, 3):
        assert halved.diff(dim=axis).abs().mean() < 0.5 * _image().diff(dim=axis).abs().mean()


def test_motion_blur_by_hand():
    """A path of 2 pixels along x has five points, 0.4 pixels apart; each is shared by the two pixels beside it."""
    point = torch.zeros(1, 3, 7, 7)
    point[0, 1, 3, 3] = 1
    moved = _applied("motion_blur", (2.0, 0.0), point)
    expected = torch.tensor([0, 0, (0.8 + 0.4) / 5, (0.2 + 0.6 + 1 + 0.6 + 0.2) / 5, (0.4 + 0.8) / 5, 0, 0])
    torch.testing.assert_close(moved[0, 1, 3], expected)
    assert moved.sum() == pytest.approx(1)
    upwards = _applied("motion_blur", (2.0, math.pi / 2), point)
    torch.testing.assert_close(upwards[0, 1, :, 3], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(_applied("motion_blur", (0.0, 1.0), point), point)


def test_motion_blur_follows_its_angle():
    point = torch.zeros(1, 1, 15, 15)
    point[0, 0, 7, 7] = 1
    moved = _applied("motion_blur", (8.0, math.radians(30)), point)[0, 0].double()
    y, x = torch.meshgrid(*[torch.arange(-7.0, 8)] * 2, indexing="ij")
    covariance = float((moved * y * x).sum()), float((moved * x * x).sum())
    assert covariance[0] / covariance[1] == pytest.approx(math.tan(math.radians(30)), rel=0.1)


def test_a_flat_bias_field_is_one_factor_on_what_is_above_the_darkest_voxel():
    image, knots = _image(), np.full((1, 5, 5, 5), math.log(2))
    low = image.min()
    torch.testing.assert_close(_applied("bias_field", knots, image), (image - low) * 2 + low, atol=1e-5, rtol=0)


def test_a_bias_field_is_smooth():
    values = CHANGES["bias_field"].draw(EVERYTHING, (20, 30, 40), np.random.default_rng(0))
    image = torch.ones(1, 20, 30, 40)
    image[0, 0, 0, 0] = 0
    factor = _applied("bias_field", values, image)[0, 1:]
    assert factor.max() / factor.min() > 1.2
    assert all(factor.log().diff(dim=axis).abs().max() < 0.4 for axis in range(3))


def test_gamma_curve_contrast_and_brightness_by_hand():
    image = torch.tensor([-1.0, 0.0, 1.0, 3.0]).view(1, 1, 1, 4)  # 0, ¼, ½, 1 of its range
    assert _applied("gamma", 2.0, image).flatten().tolist() == pytest.approx([-1, -1 + 4 / 16, 0, 3])
    bent = np.array([0, 0.5, 0.6, 0.7, 0.8, 1.0])
    expected = [-1, -1 + 4 * 0.525, -1 + 4 * 0.65, 3]
    assert _applied("curve", bent, image).flatten().tolist() == pytest.approx(expected, abs=1e-5)
    assert _applied("contrast", 1.5, image).flatten().tolist() == [-1.5, 0, 1.5, 4.5]
    assert _applied("brightness", 0.5, image).flatten().tolist() == [-0.5, 0.5, 1.5, 3.5]


def test_noise_has_its_deviation_and_comes_from_its_seed():
    image = torch.zeros(1, 20, 30, 40)
    noise = _applied("noise", (0.3, 5), image)
    assert noise.std().item() == pytest.approx(0.3, rel=0.03)
    assert abs(noise.mean().item()) < 0.01
    assert torch.equal(noise, _applied("noise", (0.3, 5), image))
    assert not torch.equal(noise, _applied("noise", (0.3, 6), image))


@pytest.mark.parametrize("seed", range(8))
def test_gamma_and_curve_keep_the_order_of_tissues(seed):
    ramp = torch.linspace(-1, 4, 50).view(1, 1, 5, 10)
    only = replace(NOTHING, gamma=(0.3, 3), curve=1.0, probability=1)
    changed = apply_changes(ramp.clone(), drawn_changes(only, (1, 5, 10), np.random.default_rng(seed))).flatten()
    assert (changed.diff() >= -1e-5).all()


def test_channels_share_the_draw_each_on_its_own_range():
    image = _image(channels=2)
    drawn = drawn_changes(replace(EVERYTHING, noise=0), SIZE, np.random.default_rng(3))
    both = apply_changes(image.clone(), drawn)
    for channel in range(2):
        alone = apply_changes(image[channel : channel + 1].clone(), drawn)
        torch.testing.assert_close(both[channel : channel + 1], alone, atol=1e-5, rtol=0)


def test_constant_images_stay_finite():
    constant = torch.full((1, *SIZE), 3.0)
    assert torch.isfinite(apply_changes(constant, drawn_changes(EVERYTHING, SIZE, np.random.default_rng(0)))).all()
