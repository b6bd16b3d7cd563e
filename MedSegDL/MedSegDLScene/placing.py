"""Where a segmentation node belongs: over its volume in space, beside it in the Subject Hierarchy, tied to its DICOM files."""

from __future__ import annotations

import slicer
import vtk


def transformBetween(
    source: slicer.vtkMRMLTransformableNode, target: slicer.vtkMRMLTransformableNode
) -> vtk.vtkGeneralTransform | None:
    """From the space of one node to that of the other, by the transforms above them; None where these are the same."""
    if source.GetParentTransformNode() == target.GetParentTransformNode():
        return None
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        source.GetParentTransformNode(), target.GetParentTransformNode(), transform
    )
    return transform


def placeWithVolume(segmentationNode: slicer.vtkMRMLSegmentationNode, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Put the node under the volume's transform and parent item (its study), with the volume as reference geometry.

    The result moves with the volume, hardened or not, and Slicer's DICOM SEG export finds study, image and source files.
    """
    segmentationNode.CreateDefaultDisplayNodes()
    segmentationNode.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    # After the transform: Slicer writes the volume's grid as seen from the segmentation node's transform.
    segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    _placeInHierarchy(segmentationNode, volumeNode)


def _placeInHierarchy(segmentationNode: slicer.vtkMRMLSegmentationNode, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    volumeItem = hierarchy.GetItemByDataNode(volumeNode)
    parent = hierarchy.GetItemParent(volumeItem) if volumeItem else hierarchy.GetSceneItemID()
    item = hierarchy.CreateItem(parent, segmentationNode)  # moves the item that is already there
    # What Slicer's SEG importer sets and its exporter asks for: the image files that were segmented.
    instances = volumeNode.GetAttribute("DICOM.instanceUIDs") or ""
    hierarchy.SetItemAttribute(
        item, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMReferencedInstanceUIDsAttributeName(), instances
    )
