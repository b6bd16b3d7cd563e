"""Volumes over the frames of a sequence as Slicer's table, plot series and plot chart."""

from __future__ import annotations

from collections.abc import Sequence

import slicer
import vtk

from MedSegDLLib.volume_curve import VolumeCurve
from MedSegDLScene.run_report import FIRST_FRAME

_TABLE, _SERIES, _CHART = "MedSegDL.volumeTable", "MedSegDL.volumeSeries", "MedSegDL.volumeChart"  # node references


def addVolumePlot(
    curves: Sequence[VolumeCurve], segmentationNode: slicer.vtkMRMLSegmentationNode
) -> slicer.vtkMRMLPlotChartNode:
    """A table with a row for each frame, a series for each curve, and the chart of them; takes the place of an earlier one.

    Table and chart are called after the segmentation node, which refers to them: `volumeChartOf`, `volumeTableOf`.
    """
    _removeEarlier(segmentationNode)
    name = f"{segmentationNode.GetName()} volumes"
    table = _newNode("vtkMRMLTableNode", name)
    table.SetAndObserveTable(_tableOf(curves))
    chart = _newNode("vtkMRMLPlotChartNode", name)
    for curve in curves:
        series = _seriesOf(curve, table)
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
        segmentationNode.AddNodeReferenceID(_SERIES, series.GetID())
    chart.SetTitle(name)
    chart.SetXAxisTitle(_across(curves[0]))
    chart.SetYAxisTitle("Volume (ml)")
    segmentationNode.SetNodeReferenceID(_TABLE, table.GetID())
    segmentationNode.SetNodeReferenceID(_CHART, chart.GetID())
    return chart


def volumeChartOf(segmentationNode: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLPlotChartNode | None:
    """The chart that `addVolumePlot` made, while it is there."""
    return segmentationNode.GetNodeReference(_CHART)


def volumeTableOf(segmentationNode: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLTableNode | None:
    """The table that `addVolumePlot` made, while it is there."""
    return segmentationNode.GetNodeReference(_TABLE)


def _removeEarlier(segmentationNode: slicer.vtkMRMLSegmentationNode) -> None:
    for role in (_CHART, _SERIES, _TABLE):
        for number in range(segmentationNode.GetNumberOfNodeReferences(role))[::-1]:
            if node := segmentationNode.GetNthNodeReference(role, number):
                slicer.mrmlScene.RemoveNode(node)
        segmentationNode.RemoveNodeReferenceIDs(role)


def _newNode(className: str, name: str) -> slicer.vtkMRMLNode:
    return slicer.mrmlScene.AddNewNodeByClass(className, slicer.mrmlScene.GenerateUniqueName(name))


def _across(curve: VolumeCurve) -> str:
    return "Time (s)" if curve.times_s else "Frame"


def _tableOf(curves: Sequence[VolumeCurve]) -> vtk.vtkTable:
    table = vtk.vtkTable()
    across = curves[0].times_s or range(FIRST_FRAME, FIRST_FRAME + len(curves[0].volumes_ml))
    for name, values in ((_across(curves[0]), across), *((curve.label, curve.volumes_ml) for curve in curves)):
        column = vtk.vtkDoubleArray()
        column.SetName(name)
        for value in values:
            column.InsertNextValue(value)
        table.AddColumn(column)
    return table


def _seriesOf(curve: VolumeCurve, table: slicer.vtkMRMLTableNode) -> slicer.vtkMRMLPlotSeriesNode:
    series = _newNode("vtkMRMLPlotSeriesNode", curve.label)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(_across(curve))
    series.SetYColumnName(curve.label)
    series.SetPlotType(series.PlotTypeScatter)
    series.SetMarkerStyle(series.MarkerStyleCircle)
    series.SetColor([part / 255 for part in curve.colour])
    return series
