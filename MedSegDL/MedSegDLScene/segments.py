"""The engine's Segmentation as segments of a segmentation node.

All segments of one result share one oriented image, as Slicer's own shared label maps do: 126 segments of 400 x 200 x 250
voxels cost one copy of the voxels. A result always gets an image of its own; the images that a node already has are left
to Slicer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import Enum

import numpy as np
import slicer
import vtk

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.labels import Label, LabelTable, terminology_to_text
from MedSegDLLib.segmentation import Segmentation
from MedSegDLScene.grids import BINARY_LABELMAP, CLOSED_SURFACE, extentOf, geometryFromMatrix, orientedImageFromArray
from MedSegDLScene.matching import segmentIds
from MedSegDLScene.placing import placeWithVolume, transformBetween
from MedSegDLScene.volumes import checkHasVoxels


class Existing(Enum):
    """What becomes of the segments that a node already has."""

    REPLACE_ALL = "replace all"
    REPLACE_SAME = "replace those of the same id"
    KEEP = "add beside them"


def addSegmentation(
    segmentation: Segmentation, volumeNode: slicer.vtkMRMLScalarVolumeNode, algorithmName: str, name: str = ""
) -> slicer.vtkMRMLSegmentationNode:
    """A new node with one segment for each label that has voxels, placed with the volume that was segmented.

    The label map lies in the volume's own space, as `imageFromVolume` gives it. `algorithmName` goes into DICOM exports;
    `name` is the node's name, made unique (default: the volume's name and "segmentation"). Labels without voxels get no
    segment: Slicer's DICOM export refuses empty ones.
    Raises InputError, before anything is changed, for label values that no label names or an empty volume.
    """
    checkHasVoxels(volumeNode)
    found = labelsFound(segmentation)
    slicer.mrmlScene.SaveStateForUndo()
    name = slicer.mrmlScene.GenerateUniqueName(name or f"{volumeNode.GetName()} segmentation")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    with slicer.util.NodeModify(node):
        placeWithVolume(node, volumeNode)
        addSegments(node, segmentation, found, segmentation.labelmap.geometry, algorithmName)
    return node


def updateSegmentation(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    segmentation: Segmentation,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    existing: Existing,
    algorithmName: str,
) -> dict[Label, str]:
    """Put a result into a node that is there already; what becomes of its segments, `existing` says.

    REPLACE_ALL: all segments go, and the node is placed with the volume, as a new one would be.
    REPLACE_SAME: segments with the id of one of the table's labels go, also where that label now has no voxels; the new
    ones take their places in the list. KEEP: nothing goes; new segments get ids and names of their own ("Heart 2").
    Hidden segments stay hidden when they are replaced, and 3D surfaces are made again where there were some. A node that
    keeps segments also keeps its transform and place; the result is moved into its space. Returns the ids of the new ones.
    Raises InputError, before anything is changed: as `addSegmentation`; where a kept segmentation holds surfaces, or lies
    under a transform that bends or shears the result's grid.
    """
    checkHasVoxels(volumeNode)
    found = labelsFound(segmentation)
    segments = segmentationNode.GetSegmentation()
    before = segments.GetSegmentIDs()
    leaving = _leaving(before, segmentation.labels, existing)
    geometry, stays = segmentation.labelmap.geometry, len(leaving) < len(before)
    if stays:
        _checkHoldsVoxels(segmentationNode)
        geometry = _geometryInNode(geometry, volumeNode, segmentationNode)
    slicer.mrmlScene.SaveStateForUndo()
    with slicer.util.NodeModify(segmentationNode):
        surfaces = segments.ContainsRepresentation(CLOSED_SURFACE)
        hidden = _hidden(segmentationNode, leaving)
        _remove(segments, leaving)
        if not stays:
            segmentationNode.SetSourceRepresentationToBinaryLabelmap()
            placeWithVolume(segmentationNode, volumeNode)
        added = addSegments(segmentationNode, segmentation, found, geometry, algorithmName)
        _restore(segmentationNode, before, hidden, surfaces)
    return added


def labelsFound(segmentation: Segmentation) -> list[Label]:
    """The labels that have voxels; raises InputError for values that no label names."""
    array = segmentation.labelmap.array
    if array.min() < 0:
        raise InputError(f"The label map has the value {array.min()}, but labels are 1 or more: correct the label map.")
    bins = int(array.max()) + 1
    # By planes, for bincount copies to 64 bits; most planes of most results are empty.
    counts = sum((np.bincount(plane.ravel(), minlength=bins) for plane in array if plane.any()), np.zeros(bins, int))
    present = set(np.flatnonzero(counts).tolist()) - {0}
    if unnamed := sorted(present - {label.value for label in segmentation.labels.labels}):
        raise InputError(f"The label map has the values {unnamed}, which no label names: add them to the label table.")
    return [label for label in segmentation.labels.labels if label.value in present]


def _leaving(before: Iterable[str], labels: LabelTable, existing: Existing) -> list[str]:
    if existing is Existing.KEEP:
        return []
    ours = set(segmentIds(labels).values())
    return [segmentId for segmentId in before if existing is Existing.REPLACE_ALL or segmentId in ours]


def _geometryInNode(
    geometry: Geometry, volumeNode: slicer.vtkMRMLScalarVolumeNode, segmentationNode: slicer.vtkMRMLSegmentationNode
) -> Geometry:
    """A grid in the volume's space as it lies in the space of a node that keeps other segments."""
    transform, linear = transformBetween(volumeNode, segmentationNode), vtk.vtkTransform()
    if transform is None:
        return geometry
    if slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(transform, linear):
        ijkToRas = slicer.util.arrayFromVTKMatrix(linear.GetMatrix()) @ geometry.affine_ijk_to_ras
        with suppress(InputError):
            return geometryFromMatrix(slicer.util.vtkMatrixFromArray(ijkToRas), extentOf(geometry))
    raise InputError(
        f"'{segmentationNode.GetName()}' and '{volumeNode.GetName()}' lie under transforms that bend or shear one against "
        "the other: put both under the same transform, or choose a new segmentation."
    )


