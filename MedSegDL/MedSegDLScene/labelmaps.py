"""Segments of a segmentation node as one label map on a volume's grid."""

from __future__ import annotations

from collections.abc import Container, Generator, Iterator
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
from MedSegDLScene.steps import finished, slabs
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
    return finished(labelmapInSteps(segmentationNode, referenceVolumeNode, labels, leaveOutOthers))


def labelmapInSteps(
    segmentationNode: slicer.vtkMRMLSegmentationNode | None,
    referenceVolumeNode: slicer.vtkMRMLScalarVolumeNode | None,
    labels: LabelTable,
    leaveOutOthers: bool = False,
) -> Generator[None, None, SegmentsOnGrid]:
    """As `labelmapFromSegmentation`, in steps of milliseconds (of more where segments lie on another grid than the volume).

    After the first step neither node is needed any more. Raises InputError, too, if the segments change before they are read.
    """
    checkHasVoxels(referenceVolumeNode)
    if segmentationNode is None:
        raise InputError("No segmentation is chosen: choose one.")
    name, matched = segmentationNode.GetName(), labelsOfSegments(segmentationNode.GetSegmentation(), labels)
    leftOut = _others(segmentationNode, matched)
    if leftOut and not leaveOutOthers:
        raise InputError(
            f"'{name}' has segments that are none of the labels "
            f"({', '.join(label.name for label in labels.labels)}): {', '.join(leftOut)}. "
            "Give them the name or the terminology of a label, remove them, or leave them out."
        )
    geometry = geometryOfVolume(referenceVolumeNode)
    valueType = np.uint8 if max((label.value for label in labels.labels), default=0) < 256 else np.uint16
    values = {segmentId: label.value for segmentId, label in matched.items()}
    layers = _layersOf(segmentationNode, referenceVolumeNode, values)
    yield
    result, overlap = np.zeros(geometry.shape_zyx, valueType), np.zeros(geometry.shape_zyx, bool)
    for layer in layers:
        stored = layer.onGrid()
        yield
        table = layer.table(stored, valueType)
        for part in slabs(stored.shape):
            drawn = _relabelled(stored[part], table)
            overlap[part] |= (result[part] > 0) & (drawn > 0)
            np.maximum(result[part], drawn, out=result[part])
            yield
    return SegmentsOnGrid(LabelMap(result, geometry, name), int(np.count_nonzero(overlap)), leftOut)


def layersOnGrid(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    referenceVolumeNode: slicer.vtkMRMLScalarVolumeNode,
    values: dict[str, int],
) -> Iterator[np.ndarray]:
    """The segments of which `values` has the ids, with its values (1…65535), on the volume's own grid as in the scene.

    One (Z, Y, X) uint16 array for each set of segments that share an image; within one nothing overlaps. Raises InputError
    for representations that Slicer cannot turn into voxels.
    """
    for layer in _layersOf(segmentationNode, referenceVolumeNode, values):
        stored = layer.onGrid()
        yield _relabelled(stored, layer.table(stored, np.uint16))


@dataclass(frozen=True)
class _Layer:
    """Segments that share an image, and the values wanted for those that the image has; `since`: when it last changed."""

    image: slicer.vtkOrientedImageData
    valueOf: dict[int, int]
    reference: slicer.vtkOrientedImageData
    transform: vtk.vtkGeneralTransform | None
    since: int

    def onGrid(self) -> np.ndarray:
        """The image's own values on the reference grid (Z, Y, X)."""
        if self.image.GetMTime() != self.since:
            raise InputError("The segments were changed at the same time: try again.")
        onGrid = slicer.vtkOrientedImageData()
        slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
            self.image, self.reference, onGrid, False, False, self.transform
        )
        return arrayFromImageData(onGrid)

    def table(self, stored: np.ndarray, valueType: type) -> np.ndarray:
        """The value wanted for each value from 0 to the highest that there is."""
        table = np.zeros(max(int(stored.max()), *self.valueOf) + 1, valueType)
        table[list(self.valueOf)] = list(self.valueOf.values())
        return table


def _layersOf(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    referenceVolumeNode: slicer.vtkMRMLScalarVolumeNode,
    values: dict[str, int],
) -> list[_Layer]:
    """The images of the segments of which `values` has the ids; they outlive the node."""
    reference = emptyOrientedImage(geometryOfVolume(referenceVolumeNode))
    segments = segmentationNode.GetSegmentation()
    transform = transformBetween(segmentationNode, referenceVolumeNode)
    if segments.GetSourceRepresentationName() != BINARY_LABELMAP:
        segments, transform = _voxelised(segmentationNode, transform, reference), None
    layers = []
    for number in range(segments.GetNumberOfLayers()):
        valueOf = {
            segments.GetSegment(segmentId).GetLabelValue(): values[segmentId]
            for segmentId in segments.GetSegmentIDsForLayer(number)
            if segmentId in values
        }
        if valueOf:
            image = segments.GetLayerDataObject(number)
            layers.append(_Layer(image, valueOf, reference, transform, image.GetMTime()))
    return layers


def _others(segmentationNode: slicer.vtkMRMLSegmentationNode, matched: Container[str]) -> tuple[str, ...]:
    """Names of the segments whose ids are not among `matched`."""
    segments = segmentationNode.GetSegmentation()
    return tuple(segments.GetSegment(each).GetName() for each in segments.GetSegmentIDs() if each not in matched)


def _relabelled(array: np.ndarray, table: np.ndarray) -> np.ndarray:
    """`array` with its values replaced as `table` says, those below 0 as 0."""
    return table[array if np.issubdtype(array.dtype, np.unsignedinteger) else np.maximum(array, 0)]


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
