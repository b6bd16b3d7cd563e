"""Arrays and grids that belong together, and those that do not."""

import numpy as np
import pytest

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap

GRID = Geometry((4, 3, 2))


def test_an_image_has_channels_before_z_y_x():
    assert Image(np.zeros((5, 2, 3, 4), np.float32), GRID).channels == 5


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 4, 3, 2), (1, 2, 3, 5), (1, 1, 2, 3, 4)])
def test_an_image_of_another_shape_is_refused(shape):
    with pytest.raises(InputError, match=r"grid of \(2, 3, 4\) .* cannot have an array of shape"):
        Image(np.zeros(shape, np.float32), GRID)


@pytest.mark.parametrize("shape", [(3, 4), (4, 3, 2), (1, 2, 3, 4)])
def test_a_label_map_of_another_shape_is_refused(shape):
    with pytest.raises(InputError, match=r"A label map on a grid of \(2, 3, 4\)"):
        LabelMap(np.zeros(shape, np.uint8), GRID)


@pytest.mark.parametrize("dtype", [np.float32, np.bool_])
def test_a_label_map_holds_whole_numbers(dtype):
    with pytest.raises(InputError, match="holds whole numbers"):
        LabelMap(np.zeros((2, 3, 4), dtype), GRID)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int64])
def test_any_whole_number_type_makes_a_label_map(dtype):
    assert LabelMap(np.ones((2, 3, 4), dtype), GRID).array.dtype == dtype
