"""Volumes that are one frame of a sequence at a time: their frames, and a sequence of segmentations beside them.

The volume that is seen is a proxy: a sequence browser copies the selected frame into it. A segmentation that belongs to
the frames becomes a second sequence in the same browser, with a proxy of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import slicer

from MedSegDLLib.errors import InputError
from MedSegDLLib.labels import Label
from MedSegDLLib.segmentation import Segmentation
from MedSegDLScene.grids import emptyOrientedImage
from MedSegDLScene.placing import placeWithVolume
from MedSegDLScene.segments import addSegments, labelsFound

_SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 0.001, "msec": 0.001, "millisecond": 0.001}


@dataclass(frozen=True)
class Frames:
    """The browser that plays a node, and the sequence that the node shows one frame of."""

    browserNode: slicer.vtkMRMLSequenceBrowserNode
    sequenceNode: slicer.vtkMRMLSequenceNode

    @property
    def indexValues(self) -> tuple[str, ...]:
        """What the browser calls each frame: a time, a number or a text."""
        return tuple(self.sequenceNode.GetNthIndexValue(n) for n in range(self.sequenceNode.GetNumberOfDataNodes()))

    @property
    def selected(self) -> int:
        """The frame that is shown, counted from 0."""
        return self.browserNode.GetSelectedItemNumber()

    @property
    def times_s(self) -> tuple[float, ...]:
        """Seconds of every frame after the first one; empty where the index is no time."""
        factor = _SECONDS.get((self.sequenceNode.GetIndexUnit() or "").strip().lower())
        with suppress(ValueError):
            times = [float(value) * factor for value in self.indexValues] if factor else []
            return tuple(time - times[0] for time in times)
        return ()

    def volume(self, frame: int) -> slicer.vtkMRMLScalarVolumeNode:
        """The image of a frame (from 0) as the sequence keeps it; it lies under the transform of the proxy."""
        return self.sequenceNode.GetNthDataNode(frame)


def framesOf(node: slicer.vtkMRMLNode | None) -> Frames | None:
    """The frames behind a node; None where the node is no proxy of a sequence."""
    browser = slicer.modules.sequences.logic().GetFirstBrowserNodeForProxyNode(node) if node else None
    return Frames(browser, browser.GetSequenceNode(node)) if browser else None


def numberOfFrames(node: slicer.vtkMRMLNode | None) -> int:
    """How many frames there are behind a node; 1 for a node that is no proxy of a sequence."""
    frames = framesOf(node)
    return len(frames.indexValues) if frames else 1


def checkTakesFrames(segmentationNode: slicer.vtkMRMLSegmentationNode, frames: Frames) -> None:
    """Raise InputError unless the node is the proxy of a sequence in the browser of `frames`."""
    existing = framesOf(segmentationNode)
    if existing is None or existing.browserNode is not frames.browserNode:
        raise InputError(
            f"'{segmentationNode.GetName()}' does not change with the frames of '{frames.sequenceNode.GetName()}': "
            "choose a new segmentation for every frame."
        )


def addFrames(
    segmentations: Sequence[Segmentation],
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    segmentationNode: slicer.vtkMRMLSegmentationNode | None,
    algorithmName: str,
    name: str,
    texts: dict[str, str],
) -> slicer.vtkMRMLSegmentationNode:
    """A sequence with a segmentation for each frame of the volume's sequence, and the node that shows the selected one.

    It has the volume's index (values, name, unit) and the volume's browser; what people change in the node is kept in its
    frame. A label that is found in any frame is a segment of every frame, so that it can be drawn where it was missed.
    With `segmentationNode` (see `checkTakesFrames`) the frames of its sequence are replaced instead. `texts` become
    attributes of the node in every frame. Raises InputError, before anything is changed, for values that no label names.
    """
    frames = framesOf(volumeNode)
    found = _foundAnywhere(segmentations)
    slicer.mrmlScene.SaveStateForUndo()
    nodes = [_frameNode(segmentation, found, algorithmName, texts) for segmentation in segmentations]
    if segmentationNode is None:
        segmentationNode = _newProxy(frames, volumeNode, name)
    else:
        placeWithVolume(segmentationNode, volumeNode)  # first: its changes go into the frame that is shown
    keepChanges(segmentationNode)
    sequenceNode = framesOf(segmentationNode).sequenceNode
    with slicer.util.NodeModify(sequenceNode):
        for node, indexValue in zip(nodes, frames.indexValues, strict=True):
            sequenceNode.SetDataNodeAtValue(node, indexValue)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(frames.browserNode)
    return segmentationNode


def keepChanges(node: slicer.vtkMRMLNode) -> None:
    """Let the browser keep in its frame what is changed in a proxy, which it would overwrite else; others stay as they are.

    There is no way back: as soon as Slicer is told to keep no changes, it copies the shown frame's segments onto themselves
    and loses them.
    """
    if frames := framesOf(node):
        frames.browserNode.SetSaveChanges(frames.sequenceNode, True)


def _foundAnywhere(segmentations: Sequence[Segmentation]) -> list[Label]:
    found = {label for segmentation in segmentations for label in labelsFound(segmentation)}
    return sorted(found, key=lambda label: label.value)


def _frameNode(
    segmentation: Segmentation, found: list[Label], algorithmName: str, texts: dict[str, str]
) -> slicer.vtkMRMLSegmentationNode:
    """A node outside of any scene, which the sequence copies."""
    node, geometry = slicer.vtkMRMLSegmentationNode(), segmentation.labelmap.geometry
    node.SetAndObserveSegmentation(slicer.vtkSegmentation())
    node.SetSourceRepresentationToBinaryLabelmap()
    converter = slicer.vtkSegmentationConverter
    node.GetSegmentation().SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(), converter.SerializeImageGeometry(emptyOrientedImage(geometry))
    )
    addSegments(node, segmentation, found, geometry, algorithmName)
    for key, text in texts.items():
        node.SetAttribute(key, text)
    return node


def _newSequence(frames: Frames, name: str) -> slicer.vtkMRMLSequenceNode:
    """An empty sequence with the index of `frames`."""
    like = frames.sequenceNode
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", slicer.mrmlScene.GenerateUniqueName(f"{name}-Sequence"))
    node.SetIndexName(like.GetIndexName())
    node.SetIndexUnit(like.GetIndexUnit())
    node.SetIndexType(like.GetIndexType())
    node.SetNumericIndexValueTolerance(like.GetNumericIndexValueTolerance())
    return node


def _newProxy(frames: Frames, volumeNode: slicer.vtkMRMLScalarVolumeNode, name: str) -> slicer.vtkMRMLSegmentationNode:
    """A node that shows the frames of a new sequence, still without frames, in the browser of `frames`."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", slicer.mrmlScene.GenerateUniqueName(name))
    placeWithVolume(node, volumeNode)
    slicer.modules.sequences.logic().AddSynchronizedNode(_newSequence(frames, name), node, frames.browserNode)
    return node
