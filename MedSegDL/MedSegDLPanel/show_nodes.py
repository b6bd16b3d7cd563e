"""Volumes in the slice views, and where to go on with a segmentation: 3D view, Segment Editor, plot view, MedSegDLTrain."""

from __future__ import annotations

import qt
import slicer

from MedSegDLScene.grids import BINARY_LABELMAP, CLOSED_SURFACE

_EDITOR_TAG = "SegmentEditor"  # of the singleton node that holds what the Segment Editor works on
TRAINING_MODULE = "MedSegDLTrain"


def showInSliceViews(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Make it the volume that all slice views show, and fit them to it."""
    logic = slicer.app.applicationLogic()
    logic.GetSelectionNode().SetActiveVolumeID(volumeNode.GetID())
    logic.PropagateVolumeSelection(1)  # 1: fit the slices to it


def isShownIn3D(segmentationNode: slicer.vtkMRMLSegmentationNode) -> bool:
    """Whether it has surfaces, which Slicer's own "Show 3D" buttons take as shown."""
    return segmentationNode.GetSegmentation().ContainsRepresentation(CLOSED_SURFACE)


def showIn3D(segmentationNode: slicer.vtkMRMLSegmentationNode, shown: bool) -> None:
    """Make the surfaces, or remove them, as Slicer's own "Show 3D" buttons do."""
    qt.QApplication.setOverrideCursor(qt.Qt.BusyCursor)  # a hundred large segments take seconds
    try:
        if shown:
            segmentationNode.CreateClosedSurfaceRepresentation()
            display = segmentationNode.GetDisplayNode()
            display.SetPreferredDisplayRepresentationName3D(CLOSED_SURFACE)
            display.SetPreferredDisplayRepresentationName2D(BINARY_LABELMAP)
            display.SetVisibility3D(True)
        else:
            segmentationNode.RemoveClosedSurfaceRepresentation()
    finally:
        qt.QApplication.restoreOverrideCursor()


def openInSegmentEditor(
    segmentationNode: slicer.vtkMRMLSegmentationNode, volumeNode: slicer.vtkMRMLScalarVolumeNode | None
) -> None:
    """Choose both in the node that the Segment Editor takes its choices from when it is entered, and enter it."""
    editorNode = _singleton(_EDITOR_TAG, "vtkMRMLSegmentEditorNode")
    with slicer.util.NodeModify(editorNode):
        editorNode.SetAndObserveSegmentationNode(segmentationNode)
        if volumeNode is not None:
            editorNode.SetAndObserveSourceVolumeNode(volumeNode)
    slicer.util.selectModule("SegmentEditor")


def showChart(chartNode: slicer.vtkMRMLPlotChartNode) -> None:
    """Show a chart in a layout that has a plot view."""
    slicer.modules.plots.logic().ShowChartInLayout(chartNode)


def hasTraining() -> bool:
    """Whether the module MedSegDLTrain is there."""
    return hasattr(slicer.modules, TRAINING_MODULE.lower())


def sendToTraining(segmentationNode: slicer.vtkMRMLSegmentationNode, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    """Choose both in MedSegDLTrain's parameter node, and enter that module."""
    parameterNode = _singleton(TRAINING_MODULE, "vtkMRMLScriptedModuleNode")
    with slicer.util.NodeModify(parameterNode):
        _choose(parameterNode, "segmentation", segmentationNode)
        if volumeNode is not None:
            _choose(parameterNode, "volume", volumeNode)
    slicer.util.selectModule(TRAINING_MODULE)


def _choose(parameterNode: slicer.vtkMRMLScriptedModuleNode, name: str, node: slicer.vtkMRMLNode) -> None:
    """As Slicer's parameterNodeWrapper does: a reference without the empty parameter would be cleared when that is made."""
    parameterNode.SetParameter(name, "")
    parameterNode.SetNodeReferenceID(name, node.GetID())


def _singleton(tag: str, className: str) -> slicer.vtkMRMLNode:
    """The scene's one node with this tag; a new one where the module that it belongs to was not entered yet."""
    node = slicer.mrmlScene.GetSingletonNode(tag, className)
    if node is None:
        node = slicer.mrmlScene.CreateNodeByClass(className)
        node.UnRegister(None)
        node.SetSingletonTag(tag)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(tag))
        node.SetAttribute("ModuleName", tag)
        node = slicer.mrmlScene.AddNode(node)
    return node
