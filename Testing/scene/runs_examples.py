"""What tests of runs have in common: a grid, an answer of the worker, a run that has come to its end."""

import numpy as np

from Testing.scene.examples import GRIDS

GRID = GRIDS["oblique"]
TITLE = "Whatever is bright"


def labelsWith(geometry=GRID, voxel=(3, 4, 2), value=1):
    array = np.zeros(geometry.shape_zyx, np.uint8)
    array[voxel[::-1]] = value
    return array


def finished(runs, client, order, array=None):
    run = runs.add(order)
    client.finish(labelsWith() if array is None else array)
    runs.poll()
    assert run.state == "finished", run.sentence
    return run


def middleOf(node, segmentId):
    """Where the middle of a segment is in the world, RAS mm."""
    return np.array(node.GetSegmentCenterRAS(segmentId))
