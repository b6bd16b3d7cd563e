"""What a run does to the scene: take images out of it, and put results into it. Running in between is not its business."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import slicer

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from MedSegDLLib.labels import Label
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.volume_curve import VolumeCurve, curves_of
from MedSegDLScene.matching import segmentIds
from MedSegDLScene.orders import RememberedOrder
from MedSegDLScene.regions import pointsOfRoi, regionOfPoints
from MedSegDLScene.run_report import FIRST_FRAME, Origin
from MedSegDLScene.segments import Existing, addSegmentation, updateSegmentation
from MedSegDLScene.sequences import addFrames, checkTakesFrames, framesOf, keepChanges
from MedSegDLScene.volume_plots import addVolumePlot
from MedSegDLScene.volumes import checkHasVoxels, geometryOfVolume, imageFromVolume


@dataclass(frozen=True)
class SegmentRow:
    """One label of a result: what the table under Apply shows."""

    name: str
    colour: tuple[int, int, int]
    ml: float
    voxels: int
    segmentId: str  # empty where nothing was found


@dataclass(frozen=True)
class Placed:
    """A result in the scene."""

    segmentationNode: slicer.vtkMRMLSegmentationNode
    rows: tuple[SegmentRow, ...]  # of several frames: of that with the largest volume of the first label
    curves: tuple[VolumeCurve, ...] = ()  # of several frames: one for each label
    sentence: str = ""  # what a person should know about it


class VolumeTask:
    """One volume as it is now."""

    frames = 1

    def __init__(self, remembered: RememberedOrder, origin: Origin) -> None:
        """Raises InputError where the order cannot be carried out."""
        self._remembered, self._origin = remembered, origin
        self._image = imageFromVolume(remembered.volume.node)
        self._checksum, self._changed = _checksumOf(self._image), _changeTime(remembered.volume.node)
        self._geometry = self._image.geometry
        self._outputFrame = _selectedFrame(remembered.segmentation.node)
        self._options = _optionsFor(remembered, remembered.volume.node, self._geometry)

    def inputOf(self, frame: int) -> tuple[Image, SegmentOptions]:
        """What goes through the network; the image is handed over and not kept."""
        image, self._image = self._image, None
        return image, self._options

    def whatIsGone(self) -> str:
        """A sentence if what the run needs has left the scene, else empty."""
        return self._remembered.whatIsGone

    def place(self, segmentations: Sequence[Segmentation], reports: Sequence[dict]) -> Placed:
        """Put the result into the scene; raises InputError where it would not lie over the volume as that is now.

        `reports` are the worker's, in the order of the segmentations.
        """
        order, segmentation = self._remembered.order, segmentations[0]
        self._checkGeometry(order.volumeNode)
        sentence = self._sentenceOnChange(order.volumeNode)
        node, algorithm = order.segmentationNode, self._origin.algorithm_name
        if node is not None and _selectedFrame(node) != self._outputFrame:
            sentence = f"'{node.GetName()}' was moved to another frame meanwhile: the result is in a new segmentation."
            node = None
        if node is None:
            name = f"{order.volumeNode.GetName()} {self._origin.model_title}"
            node = addSegmentation(segmentation, order.volumeNode, algorithm, name)
            ids = segmentIds(segmentation.labels)
        else:
            keepChanges(node)
            ids = updateSegmentation(node, segmentation, order.volumeNode, order.existing, algorithm)
        _sign(node, self._origin)
        return Placed(node, _rowsOf(segmentation, reports[0], ids), sentence=sentence or _sentenceOnNothing(reports))

    def _checkGeometry(self, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
        checkHasVoxels(volumeNode)
        if not geometryOfVolume(volumeNode).same_grid(self._geometry, 1e-3):
            raise InputError(
                f"'{volumeNode.GetName()}' was given another grid while it was segmented, so the result does not fit it and "
                "was dropped: apply again."
            )

    def _sentenceOnChange(self, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> str:
        if _changeTime(volumeNode) == self._changed or _checksumOf(imageFromVolume(volumeNode)) == self._checksum:
            return ""
        what = "moved to another frame" if framesOf(volumeNode) else "changed"
        return f"'{volumeNode.GetName()}' was {what} while it was segmented: the result is that of the voxels before."


class SequenceTask:
    """Every frame of the sequence of which the volume shows one."""

    def __init__(self, remembered: RememberedOrder, origin: Origin) -> None:
        """Raises InputError where the order cannot be carried out."""
        self._remembered, self._origin = remembered, origin
        order, frames = remembered.order, framesOf(remembered.volume.node)
        if frames is None:
            raise InputError(f"'{remembered.volume.name}' shows no sequence: choose the volume of a sequence, or one frame.")
        if order.segmentationNode is not None:
            checkTakesFrames(order.segmentationNode, frames)
            if order.existing is not Existing.REPLACE_ALL:
                raise InputError("Segments of every frame can only be replaced as a whole: replace all, or choose a new one.")
        self._indexValues, self._sequenceId = frames.indexValues, frames.sequenceNode.GetID()
        self._points = _pointsFor(remembered, order.volumeNode)
        self.frames = len(self._indexValues)

    def inputOf(self, frame: int) -> tuple[Image, SegmentOptions]:
        """What goes through the network for a frame (from 0); raises InputError where it cannot be used."""
        image = imageFromVolume(framesOf(self._remembered.volume.node).volume(frame))
        image = replace(image, name=f"{self._remembered.volume.name}, frame {frame + FIRST_FRAME}")
        return image, _optionsWith(self._remembered.order.options, self._points, image.geometry)

    def whatIsGone(self) -> str:
        """A sentence if what the run needs has left the scene, else empty."""
        if sentence := self._remembered.whatIsGone:
            return sentence
        frames = framesOf(self._remembered.volume.node)
        same = frames and frames.sequenceNode.GetID() == self._sequenceId and frames.indexValues == self._indexValues
        name = self._remembered.volume.name
        return "" if same else f"The sequence of '{name}' was changed or removed while it was segmented: there is no result."

    def place(self, segmentations: Sequence[Segmentation], reports: Sequence[dict]) -> Placed:
        """Put the results of all frames into the scene, with a plot of the volumes."""
        order, origin = self._remembered.order, self._origin
        frames, labels = framesOf(order.volumeNode), segmentations[0].labels
        name = f"{frames.sequenceNode.GetName()} {origin.model_title}"
        node = addFrames(
            segmentations, order.volumeNode, order.segmentationNode, origin.algorithm_name, name, origin.attributes
        )
        _sign(node, origin)
        curves = curves_of(labels, [report["labels"] for report in reports], frames.times_s)
        addVolumePlot(curves, node)
        shown = curves[0].end_diastolic_frame
        everywhere = {label: each for label, each in segmentIds(labels).items() if node.GetSegmentation().GetSegment(each)}
        doubts = " ".join(filter(None, (curve.doubt_counted_from(FIRST_FRAME) for curve in curves)))
        return Placed(
            node, _rowsOf(segmentations[shown], reports[shown], everywhere), curves, _sentenceOnNothing(reports) or doubts
        )


def taskOf(remembered: RememberedOrder, origin: Origin) -> VolumeTask | SequenceTask:
    """The task of an order; raises InputError where it cannot be carried out."""
    if sentence := remembered.whatIsGone:
        raise InputError(sentence)
    checkHasVoxels(remembered.volume.node)
    if remembered.roi.isGone:
        raise InputError(
            f"The region of interest '{remembered.roi.name}' was removed before the run began: choose another one."
        )
    return (SequenceTask if remembered.order.everyFrame else VolumeTask)(remembered, origin)


def _pointsFor(remembered: RememberedOrder, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray | None:
    return pointsOfRoi(remembered.roi.node, volumeNode) if remembered.roi.isGiven else None


def _optionsFor(remembered: RememberedOrder, volumeNode: slicer.vtkMRMLScalarVolumeNode, geometry: Geometry) -> SegmentOptions:
    return _optionsWith(remembered.order.options, _pointsFor(remembered, volumeNode), geometry)


def _optionsWith(options: SegmentOptions, pointsLps: np.ndarray | None, geometry: Geometry) -> SegmentOptions:
    return options if pointsLps is None else replace(options, region=regionOfPoints(pointsLps, geometry))


def _checksumOf(image: Image) -> int:
    return zlib.crc32(np.ascontiguousarray(image.array))


def _changeTime(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> int:
    """Changes whenever the voxels may have changed."""
    return volumeNode.GetImageData().GetMTime()


def _selectedFrame(node: slicer.vtkMRMLNode | None) -> int | None:
    frames = framesOf(node)
    return frames.selected if frames else None


def _sign(node: slicer.vtkMRMLSegmentationNode, origin: Origin) -> None:
    with slicer.util.NodeModify(node):
        for key, text in origin.attributes.items():
            node.SetAttribute(key, text)
        node.SetDescription(origin.description)


def _rowsOf(segmentation: Segmentation, report: dict, ids: dict[Label, str]) -> tuple[SegmentRow, ...]:
    rows = zip(segmentation.labels.labels, report["labels"], strict=True)
    return tuple(
        SegmentRow(label.name, label.colour, row["volume_ml"], row["voxels"], ids.get(label, "") if row["voxels"] else "")
        for label, row in rows
    )


def _sentenceOnNothing(reports: Sequence[dict]) -> str:
    found = any(row["voxels"] for report in reports for row in report["labels"])
    return "" if found else "Nothing was found: check that volume and model belong together."
