"""Segments of a segmentation node as one label map on a volume's grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import slicer
import vtk

from MedSegDLLib.errors import InputError
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import LabelTable
from MedSegDLScene.grids import BINARY_LABELMAP, CLOSED_SURFACE, arrayFromImageData, emptyOrientedImage
from MedSegDLScene.matching import labelsOfSegments
from MedSegDLScene.placing import transformBetween
from MedSegDLScene.volumes import checkHasVoxels, geometryOfVolume


@dataclass(frozen=True)
class SegmentsOnGrid:
    """Segments drawn into one label map, and what one label map cannot say."""

    labelmap: LabelMap
    overlapVoxels: int  # voxels that belong to more than one segment
    leftOut: tuple[str, ...]  # names of segments that are none of the labels


def labelmapFromSegmentation(
    segmentationNode: slicer.vtkMRMLSegmentationNode | None,
    referenceVolumeNode: slicer.vtkMRMLScalarVolumeNode | None,
    labels: LabelTable,
    leaveOutOthers: bool = False,
) -> SegmentsOnGrid:
    """The node's segments with the values of `labels`, on the reference volume's own grid, uint8 or uint16.

    Which segment is which label, `labelsOfSegments` says; hidden segments count, order and label values do not. Where
    segments overlap, the label that is later in the table (the higher value) wins. Transforms above both nodes are taken
    into account, so that the label map lies over the volume as the segments do on the screen; on another grid than their
    own, segments are resampled to the nearest voxel, as Slicer's own export does. Surfaces are voxelised by Slicer.
    Neither node is changed.
    Raises InputError for no node, an empty volume, segments that are none of the labels (unless `leaveOutOthers`), and
    representations that Slicer cannot turn into voxels.
    """
    checkHasVoxels(referenceVolumeNode)
    if segmentationNode is None:
        raise InputError("No segmentation is chosen: choose one.")
    segments = segmentationNode.GetSegmentation()
    matched = labelsOfSegments(segments, labels)
    leftOut = tuple(segments.GetSegment(each).GetName() for each in segments.GetSegmentIDs() if each not in matched)
    if leftOut and not leaveOutOthers:
        raise InputError(
            f"'{segmentationNode.GetName()}' has segments that are none of the labels "
            f"({', '.join(label.name for label in labels.labels)}): {', '.join(leftOut)}. "
            "Give them the name or the terminology of a label, remove them, or leave them out."
        )
    geometry = geometryOfVolume(referenceVolumeNode)
    valueType = np.uint8 if max((label.value for label in labels.labels), default=0) < 256 else np.uint16
    result = np.zeros(geometry.shape_zyx, valueType)
    overlap = np.zeros(geometry.shape_zyx, bool)
    values = {segmentId: label.value for segmentId, label in matched.items()}
    for layer in layersOnGrid(segmentationNode, referenceVolumeNode, values):
        overlap |= (result > 0) & (layer > 0)
        result = np.maximum(result, layer.astype(valueType))
    return SegmentsOnGrid(LabelMap(result, geometry, segmentationNode.GetName()), int(overlap.sum()), leftOut)


def layersOnGrid(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    referenceVolumeNode: slicer.vtkMRMLScalarVolumeNode,
    values: dict[str, int],
) -> Iterator[np.ndarray]:
    """The segments of which `values` has the ids, with its values (1…65535), on the volume's own grid as in the scene.

    One (Z, Y, X) uint16 array for each set of segments that share an image; within one nothing overlaps. Raises InputError
    for representations that Slicer cannot turn into voxels.
    """
    reference = emptyOrientedImage(geometryOfVolume(referenceVolumeNode))
    segments = segmentationNode.GetSegmentation()
    transform = transformBetween(segmentationNode, referenceVolumeNode)
    if segments.GetSourceRepresentationName() != BINARY_LABELMAP:
        segments, transform = _voxelised(segmentationNode, transform, reference), None
    for layer in range(segments.GetNumberOfLayers()):
        valueOf = {
            segments.GetSegment(segmentId).GetLabelValue(): values[segmentId]
            for segmentId in segments.GetSegmentIDsForLayer(layer)
            if segmentId in values
        }
        if valueOf:
            onGrid = slicer.vtkOrientedImageData()
            slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
                segments.GetLayerDataObject(layer), reference, onGrid, False, False, transform
            )
            yield _relabelled(arrayFromImageData(onGrid), valueOf)


def _relabelled(array: np.ndarray, valueOf: dict[int, int]) -> np.ndarray:
    """`array` with its values replaced as `valueOf` says, all others by 0."""
    table = np.zeros(max(int(array.max()), *valueOf) + 1, np.uint16)
    table[list(valueOf)] = list(valueOf.values())
    return table[np.maximum(array, 0)]


def _voxelised(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    transform: vtk.vtkGeneralTransform | None,
    reference: slicer.vtkOrientedImageData,
) -> slicer.vtkSegmentation:
    """A copy of the segments as voxels of the reference grid, made from their surfaces after `transform`."""
    surfaces, voxels = slicer.vtkSegmentation(), slicer.vtkSegmentation()
    surfaces.DeepCopy(segmentationNode.GetSegmentation())
    made = surfaces.CreateRepresentation(CLOSED_SURFACE)
    voxels.SetSourceRepresentationName(CLOSED_SURFACE)
    converter = slicer.vtkSegmentationConverter
    voxels.SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(), converter.SerializeImageGeometry(reference)
    )
    for segmentId in surfaces.GetSegmentIDs() if made else ():
        segment = slicer.vtkSegment()
        segment.AddRepresentation(
            CLOSED_SURFACE, _moved(surfaces.GetSegmentRepresentation(segmentId, CLOSED_SURFACE), transform)
        )
        voxels.AddSegment(segment, segmentId)
    if not made or not voxels.CreateRepresentation(BINARY_LABELMAP):
        raise InputError(
            f"Slicer cannot turn '{segmentationNode.GetName()}' into voxels: create its binary label map in the module "
            "'Segmentations' first."
        )
    voxels.SetSourceRepresentationName(BINARY_LABELMAP)
    return voxels


def _moved(surface: vtk.vtkPolyData, transform: vtk.vtkGeneralTransform | None) -> vtk.vtkPolyData:
    if transform is None:
        return surface
    mover = vtk.vtkTransformPolyDataFilter()
    mover.SetInputData(surface)
    mover.SetTransform(transform)
    mover.Update()
    return mover.GetOutput()
