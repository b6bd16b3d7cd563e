"""The same segmentation as a file of the engine and as a node of Slicer."""

import numpy as np
import pytest
import slicer

from MedSegDLLib.segmentation_file import read_segmentation, write_segmentation
from MedSegDLScene.labelmaps import labelmapFromSegmentation
from MedSegDLScene.segments import addSegmentation
from Testing.scene.examples import ALGORITHM, ATRIUM, FEMUR, GRIDS, LABELS, VENTRICLE, segmentationOn, segmentNames, volumeOn


@pytest.mark.parametrize("grid", GRIDS)
def test_slicer_loads_what_the_engine_wrote(grid, tmp_path):
    segmentation = segmentationOn(GRIDS[grid])
    write_segmentation(segmentation, tmp_path / "engine.seg.nrrd")
    logic = slicer.modules.segmentations.logic()
    node = logic.LoadSegmentationFromFile(str(tmp_path / "engine.seg.nrrd"), False, "engine")
    assert segmentNames(node) == [label.name for label in LABELS.labels]
    back = labelmapFromSegmentation(node, volumeOn(GRIDS[grid]), LABELS)
    np.testing.assert_array_equal(back.labelmap.array, segmentation.labelmap.array)


@pytest.mark.parametrize("grid", GRIDS)
def test_the_engine_reads_what_slicer_saved(grid, tmp_path):
    segmentation = segmentationOn(GRIDS[grid])
    node = addSegmentation(segmentation, volumeOn(GRIDS[grid]), ALGORITHM)
    storage = node.CreateDefaultStorageNode()
    storage.SetFileName(str(tmp_path / "slicer.seg.nrrd"))
    assert storage.WriteData(node)
    back = read_segmentation(tmp_path / "slicer.seg.nrrd")
    for label, (red, green, blue) in ((VENTRICLE, (230, 25, 75)), (FEMUR, (255, 255, 0)), (ATRIUM, (10, 20, 30))):
        read = next(one for one in back.labels.labels if one.name == label.name)
        assert read.colour == (red, green, blue)
        if label.terminology:
            assert read.terminology == label.terminology
    # Slicer saves the box of the segments only: put it back where it lies.
    start = np.rint(GRIDS[grid].physical_to_index(back.labelmap.geometry.origin)).astype(int)
    whole = np.zeros(GRIDS[grid].shape_zyx, np.uint8)
    box = tuple(slice(first, first + size) for first, size in zip(start[::-1], back.labelmap.array.shape, strict=True))
    whole[box] = back.labelmap.array
    np.testing.assert_array_equal(whole, segmentation.labelmap.array)
    assert back.labelmap.geometry.same_grid(GRIDS[grid].cropped(tuple(start), back.labelmap.geometry.size), 1e-3)
