"""Grids in the patient: values worked out by hand, then SimpleITK as reference implementation."""

import numpy as np
import pytest
import SimpleITK as sitk

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry
from Testing.engine.grids import GRIDS, rotation

# x of the patient along j, y along i, z down along k.
TURNED = Geometry((4, 3, 2), (2, 5, 10), (100, -50, 7), (0, 1, 0, 1, 0, 0, 0, 0, -1))
ALL = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)


def itk_image(grid: Geometry) -> sitk.Image:
    image = sitk.GetImageFromArray(np.arange(np.prod(grid.size), dtype=np.int32).reshape(grid.shape_zyx))
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    return image


def grid_of(image: sitk.Image) -> Geometry:
    return Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def test_index_to_physical_by_hand():
    assert TURNED.index_to_physical((3, 2, 1)).tolist() == [100 + 2 * 5, -50 + 3 * 2, 7 - 10]


def test_physical_to_index_by_hand():
    assert TURNED.physical_to_index((110, -44, -3)).tolist() == [3, 2, 1]


def test_affines_by_hand():
    assert TURNED.affine_ijk_to_lps.tolist() == [[0, 5, 0, 100], [2, 0, 0, -50], [0, 0, -10, 7], [0, 0, 0, 1]]
    assert TURNED.affine_ijk_to_ras.tolist() == [[0, -5, 0, -100], [-2, 0, 0, 50], [0, 0, -10, 7], [0, 0, 0, 1]]


def test_order_of_arrays_and_volume_of_a_voxel():
    assert (TURNED.shape_zyx, TURNED.spacing_zyx, TURNED.voxel_volume_ml) == ((2, 3, 4), (10, 5, 2), 0.1)


@ALL
def test_index_to_physical_equals_itk(grid):
    index = np.random.default_rng(1).uniform(-5, 15, (20, 3))
    expected = [itk_image(grid).TransformContinuousIndexToPhysicalPoint(point.tolist()) for point in index]
    assert np.allclose(grid.index_to_physical(index), expected, atol=1e-9)


@ALL
def test_physical_to_index_undoes_index_to_physical(grid):
    index = np.random.default_rng(2).uniform(-5, 15, (2, 4, 3))
    assert np.allclose(grid.physical_to_index(grid.index_to_physical(index)), index, atol=1e-9)


@pytest.mark.parametrize(("shift", "same"), [(0.0, True), (0.099, True), (0.101, False)])
def test_same_grid_allows_a_twentieth_of_the_smallest_edge(shift, same):
    moved = Geometry(TURNED.size, TURNED.spacing, (100 + shift, -50, 7), TURNED.direction)
    assert TURNED.same_grid(moved) is same


def test_same_grid_looks_at_the_far_corner():
    stretched = Geometry(TURNED.size, (2, 5, 10.2), TURNED.origin, TURNED.direction)
    assert not TURNED.same_grid(stretched)
    assert TURNED.same_grid(stretched, tolerance=0.11)


def test_same_grid_needs_the_same_size():
    assert not TURNED.same_grid(Geometry((4, 3, 3), TURNED.spacing, TURNED.origin, TURNED.direction))


@ALL
def test_cropped_equals_itk(grid):
    part = itk_image(grid)[2:6, 1:5, 1:4]
    assert grid.cropped((2, 1, 1), (4, 4, 3)).same_grid(grid_of(part), 1e-9)


@ALL
def test_cropped_beyond_the_edge_is_padding(grid):
    padded = sitk.ConstantPad(itk_image(grid), (1, 2, 0), (0, 0, 3))
    assert grid.cropped((-1, -2, 0), (8, 8, 8)).same_grid(grid_of(padded), 1e-9)


@ALL
def test_resampled_covers_the_same_box(grid):
    spacing = tuple(np.divide(np.multiply(grid.size, grid.spacing), (14, 3, 10)))
    finer = grid.resampled(spacing)
    assert finer.size == (14, 3, 10)
    for corner in ((0, 0, 0), (1, 1, 1)):
        here = grid.index_to_physical(np.multiply(corner, grid.size) - 0.5)
        assert np.allclose(finer.index_to_physical(np.multiply(corner, finer.size) - 0.5), here, atol=1e-9)


def test_resampled_keeps_the_centre_where_sizes_are_rounded():
    coarse = Geometry((10, 10, 10)).resampled((3, 3, 30))
    assert (coarse.size, coarse.origin) == ((3, 3, 1), (1.5, 1.5, 4.5))


@ALL
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (0, 2, 1)])
@pytest.mark.parametrize("flipped", [(False, False, False), (True, False, True), (True, True, True)])
def test_permuted_equals_itk(grid, order, flipped):
    image = sitk.Flip(sitk.PermuteAxes(itk_image(grid), order), flipped)
    assert grid.permuted(order, flipped).same_grid(grid_of(image), 1e-9)


def test_numbers_of_other_types_become_plain_ones():
    grid = Geometry(np.array([4, 3, 2]), np.float32([1, 2, 3]), np.zeros(3), np.eye(3).ravel())
    assert {type(value) for value in grid.spacing + grid.origin + grid.direction} == {float}
    assert grid == Geometry((4, 3, 2), (1, 2, 3))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"size": (4, 0, 2)}, "three positive sizes"),
        ({"size": (4, 3)}, "three positive sizes"),
        ({"spacing": (1, 0, 1)}, "three positive spacings in mm"),
        ({"spacing": (1, -1, 1)}, "three positive spacings in mm"),
        ({"spacing": (1, np.nan, 1)}, "three positive spacings in mm"),
        ({"spacing": (1, np.inf, 1)}, "three positive spacings in mm"),
        ({"origin": (0, np.nan, 0)}, "finite origin"),
        ({"direction": (1, 0, 0, 0, 1, 0, 0, 0.01, 1)}, "not perpendicular"),
        ({"direction": (1, 0, 0, 0, 2, 0, 0, 0, 1)}, "not perpendicular unit vectors"),
        ({"direction": (0,) * 9}, "not perpendicular"),
        ({"direction": (1, 0, 0, 1)}, "not perpendicular"),
        ({"direction": (np.nan,) * 9}, "not perpendicular"),
    ],
)
def test_what_is_no_grid_is_refused_with_a_sentence(changed, words):
    with pytest.raises(InputError, match=words):
        Geometry(**({"size": (4, 3, 2)} | changed))


def test_directions_rounded_to_four_digits_are_accepted():
    Geometry((4, 3, 2), direction=tuple(np.round(rotation(20, -35, 50), 4).ravel()))