def _checkHoldsVoxels(segmentationNode: slicer.vtkMRMLSegmentationNode) -> None:
    if segmentationNode.GetSegmentation().GetSourceRepresentationName() != BINARY_LABELMAP:
        raise InputError(
            f"'{segmentationNode.GetName()}' holds surfaces, which would be turned into voxels: choose a new segmentation."
        )


def _hidden(segmentationNode: slicer.vtkMRMLSegmentationNode, ids: Iterable[str]) -> list[str]:
    display = segmentationNode.GetDisplayNode()
    return [segmentId for segmentId in ids if not display.GetSegmentVisibility(segmentId)] if display else []


def _remove(segments: slicer.vtkSegmentation, ids: list[str]) -> None:
    """Remove segments; where all that share an image go, without letting Slicer erase them from it one by one (seconds)."""
    for layer in range(segments.GetNumberOfLayers())[::-1]:
        sharing = segments.GetSegmentIDsForLayer(layer)
        if set(sharing) <= set(ids):
            for segmentId in sharing:
                segments.GetSegment(segmentId).RemoveAllRepresentations()
    for segmentId in ids:
        segments.RemoveSegment(segmentId)


def addSegments(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    segmentation: Segmentation,
    found: list[Label],
    geometry: Geometry,
    algorithmName: str,
) -> dict[Label, str]:
    """One segment for each of the labels `found`, with `geometry` in the node's own space; returns their ids."""
    image = orientedImageFromArray(segmentation.labelmap.array, geometry)
    ids = segmentIds(segmentation.labels)
    segments = segmentationNode.GetSegmentation()
    names = {segments.GetSegment(segmentId).GetName() for segmentId in segments.GetSegmentIDs()}
    added = {}
    for label in found:
        segment = _segment(label, _uniqueName(label.name, names), algorithmName)
        segment.AddRepresentation(BINARY_LABELMAP, image)
        added[label] = segments.GenerateUniqueSegmentID(ids[label])
        segments.AddSegment(segment, added[label])
    return added


def _segment(label: Label, name: str, algorithmName: str) -> slicer.vtkSegment:
    """A segment of this label without voxels; one without terminology keeps Slicer's default, tissue."""
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetColor([part / 255 for part in label.colour])
    segment.SetLabelValue(label.value)
    # Choosing another terminology in Slicer leaves name and colour as they are.
    segment.SetNameAutoGenerated(False)
    segment.SetColorAutoGenerated(False)
    if label.terminology:
        segment.SetTag(segment.GetTerminologyEntryTagName(), terminology_to_text(label.terminology))
    # Read by Slicer's DICOM SEG export, which takes segments for drawn by hand otherwise.
    segment.SetTag("DICOM.SegmentAlgorithmType", "AUTOMATIC")
    segment.SetTag("DICOM.SegmentAlgorithmName", algorithmName)
    return segment


def _uniqueName(name: str, names: set[str]) -> str:
    number = 2
    unique = name
    while unique in names:
        unique, number = f"{name} {number}", number + 1
    return unique


def _restore(
    segmentationNode: slicer.vtkMRMLSegmentationNode, order: Sequence[str], hidden: Iterable[str], surfaces: bool
) -> None:
    """Bring back what replacing segments has changed: their order, hidden ones, and surfaces shown in 3D."""
    segments = segmentationNode.GetSegmentation()
    added = [segmentId for segmentId in segments.GetSegmentIDs() if segmentId not in order]
    segments.ReorderSegments([segmentId for segmentId in order if segments.GetSegment(segmentId)] + added)
    for segmentId in hidden:
        if segments.GetSegment(segmentId):
            segmentationNode.GetDisplayNode().SetSegmentVisibility(segmentId, False)
    if surfaces:
        segmentationNode.CreateClosedSurfaceRepresentation()
