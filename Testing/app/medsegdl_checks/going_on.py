"""The buttons under a result lead into Slicer's own modules and views. NOT YET RUN in the application."""

from __future__ import annotations

from typing import Any

import slicer

from .application import openModule, press, waitUntil
from .phantoms import apply, readyPanel, untilItEnds

_SURFACE = "Closed surface"


def segmentEditorHasTheResult() -> str:
    """The button opens the Segment Editor with this segmentation and its volume chosen, and an effect can be chosen."""
    widget, run = _segmented()
    press(widget.ui.editorButton)
    assert slicer.util.selectedModule() == "SegmentEditor"
    editor = slicer.util.getModuleWidget("SegmentEditor").editor
    assert editor.segmentationNodeID() == run.segmentationNode.GetID()
    assert editor.sourceVolumeNodeID() == run.order.volumeNode.GetID()
    editor.setActiveEffectByName("Paint")
    assert editor.activeEffect() is not None
    editor.setActiveEffectByName("")
    return f"the Segment Editor edits '{run.segmentationNode.GetName()}'"


def show3DMakesSurfaces() -> str:
    """The button makes surfaces, pressed again removes them."""
    widget, run = _segmented()
    segmentation = run.segmentationNode.GetSegmentation()
    press(widget.ui.show3dButton)
    assert segmentation.ContainsRepresentation(_SURFACE)
    press(widget.ui.show3dButton)
    assert not segmentation.ContainsRepresentation(_SURFACE)
    return "surfaces came and went"


def volumeCurveIsPlotted() -> str:
    """Every frame of the beating phantom, then the plot in a layout that has a plot view."""
    widget = readyPanel(beating=True)
    run = apply(widget)
    untilItEnds(run)
    press(widget.ui.plotButton)
    chart = _shownChart()
    return f"'{chart.GetName()}' of {run.frames} frames"


def resultCanBeSentToTraining() -> str:
    """The other panel opens with volume and segmentation chosen."""
    widget, run = _segmented()
    press(widget.ui.trainButton)
    assert slicer.util.selectedModule() == "MedSegDLTrain"
    node = openModule("MedSegDLTrain").logic.getParameterNode()
    assert node.segmentation is run.segmentationNode and node.volume is run.order.volumeNode
    return "image and segmentation are chosen in MedSegDLTrain"


def reportIsInTheClipboard() -> str:
    """Copy report, with the number of the table."""
    widget, run = _segmented()
    press(widget.ui.copyButton)
    text = slicer.app.clipboard().text()
    assert run.rows[0].name in text, text
    return f"{len(text)} characters"


def _segmented() -> tuple[Any, Any]:
    widget = readyPanel()
    run = apply(widget)
    untilItEnds(run)
    waitUntil(lambda: widget.ui.resultButton.visible, 5, "the result is shown")
    return widget, run


def _shownChart() -> slicer.vtkMRMLPlotChartNode:
    """What the first plot view of the layout shows."""
    layout = slicer.app.layoutManager()
    waitUntil(lambda: layout.plotViewCount > 0, 5, "the layout has a plot view")
    chart = layout.plotWidget(0).mrmlPlotViewNode().GetPlotChartNode()
    assert chart is not None and chart.GetNumberOfPlotSeriesNodes() > 0
    return chart
