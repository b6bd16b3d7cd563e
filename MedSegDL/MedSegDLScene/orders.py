"""What a person has asked for: which volume, with which model, where the result goes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import slicer

from MedSegDLLib.options import SegmentOptions
from MedSegDLScene.node_references import NodeReference
from MedSegDLScene.segments import Existing


@dataclass(frozen=True)
class Order:
    """One segmentation. With `roiNode` the region in `options` is replaced by that of the ROI when the run begins."""

    volumeNode: slicer.vtkMRMLScalarVolumeNode | None
    modelId: str
    options: SegmentOptions = SegmentOptions()  # noqa: RUF009 (immutable)
    segmentationNode: slicer.vtkMRMLSegmentationNode | None = None  # None: a new one
    existing: Existing = Existing.REPLACE_ALL  # what becomes of the segments that `segmentationNode` has
    roiNode: slicer.vtkMRMLMarkupsROINode | None = None
    everyFrame: bool = False  # the volume shows one frame of a sequence, of which all are wanted


class RememberedOrder:
    """An order that keeps none of its nodes alive, as runs wait and stay in a list long after their nodes are deleted."""

    def __init__(self, order: Order) -> None:
        self.volume = NodeReference(order.volumeNode)
        self.segmentation = NodeReference(order.segmentationNode)
        self.roi = NodeReference(order.roiNode)
        self._others = replace(order, volumeNode=None, segmentationNode=None, roiNode=None)

    @property
    def order(self) -> Order:
        """The order with those of its nodes that are still in the scene."""
        nodes = {"volumeNode": self.volume.node, "segmentationNode": self.segmentation.node, "roiNode": self.roi.node}
        return replace(self._others, **nodes)

    @property
    def whatIsGone(self) -> str:
        """A sentence if volume or output were removed, else empty."""
        if self.volume.isGone:
            return f"The volume '{self.volume.name}' was removed before it was segmented: there is no result."
        if self.segmentation.isGone:
            return (
                f"The segmentation '{self.segmentation.name}' was removed before the result could go into it: there is no "
                "result. Apply again with another output."
            )
        return ""
