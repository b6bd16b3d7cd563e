"""How well two segmentations of one volume agree, segment by segment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer

from MedSegDLLib.errors import InputError
from MedSegDLScene.labelmaps import layersOnGrid
from MedSegDLScene.matching import pairedSegments
from MedSegDLScene.volumes import geometryOfVolume


@dataclass(frozen=True)
class ComparedSegment:
    """A segment of the first segmentation and the one of the second that means the same, on the volume's grid."""

    segmentId: str
    otherSegmentId: str
    name: str
    ml: float
    otherMl: float
    dice: float | None  # None where both are empty

    @property
    def differenceMl(self) -> float:
        """How much larger the first one is; negative where it is smaller."""
        return self.ml - self.otherMl


@dataclass(frozen=True)
class Comparison:
    """The pairs in the first segmentation's order, and the names of segments that have no counterpart."""

    rows: tuple[ComparedSegment, ...]
    onlyInFirst: tuple[str, ...]
    onlyInSecond: tuple[str, ...]


def compareSegmentations(
    first: slicer.vtkMRMLSegmentationNode,
    second: slicer.vtkMRMLSegmentationNode,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
) -> Comparison:
    """Volumes and Dice of the segments that both have (see `pairedSegments`), on the volume's grid as they lie in the scene.

    Neither node is changed; segments may overlap. Raises InputError where no segment has a counterpart.
    """
    segments, others = first.GetSegmentation(), second.GetSegmentation()
    paired = pairedSegments(segments, others)
    if not paired:
        raise InputError(
            f"'{first.GetName()}' and '{second.GetName()}' have no segment in common: give those that mean the same one name."
        )
    values = {segmentId: number for number, segmentId in enumerate(paired, start=1)}
    otherValues = {paired[segmentId]: number for segmentId, number in values.items()}
    sizes, otherSizes, common = _counted(
        list(layersOnGrid(first, volumeNode, values)), list(layersOnGrid(second, volumeNode, otherValues)), len(paired) + 1
    )
    ml = geometryOfVolume(volumeNode).voxel_volume_ml
    rows = [
        ComparedSegment(
            segmentId,
            paired[segmentId],
            segments.GetSegment(segmentId).GetName(),
            float(sizes[value] * ml),
            float(otherSizes[value] * ml),
            float(2 * common[value] / total) if (total := sizes[value] + otherSizes[value]) else None,
        )
        for segmentId, value in values.items()
    ]
    inOrder = {segmentId: place for place, segmentId in enumerate(segments.GetSegmentIDs())}
    rows.sort(key=lambda row: inOrder[row.segmentId])
    return Comparison(tuple(rows), _without(segments, paired), _without(others, paired.values()))


def _counted(layers: list[np.ndarray], otherLayers: list[np.ndarray], length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(length,) voxels of each value in the first layers, in the second ones, and at one place in both."""
    sizes, otherSizes, common = np.zeros((3, length), np.int64)
    for layer in layers:
        sizes += np.bincount(layer.ravel(), minlength=length)
    for other in otherLayers:
        otherSizes += np.bincount(other.ravel(), minlength=length)
    for layer in layers:
        for other in otherLayers:
            common += np.bincount(layer[layer == other], minlength=length)
    return sizes, otherSizes, common


def _without(segments: slicer.vtkSegmentation, paired: object) -> tuple[str, ...]:
    return tuple(segments.GetSegment(each).GetName() for each in segments.GetSegmentIDs() if each not in paired)
