"""A volume with a bright box, segments of it, and processes that are waited for."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import slicer

from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Code, Label, LabelTable, Terminology
from MedSegDLLib.segmentation import Segmentation
from MedSegDLScene.interpreter import this_interpreter
from MedSegDLScene.segments import addSegmentation
from MedSegDLTrainScene.add_case import Adding, CaseDraft, addCase

GRID = Geometry((24, 20, 6), (1.5, 1.5, 8.0), (-10.0, 5.0, 30.0))
VENTRICLE = Label(
    1,
    "left ventricle",
    (230, 25, 75),
    Terminology(Code("SCT", "123037004", "Anatomical Structure"), Code("SCT", "87878005", "Left ventricle")),
)
WALL = Label(2, "wall", (0, 130, 200))
TABLE = LabelTable((VENTRICLE, WALL))


def labels_array() -> np.ndarray:
    """The ventricle in slices 2 to 4, its wall beside it."""
    array = np.zeros(GRID.shape_zyx, np.uint8)
    array[2:5, 6:14, 6:12] = 1
    array[2:5, 6:14, 12:14] = 2
    return array


def volume(name: str = "cine", seed: int = 0) -> slicer.vtkMRMLScalarVolumeNode:
    array = 100.0 * (labels_array() == 1) + np.random.default_rng(seed).normal(0, 5, GRID.shape_zyx)
    return slicer.util.addVolumeFromArray(array.astype(np.int16), GRID.affine_ijk_to_ras, name)


def segments(
    volume_node: slicer.vtkMRMLScalarVolumeNode, array: np.ndarray | None = None, table: LabelTable = TABLE
) -> slicer.vtkMRMLSegmentationNode:
    array = labels_array() if array is None else array
    return addSegmentation(Segmentation(LabelMap(array, GRID), table), volume_node, "by hand")


def draft(folder: Path, **changes) -> CaseDraft:
    """A new volume and its segments, for patient P1."""
    volume_node = changes.pop("volumeNode", None) or volume()
    segmentation_node = changes.pop("segmentationNode", None) or segments(volume_node)
    return CaseDraft(folder, volume_node, segmentation_node, changes.pop("patient", "P1"), **changes)


def added(case_draft: CaseDraft) -> Adding:
    """The case, when the process has ended."""
    return ended(addCase(case_draft, this_interpreter()))


def ended(work, seconds: float = 60):
    """`work`, polled until it ends."""
    until = time.monotonic() + seconds
    while not work.ended:
        assert time.monotonic() < until, "it takes too long"
        work.poll()
        time.sleep(0.01)
    return work
