"""Curves of a run in the scene: nodes that are filled anew, never multiplied."""

import pytest
import slicer

from MedSegDLTrainScene.run_history import RunHistory
from MedSegDLTrainScene.run_plots import RunPlots


def trained(history: RunHistory, steps: int) -> RunHistory:
    for step in range(1, steps + 1):
        history.take({"event": "step", "step": step, "loss": 1 / step})
        if step % 10 == 0:
            history.take({"event": "validation", "step": step, "metric": "hd95_mm", "score": 100.0 - step})
    return history


def nodes(kind: str) -> list:
    return slicer.util.getNodesByClass(f"vtkMRML{kind}Node")


def columnOf(chart, number: int) -> list[float]:
    table = chart.GetNthPlotSeriesNode(0).GetTableNode().GetTable()
    column = table.GetColumn(number)
    return [column.GetValue(n) for n in range(column.GetNumberOfTuples())]


def test_nothing_is_in_the_scene_before_the_first_step():
    plots = RunPlots("run")
    plots.update(RunHistory())
    assert plots.lossChart is None and plots.scoreChart is None
    assert nodes("Table") == []


def test_curves_follow_the_run_in_the_same_nodes():
    plots, history = RunPlots("run"), RunHistory()
    plots.update(trained(history, 9))
    assert plots.scoreChart is None
    chart = plots.lossChart
    for step in range(10, 31):
        history.take({"event": "step", "step": step, "loss": 1 / step})
        history.take({"event": "validation", "step": step, "metric": "hd95_mm", "score": 100.0 - step})
        plots.update(history)
    assert plots.lossChart is chart
    assert columnOf(chart, 0) == list(range(1, 31))
    assert columnOf(chart, 1) == pytest.approx([1 / n for n in range(1, 31)])
    assert columnOf(plots.scoreChart, 1) == [100.0 - n for n in range(10, 31)]
    assert [len(nodes(kind)) for kind in ("Table", "PlotSeries", "PlotChart")] == [2, 2, 2]
    assert plots.scoreChart.GetYAxisTitle() == "Validation (hd95 mm)"
    assert chart.GetNthPlotSeriesNode(0).GetYColumnName() == "Training loss"


def test_the_axes_grow_with_the_run_because_a_plot_view_fits_them_only_once():
    plots, history = RunPlots("run"), RunHistory()
    for steps in (2, 30):
        plots.update(trained(history, steps))
        chart = plots.lossChart
        assert not chart.GetXAxisRangeAuto() and not chart.GetYAxisRangeAuto()
        assert chart.GetXAxisRange() == (0, steps)
        low, high = chart.GetYAxisRange()
        assert low < 1 / steps and 1 < high < 1.1
    plots.update(trained(RunHistory(), 10))
    assert plots.scoreChart.GetYAxisRange() == pytest.approx((85.5, 94.5))  # one point, in the middle


def test_who_has_zoomed_in_keeps_what_is_seen():
    plots, history = RunPlots("run"), trained(RunHistory(), 20)
    plots.update(history)
    plots.lossChart.SetXAxisRange(5, 12)  # as the plot view does when somebody turns the wheel
    plots.update(trained(history, 30))
    assert plots.lossChart.GetXAxisRange() == (5, 12)
    plots.lossChart.SetXAxisRange(-1, 31)  # all is seen again
    plots.update(trained(history, 40))
    assert plots.lossChart.GetXAxisRange() == (0, 40)


def test_what_is_not_new_changes_nothing():
    plots, history = RunPlots("run"), trained(RunHistory(), 20)
    plots.update(history)
    before = [node.GetMTime() for kind in ("Table", "PlotSeries", "PlotChart") for node in nodes(kind)]
    plots.update(history)
    assert [node.GetMTime() for kind in ("Table", "PlotSeries", "PlotChart") for node in nodes(kind)] == before


def test_a_closed_run_leaves_no_node_and_those_of_another_run_stay():
    first, second = RunPlots("run"), RunPlots("run")
    for plots in (first, second):
        plots.update(trained(RunHistory(), 10))
    assert first.lossChart.GetName() != second.lossChart.GetName()
    first.remove()
    first.remove()
    assert [len(nodes(kind)) for kind in ("Table", "PlotSeries", "PlotChart")] == [2, 2, 2]
    assert second.lossChart is not None


def test_a_node_that_somebody_deleted_and_a_closed_scene_are_got_over():
    plots, history = RunPlots("run"), trained(RunHistory(), 10)
    plots.update(history)
    slicer.mrmlScene.RemoveNode(nodes("Table")[0])
    plots.update(trained(history, 12))
    assert [len(nodes(kind)) for kind in ("Table", "PlotSeries", "PlotChart")] == [2, 2, 2]
    slicer.mrmlScene.Clear(0)
    assert plots.lossChart is None
    plots.update(history)
    assert columnOf(plots.lossChart, 0) == list(range(1, 13))
    plots.remove()


def test_the_curves_are_not_saved_with_the_scene():
    plots = RunPlots("run")
    plots.update(trained(RunHistory(), 10))
    assert not any(node.GetSaveWithScene() for kind in ("Table", "PlotSeries", "PlotChart") for node in nodes(kind))
