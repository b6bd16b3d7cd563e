"""The one resampling: exact where nothing changes, equal to scipy's elsewhere, image and labels always together."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from MedSegDLTrainLib.job import Augmentation
from MedSegDLTrainLib.warps import (
    Warp,
    box_of,
    cubic_weights,
    cut_out,
    drawn_warp,
    place_warp,
    warped,
)
from Testing.training.made_cases import EVERYTHING

ONE_MM = np.ones(3)


def _volume(shape=(14, 20, 30), channels=1):
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, shape).astype(np.uint8)
    return random.normal(size=(channels, *shape)).astype(np.float32), labels


def _drawn(augmentation, size, seed=0, patch_spacing=ONE_MM, case_spacing=ONE_MM):
    return drawn_warp(augmentation, size, np.array(patch_spacing), np.array(case_spacing), np.random.default_rng(seed))


def _sampled(image, labels, warp, outside=0.0):
    """Cut out and warped as patches are."""
    start, stop = box_of(warp, labels.shape)
    pieces = torch.from_numpy(cut_out(image, start, stop, outside)), torch.from_numpy(cut_out(labels, start, stop, 0))
    return [part.numpy() for part in warped(*pieces, replace(warp, centre=warp.centre - start))]


def _dense_positions(warp):
    """(3, Z, Y, X), worked out densely from what the docstring of Warp says."""
    half = (np.array(warp.size_zyx) - 1) / 2
    offsets = np.stack(np.meshgrid(*map(np.arange, warp.size_zyx), indexing="ij"), axis=-1) - half
    positions = np.moveaxis(offsets @ warp.matrix.T + warp.centre, -1, 0)
    if warp.elastic is not None:
        z, y, x = (cubic_weights(length, count) for length, count in zip(warp.size_zyx, warp.elastic.shape[1:], strict=True))
        positions = positions + np.einsum("kabc,za,yb,xc->kzyx", warp.elastic, z, y, x, optimize=True)
    return positions


def test_without_augmentation_a_patch_is_a_crop_to_the_bit():
    image, labels = _volume()
    warp = place_warp(_drawn(Augmentation(), (3, 7, 9)), np.array([5.0, 9.0, 13.0]), None)
    assert warp.is_crop
    new_image, new_labels = _sampled(image, labels, warp)
    np.testing.assert_array_equal(new_image, image[:, 4:7, 6:13, 9:18])
    np.testing.assert_array_equal(new_labels, labels[4:7, 6:13, 9:18])


def test_a_patch_that_is_only_turned_by_right_angles_or_flipped_is_not_interpolated():
    image, labels = _volume()
    crop = image[0, 4:7, 5:14, 9:18]
    symmetries = [np.rot90(part, k, axes=(1, 2)) for part in (crop, crop.transpose(0, 2, 1)) for k in range(4)]
    symmetries += [part[::-1] for part in symmetries]
    found = set()
    for seed in range(150):
        warp = _drawn(Augmentation(right_angles=True, flips="z"), (3, 9, 9), seed)
        new_image, new_labels = _sampled(image, labels, place_warp(warp, np.array([5.0, 9.0, 13.0]), None))
        matches = [number for number, turned in enumerate(symmetries) if np.array_equal(new_image[0], turned)]
        assert len(matches) == 1
        assert np.array_equal(np.sort(new_labels, axis=None), np.sort(labels[4:7, 5:14, 9:18], axis=None))
        found.update(matches)
    assert found == set(range(16))


def test_flips_turn_the_named_axes_round_half_of_the_time():
    flipped = [np.diag(_drawn(Augmentation(flips="xz"), (4, 4, 4), seed).matrix) for seed in range(200)]
    np.testing.assert_allclose(np.mean(flipped, axis=0), [0, 1, 0], atol=0.2)
    assert all(np.diag(_drawn(Augmentation(flips="z"), (1, 4, 4), seed).matrix)[0] == 1 for seed in range(20))


@pytest.mark.parametrize("size", [(6, 9, 8), (1, 12, 11)])
@pytest.mark.parametrize("seed", range(4))
def test_a_warp_is_what_scipy_finds_at_the_same_positions(size, seed):
    """Two channels, far enough in the volume that nothing lies outside; nearest labels but for ties."""
    image, labels = _volume((40, 44, 48), channels=2)
    warp = place_warp(_drawn(EVERYTHING, size, seed, (1.0, 1.5, 0.9), (2.0, 1.0, 1.2)), np.array([20.0, 21.6, 23.3]), None)
    positions = _dense_positions(warp)
    new_image, new_labels = _sampled(image, labels, warp)
    for channel, values in enumerate(new_image):
        wanted = ndimage.map_coordinates(image[channel], positions, order=1)
        np.testing.assert_allclose(values, wanted, atol=2e-3)
    clear = (np.abs(positions - np.floor(positions) - 0.5) > 1e-3).all(axis=0)
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(new_labels[clear], labels[tuple(np.rint(positions[:, clear]).astype(int))])


def test_patches_have_the_spacing_asked_for():
    """At 2 mm between the patch's voxels, every second voxel of a 1 mm volume is taken, on axes of 2 mm every one."""
    image, labels = _volume()
    warp = _drawn(Augmentation(), (3, 5, 5), patch_spacing=(2, 2, 2), case_spacing=(2, 1, 1))
    new_image, new_labels = _sampled(image, labels, place_warp(warp, np.array([5.0, 9.0, 13.0]), None))
    np.testing.assert_allclose(new_image, image[:, 4:7, 5:14:2, 9:18:2], atol=1e-4)
    np.testing.assert_array_equal(new_labels, labels[4:7, 5:14:2, 9:18:2])


