"""What a panel chooses when a person has not chosen yet."""

from __future__ import annotations

import slicer


def shownVolume() -> slicer.vtkMRMLScalarVolumeNode | None:
    """The volume in the slice views, else any; label maps are no images."""
    selection = slicer.app.applicationLogic().GetSelectionNode()
    shown = slicer.mrmlScene.GetNodeByID(selection.GetActiveVolumeID() or "") if selection else None
    nodes = [shown, *slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    return next((node for node in nodes if node and node.GetClassName() == "vtkMRMLScalarVolumeNode"), None)


def segmentationOf(volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> slicer.vtkMRMLSegmentationNode | None:
    """A segmentation that was drawn on this volume, else any."""
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    return next((node for node in nodes if volumeNode is not None and drawnOn(node) is volumeNode), next(iter(nodes), None))


def drawnOn(segmentationNode: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLVolumeNode | None:
    """The volume whose grid the segments have, as far as Slicer knows and it is still there."""
    return segmentationNode.GetNodeReference(segmentationNode.GetReferenceImageGeometryReferenceRole())
