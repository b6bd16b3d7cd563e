"""Turning, resampling, cropping, and the way back onto the image's own voxels."""

import numpy as np
import pytest

from MedSegDLLib.errors import InputError, ModelError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from MedSegDLLib.model_card import Normalisation, Preprocessing
from MedSegDLLib.options import Region
from MedSegDLLib.preprocess import preprocess, turn_for
from Testing.engine.grids import GRIDS, rotation

RAW = Normalisation("window", window=(0.0, 1.0))  # values between 0 and 1 stay as they are
OWN = (None, None, None)


def _image(geometry: Geometry) -> Image:
    return Image(np.random.default_rng(5).random((1, *geometry.shape_zyx), np.float32), geometry)


@pytest.mark.parametrize("code", ["LPS", "RAS", "SAL", "PIR"])
@pytest.mark.parametrize("name", GRIDS)
def test_three_letters_say_where_the_axes_point(name, code):
    geometry = GRIDS[name]
    turn = turn_for(geometry, code)
    turned = geometry.permuted(turn.order, turn.flipped)
    pointing = turned.axes * [{"L": 1, "R": -1, "P": 1, "A": -1, "S": 1, "I": -1}[letter] for letter in code]
    along = [pointing["LRPASI".index(letter) // 2, axis] for axis, letter in enumerate(code)]
    if name.startswith("oblique"):
        assert sum(along) >= 1.5  # closest right angles: better than any other order can be
    else:
        assert along == pytest.approx([1, 1, 1])


def test_nearly_diagonal_axes_go_where_they_fit_best_together():
    tilted = Geometry((4, 5, 6), direction=tuple(rotation(0, 0, 40).ravel()))
    assert turn_for(tilted, "LPS").order == (0, 1, 2)
    tilted = Geometry((4, 5, 6), direction=tuple(rotation(0, 0, 50).ravel()))
    assert turn_for(tilted, "LPS").order == (1, 0, 2)


@pytest.mark.parametrize(
    ("spacing", "order"),
    [((1, 1, 8), (0, 1, 2)), ((8, 1, 1), (1, 2, 0)), ((1, 8, 1), (0, 2, 1)), ((1, 1, 1), (0, 1, 2)), ((2, 1, 2), (0, 1, 2))],
)
def test_slices_are_along_the_largest_spacing_the_last_of_equals(spacing, order):
    turn = turn_for(Geometry((4, 5, 6), spacing, direction=(0, 1, 0, 1, 0, 0, 0, 0, -1)), "slices")
    assert turn.order == order
    assert turn.flipped == (False, False, False)


@pytest.mark.parametrize("code", ["LRS", "LP", "LPX", "lps", ""])
def test_orientations_that_are_none(code):
    with pytest.raises(ModelError, match="three letters"):
        turn_for(Geometry((4, 5, 6)), code)


@pytest.mark.parametrize("code", ["slices", "LPS", "SAR"])
@pytest.mark.parametrize("name", GRIDS)
def test_every_voxel_comes_back_to_its_place(name, code):
    image = _image(GRIDS[name])
    prepared = preprocess(image, Preprocessing(code, OWN, RAW))
    assert prepared.target.lies_on_voxels_of(prepared.array.shape[1:])
    values = (prepared.array[0] * 60000).astype(np.uint16)
    assert np.array_equal(prepared.restored(values), (image.array[0] * 60000).astype(np.uint16))
    turn = turn_for(image.geometry, code)
    assert prepared.spacing_zyx == image.geometry.permuted(turn.order, turn.flipped).spacing_zyx


@pytest.mark.parametrize("how", ["linear", "cubic"])
@pytest.mark.parametrize("spacing", [(0.5, 0.8, None), (2.5, None, 1.3), (1.5, 1.5, 1.5)])
@pytest.mark.parametrize("name", ["plain", "oblique, left-handed"])
def test_a_linear_ramp_is_resampled_at_the_right_places(name, spacing, how):
    source = GRIDS[name]
    geometry = Geometry((24, 22, 20), source.spacing, source.origin, source.direction)
    physical = geometry.index_to_physical(np.stack(np.meshgrid(*map(range, geometry.size), indexing="ij"), -1))
    ramp = physical @ [0.01, 0.02, -0.015]
    low, high = ramp.min(), ramp.max()
    image = Image(((ramp - low) / (high - low)).transpose(2, 1, 0)[None].astype(np.float32), geometry)
    prepared = preprocess(image, Preprocessing("LPS", spacing, RAW, how))
    turn = turn_for(geometry, "LPS")
    grid = geometry.permuted(turn.order, turn.flipped).resampled(
        tuple(new or geometry.permuted(turn.order, turn.flipped).spacing[axis] for axis, new in enumerate(spacing))
    )
    assert prepared.array.shape[1:] == grid.shape_zyx
    there = grid.index_to_physical(np.stack(np.meshgrid(*map(range, grid.size), indexing="ij"), -1))
    expected = ((there @ [0.01, 0.02, -0.015] - low) / (high - low)).transpose(2, 1, 0)
    # near the border the edge goes on as a constant, not as a ramp
    index = geometry.physical_to_index(there)
    inner = ((index >= 6) & (index <= np.array(geometry.size) - 7)).all(axis=-1).transpose(2, 1, 0)
    assert inner.sum() > 20
    assert np.abs(prepared.array[0] - expected)[inner].max() < 2e-4


@pytest.mark.parametrize("name", ["plain", "anisotropic, off origin", "permuted, left-handed"])
def test_the_target_maps_the_source_onto_the_resampled_array(name):
    geometry = GRIDS[name]
    prepared = preprocess(_image(geometry), Preprocessing("LPS", (0.6, None, 1.9), RAW))
    turn = turn_for(geometry, "LPS")
    turned = geometry.permuted(turn.order, turn.flipped)
    grid = turned.resampled((0.6, turned.spacing[1], 1.9))
    assert prepared.target.shape == turned.shape_zyx
    for voxel in ((0, 0, 0), (2, 3, 4), tuple(n - 1 for n in turned.size)):
        index = grid.physical_to_index(turned.index_to_physical(voxel))[::-1]
        mapped = np.array(prepared.target.scale) * voxel[::-1] + prepared.target.offset
        assert mapped == pytest.approx(index, abs=1e-9)


def test_a_spacing_that_differs_by_less_than_a_hundredth_is_left_alone():
    image = _image(Geometry((8, 7, 6), (1.2504, 1.25, 8)))
    prepared = preprocess(image, Preprocessing("slices", (1.25, 1.25, 8.0), RAW))
    assert np.array_equal(prepared.array, image.array)


def test_shrinking_averages_noise_away_instead_of_picking_voxels():
    image = Image(np.random.default_rng(0).random((1, 40, 40, 40), np.float32), Geometry((40, 40, 40)))
    shrunk = preprocess(image, Preprocessing("slices", (4.0, 4.0, 4.0), RAW)).array
    assert shrunk.std() < 0.25 * image.array.std()


def test_a_region_gets_the_input_that_it_has_in_the_whole_and_its_surroundings():
    image = _image(Geometry((60, 50, 12), (1, 1, 8), direction=(-1, 0, 0, 0, -1, 0, 0, 0, 1)))
    how = Preprocessing("LPS", OWN, Normalisation("zscore", percentiles=(1, 99)))
    whole = preprocess(image, how)
    prepared = preprocess(image, how, Region((30, 20, 4), (10, 30, 5)), (16, 16, 1))
    # along x the region is 20…29 once turned: 4 voxels on each side; y reaches the border; z has no neighbourhood
    assert prepared.array.shape == (1, 5, 34, 18)
    assert np.array_equal(prepared.array, whole.array[:, 4:9, 0:34, 16:34])
    assert prepared.target.offset == (0, 0, 4)
    back = prepared.restored(np.ones(prepared.target.shape, np.uint8))
    assert back.sum() == 10 * 30 * 5
    assert back[4:9, 20:50, 30:40].all()


def test_a_small_region_is_given_one_whole_patch():
    image = _image(Geometry((60, 50, 40)))
    prepared = preprocess(image, Preprocessing("slices", OWN, RAW), Region((20, 20, 39), (2, 2, 1)), (16, 16, 16))
    assert prepared.array.shape == (1, 9, 16, 16)


def test_a_region_of_a_resampled_image_maps_to_the_same_places():
    image, how = _image(Geometry((60, 50, 12), (1, 1, 8))), Preprocessing("LPS", (1.7, 0.6, None), RAW)
    whole, part = preprocess(image, how), preprocess(image, how, Region((30, 20, 4), (10, 30, 5)), (8, 8, 1))
    for axis, start in enumerate((4, 20, 30)):
        in_whole = whole.target.scale[axis] * start + whole.target.offset[axis]
        first = part.target.offset[axis]
        shift = round(in_whole - first)
        assert in_whole - first == pytest.approx(shift)
        assert 0 <= first <= part.array.shape[1 + axis] - 1
    cut = whole.array[:, 4:9]
    assert any(
        np.array_equal(part.array, cut[:, :, y : y + part.array.shape[2], x : x + part.array.shape[3]])
        for y in range(cut.shape[2])
        for x in range(cut.shape[3])
    )


def test_a_region_outside_of_the_image():
    with pytest.raises(InputError, match="outside of the image"):
        preprocess(_image(Geometry((5, 6, 7))), Preprocessing("LPS", OWN, RAW), Region((9, 0, 0), (2, 2, 2)))


@pytest.mark.parametrize("region", ["volume", "slice"])
def test_a_constant_image_becomes_zeros(region):
    image = Image(np.full((1, 4, 5, 6), 7, np.int16), Geometry((6, 5, 4)))
    how = Preprocessing("LPS", (0.7, None, 2.0), Normalisation("zscore", region, (1, 99)))
    assert not preprocess(image, how).array.any()
