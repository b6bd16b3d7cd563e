"""A MetaImage file whose voxels are written part by part is read as what was written."""

import numpy as np
import pytest

from MedSegDLLib.files import read_image, read_labelmap
from MedSegDLLib.metaimage import metaimage_header
from Testing.engine.grids import GRIDS


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("voxel_type", ["u1", "i1", "u2", "i2", "u4", "i4", "i8", "f4"])
def test_values_and_grid_come_back_to_the_last_digit(tmp_path, grid, voxel_type):
    geometry = GRIDS[grid]
    array = np.arange(np.prod(geometry.shape_zyx)).reshape(geometry.shape_zyx).astype(voxel_type)
    path = tmp_path / "image.mha"
    with path.open("wb") as file:
        file.write(metaimage_header(geometry, array.dtype))
        for plane in array:
            file.write(plane)
    image = read_image(path)
    np.testing.assert_array_equal(image.array[0], array)
    for part in ("size", "spacing", "origin"):
        assert getattr(image.geometry, part) == getattr(geometry, part)
    np.testing.assert_allclose(image.geometry.direction, geometry.direction, rtol=0, atol=1e-15)
    if voxel_type != "f4":
        np.testing.assert_array_equal(read_labelmap(path).array, array)


def test_a_type_that_metaimage_has_not_is_refused():
    with pytest.raises(KeyError):
        metaimage_header(next(iter(GRIDS.values())), np.dtype(bool))
