"""The curves of a run as Slicer's tables, plot series and charts, which are kept up to date in place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

from MedSegDLScene.node_references import NodeReference
from MedSegDLTrainScene.run_history import RunHistory

LOSS_COLOUR, SCORE_COLOUR = (0.14, 0.39, 0.79), (0.85, 0.37, 0.01)
_STEP = "Step"
_MARGIN = 0.05  # above and below a curve, as a share of its height


class _Curve:
    """A table of two columns, a series and a chart; made when it first has a point, and again if somebody deletes a node."""

    def __init__(self, title: str, column: str, colour: tuple[float, float, float]) -> None:
        self._title, self._column, self._colour = title, column, colour
        self._nodes: list[NodeReference] = []
        self._shown: list[tuple[int, float]] = []

    @property
    def chart(self) -> slicer.vtkMRMLPlotChartNode | None:
        return self._nodes[2].node if self._nodes else None

    def update(self, points: Sequence[tuple[int, float]], column: str = "") -> None:
        whole = bool(self._nodes) and all(reference.node for reference in self._nodes)
        if not points or (whole and list(points) == self._shown):
            return
        if not whole:
            self.remove()
            self._column = column or self._column
            self._nodes = [NodeReference(node) for node in self._made()]
        follows = not self._shown or _isWholeSeen(self.chart, self._shown)
        self._shown = list(points)
        _fill(self._nodes[0].node, points)
        if follows:
            _showWhole(self.chart, points)

    def remove(self) -> None:
        for node in (reference.node for reference in reversed(self._nodes)):
            if node:
                slicer.mrmlScene.RemoveNode(node)
        self._nodes, self._shown = [], []

    def _made(self) -> tuple[slicer.vtkMRMLNode, ...]:
        table, series, chart = (_newNode(f"vtkMRML{kind}Node", self._title) for kind in ("Table", "PlotSeries", "PlotChart"))
        for name in (_STEP, self._column):
            column = vtk.vtkDoubleArray()
            column.SetName(name)
            table.AddColumn(column)
        series.SetName(self._column)  # the legend's text
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName(_STEP)
        series.SetYColumnName(self._column)
        series.SetPlotType(series.PlotTypeScatter)
        series.SetMarkerStyle(series.MarkerStyleNone)
        series.SetLineWidth(2)
        series.SetColor(self._colour)
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
        chart.SetTitle(self._title)
        chart.SetXAxisTitle(_STEP)
        chart.SetYAxisTitle(self._column)
        chart.SetLegendVisibility(False)
        return table, series, chart


class RunPlots:
    """Two charts of a run: training loss and validation score over steps. `title`: what the run is called."""

    def __init__(self, title: str) -> None:
        self._loss = _Curve(f"{title}: loss", "Training loss", LOSS_COLOUR)
        self._score = _Curve(f"{title}: validation", "Validation", SCORE_COLOUR)

    @property
    def lossChart(self) -> slicer.vtkMRMLPlotChartNode | None:
        """None before the first step."""
        return self._loss.chart

    @property
    def scoreChart(self) -> slicer.vtkMRMLPlotChartNode | None:
        """None before the first validation."""
        return self._score.chart

    def update(self, history: RunHistory) -> None:
        """Show what the run has told so far; changes nothing where nothing is new."""
        self._loss.update(history.loss.points)
        self._score.update(history.scores, f"Validation ({history.metric.replace('_', ' ')})")

    def remove(self) -> None:
        """Take all nodes out of the scene; those that somebody removed before are gone already."""
        self._loss.remove()
        self._score.remove()


def _newNode(className: str, name: str) -> slicer.vtkMRMLNode:
    node = slicer.mrmlScene.CreateNodeByClass(className)
    node.UnRegister(None)
    node.SetName(slicer.mrmlScene.GenerateUniqueName(name))
    node.SetSaveWithScene(False)  # the run's folder keeps the curves
    return slicer.mrmlScene.AddNode(node)


def _isWholeSeen(chart: slicer.vtkMRMLPlotChartNode, points: Sequence[tuple[int, float]]) -> bool:
    """Whether nobody has zoomed in: the axes hold all of the points."""
    axes = zip((chart.GetXAxisRange(), chart.GetYAxisRange()), zip(*points, strict=True), strict=True)
    return all(low <= min(values) and max(values) <= high for (low, high), values in axes)


def _showWhole(chart: slicer.vtkMRMLPlotChartNode, points: Sequence[tuple[int, float]]) -> None:
    """Axes that hold all of the points. Slicer's plot view fits axes of automatic range once, when a curve is added."""
    steps, values = zip(*points, strict=True)
    margin = _MARGIN * (max(values) - min(values)) or _MARGIN * abs(values[0]) or _MARGIN
    with slicer.util.NodeModify(chart):
        chart.SetXAxisRangeAuto(False)
        chart.SetYAxisRangeAuto(False)
        chart.SetXAxisRange(0, max(steps) or 1)
        chart.SetYAxisRange(min(values) - margin, max(values) + margin)


def _fill(table: slicer.vtkMRMLTableNode, points: Sequence[tuple[int, float]]) -> None:
    """New values in the same columns."""
    for number, values in enumerate(np.asarray(points, float).T):
        column = table.GetTable().GetColumn(number)
        column.SetNumberOfTuples(len(values))
        numpy_support.vtk_to_numpy(column)[:] = values
        column.Modified()
    table.GetTable().Modified()
    table.Modified()
