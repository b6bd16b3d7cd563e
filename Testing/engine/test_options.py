"""Regions and options as a person gives them."""

import numpy as np
import pytest

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.options import Region, SegmentOptions
from Testing.engine.grids import GRIDS


def test_region_from_text():
    assert Region.parse("1, 2,3,5,7,4") == Region((1, 2, 3), (4, 5, 1))


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5,x", "1,2,3,4,5,6,7"])
def test_region_text_that_is_none(text):
    with pytest.raises(InputError, match="six whole numbers"):
        Region.parse(text)


def test_region_from_bounds_by_hand():
    geometry = Geometry((10, 10, 10), (2, 1, 1), (100, 0, 0))
    # voxel centres at x = 100, 102, 104, …; those from 101 to 104 are 1 and 2
    assert Region.from_bounds_lps(geometry, (101, 104, 3, 3, -0.5, 2.9)) == Region((1, 3, 0), (2, 1, 3))


@pytest.mark.parametrize("name", GRIDS)
def test_region_from_bounds_holds_every_voxel_inside(name):
    geometry = GRIDS[name]
    index = np.stack(np.meshgrid(*map(range, geometry.size), indexing="ij"), -1).reshape(-1, 3)
    points = geometry.index_to_physical(index)
    low, high = np.quantile(points, 0.3, axis=0), np.quantile(points, 0.8, axis=0)
    region = Region.from_bounds_lps(geometry, tuple(np.stack([low, high], axis=1).ravel()))
    inside = index[((points >= low) & (points <= high)).all(axis=1)]
    assert len(inside) > 0
    end = np.add(region.start_ijk, region.size)
    assert ((inside >= region.start_ijk) & (inside < end)).all()


def test_region_is_clipped_to_the_grid_or_refused():
    geometry = Geometry((5, 6, 7))
    assert Region((-2, 3, 0), (4, 9, 7)).clipped_to(geometry) == Region((0, 3, 0), (2, 3, 7))
    for nothing in (Region((5, 0, 0), (3, 3, 3)), Region((0, 0, 0), (2, 0, 2)), Region((0, 0, 0), (-1, 1, 1))):
        with pytest.raises(InputError, match="lies outside of the image"):
            nothing.clipped_to(geometry)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"precision": "int8"}, "one of auto, float32"), ({"overlap": 1.0}, "0 to 0.9"), ({"batch_size": 0}, "at least 1")],
)
def test_options_that_cannot_be(wrong, told):
    with pytest.raises(InputError, match=told):
        SegmentOptions(**wrong)