def test_scale_two_shows_the_anatomy_twice_as_large():
    labels = np.zeros((16, 20, 30), np.uint8)
    labels[6:10, 6:12, 8:18] = 1
    large = place_warp(_drawn(Augmentation(scale=(2.0, 2.0)), (30, 40, 50)), np.array([7.5, 8.5, 12.5]), None)
    assert _sampled(labels[None].astype(np.float32), labels, large)[1].sum() == 8 * 4 * 6 * 10


def test_stretch_keeps_the_volume_and_slices_keep_to_their_slice():
    for seed in range(10):
        volume = _drawn(Augmentation(stretch=0.3), (4, 4, 4), seed).matrix
        assert np.linalg.det(volume) == pytest.approx(1)
        assert not np.allclose(volume, np.eye(3), atol=1e-2)
        flat = _drawn(replace(EVERYTHING, scale=(1, 1)), (1, 4, 4), seed)
        np.testing.assert_array_equal(flat.matrix[0], [1, 0, 0])
        np.testing.assert_array_equal(flat.matrix[:, 0], [1, 0, 0])
        assert not flat.elastic[0].any()


def test_shear_and_rotation_by_hand():
    """Rows move along x as they go up in y; a rotation about z keeps z."""
    sheared = next(_drawn(Augmentation(shear=0.5), (4, 4, 4), seed).matrix for seed in range(9))
    assert 0 < abs(sheared[2, 1]) <= 0.5
    np.testing.assert_array_equal(np.where(sheared == sheared[2, 1], 0, sheared), np.eye(3))
    turned = _drawn(Augmentation(rotation_degrees=90), (4, 4, 4), 1).matrix
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)
    np.testing.assert_array_equal(turned[0], [1, 0, 0])
    tilted = _drawn(Augmentation(tilt_degrees=20), (4, 4, 4), 1).matrix
    assert np.degrees(np.arccos(tilted[0, 0])) <= 30
    assert tilted[0, 0] < 1


@pytest.mark.parametrize("seed", range(4))
def test_image_and_labels_move_together(seed):
    """An image that is its own label stays so, but for the mixed values at edges."""
    labels = np.zeros((24, 30, 34), np.uint8)
    labels[7:17, 8:21, 9:24] = 1
    warp = place_warp(_drawn(EVERYTHING, (20, 22, 24), seed), np.array([11.5, 14.5, 16.5]), None)
    image, moved = _sampled(labels[None].astype(np.float32), labels, warp)
    assert ((image[0] > 0.5) != moved).mean() < 0.01
    assert moved.sum() > 100


def test_outside_the_volume_there_is_background_and_one_value():
    image, labels = _volume()
    for augmentation in (Augmentation(), Augmentation(rotation_degrees=20)):
        warp = place_warp(_drawn(augmentation, (5, 5, 5)), np.array([-40.0, 9.0, 70.0]), None)
        new_image, new_labels = _sampled(image, labels, warp, outside=-7.0)
        assert not new_labels.any()
        assert (new_image == -7.0).all()


@pytest.mark.parametrize("augmentation", [Augmentation(), EVERYTHING, replace(EVERYTHING, elastic_mm=0)])
def test_a_patch_can_be_made_to_contain_a_voxel_to_the_point(augmentation):
    """Also where the volume is taken so coarsely that a single voxel could fall between the patch's."""
    for seed in range(20):
        warp = _drawn(augmentation, (6, 7, 8), seed, (3, 3, 3), (1, 1, 1))
        wanted = np.array([9, 4, 17])
        centre = wanted + np.random.default_rng(seed).uniform(-12, 12, 3)
        distance = np.abs(_dense_positions(place_warp(warp, centre, wanted)) - wanted[:, None, None, None]).max(axis=0)
        assert distance.min() < 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_the_box_holds_all_positions_and_little_else(seed):
    warp = place_warp(_drawn(EVERYTHING, (8, 9, 10), seed), np.array([50.0, 50.0, 50.0]), None)
    positions = _dense_positions(warp).reshape(3, -1)
    start, stop = box_of(warp, (100, 100, 100))
    assert (start <= positions.min(axis=1)).all()
    assert (stop - 1 >= positions.max(axis=1)).all()
    assert (stop - start <= np.ceil(np.ptp(positions, axis=1)) + 4).all()


def test_cubic_weights_by_hand():
    """Halfway between knots (−1, 9, 9, −1)/16; at the knots one; and straight lines stay straight within."""
    np.testing.assert_allclose(cubic_weights(9, 5, np.array([3.0]))[0], [-1 / 16, 9 / 16, 9 / 16, -1 / 16, 0])
    np.testing.assert_allclose(cubic_weights(9, 5)[::2], np.eye(5), atol=1e-12)
    np.testing.assert_allclose(cubic_weights(9, 5)[2:7] @ np.arange(0, 9, 2), np.arange(2, 7))
    np.testing.assert_array_equal(cubic_weights(1, 1), [[1]])


def test_elastic_displacements_have_the_deviation_that_was_drawn():
    found = [_drawn(Augmentation(elastic_mm=3, probability=1), (4, 4, 4), seed, case_spacing=(2, 1, 1)) for seed in range(300)]
    deviations = np.std([warp.elastic for warp in found], axis=(0, 2, 3, 4))
    np.testing.assert_allclose(deviations, np.sqrt(3) / np.array([2, 1, 1]), rtol=0.1)  # root mean square of 0…3


def test_a_crop_turned_round_is_one_only_if_it_is_a_permutation():
    assert Warp((2, 2, 2), np.eye(3)[[0, 2, 1]] * -1, None, np.zeros(3)).is_crop
    assert not Warp((2, 2, 2), np.diag([1, 1, 2.0]), None, np.zeros(3)).is_crop
    assert not Warp((2, 2, 2), np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0.0]]), None, np.zeros(3)).is_crop
