"""Loss and validation of the chosen run as curves in Slicer's plot view, kept up to date."""

from __future__ import annotations

from slicer.i18n import tr as _

from MedSegDLPanel.show_nodes import showChart
from MedSegDLTrainScene.run_plots import RunPlots
from MedSegDLTrainScene.runs import RunWatch


class CurvesPart:
    """Two buttons, and the plot nodes of the run that is shown, once somebody asked for them."""

    def __init__(self, ui: object) -> None:
        self._ui = ui
        self._plots: RunPlots | None = None
        self._plotted, self._watch = None, None
        ui.lossButton.connect("clicked(bool)", self.showLoss)
        ui.scoresButton.connect("clicked(bool)", self.showScores)
        self.show(None)

    def show(self, watch: RunWatch | None) -> None:
        """The chosen run after a look at it; curves that are shown go on."""
        self._watch = watch
        self._ui.lossButton.visible = self._ui.scoresButton.visible = watch is not None
        self._ui.lossButton.enabled = watch is not None and bool(watch.history.loss.points)
        self._ui.scoresButton.enabled = watch is not None and bool(watch.history.scores)
        if self._plots is not None and watch is not None and watch.run == self._plotted:
            self._plots.update(watch.history)

    def showLoss(self) -> None:
        """The loss of every step, in a layout with a plot view."""
        showChart(self._current().lossChart)

    def showScores(self) -> None:
        """The score of every validation, in a layout with a plot view."""
        showChart(self._current().scoreChart)

    def forget(self) -> None:
        """The scene is being closed, and the nodes with it."""
        self._plots = None

    def _current(self) -> RunPlots:
        """Plots of the chosen run; those of another one leave the scene."""
        if self._plots is not None and self._plotted != self._watch.run:
            self._plots.remove()
            self._plots = None
        if self._plots is None:
            self._plots, self._plotted = RunPlots(_("Training {run}").format(run=self._watch.run.name)), self._watch.run
        self._plots.update(self._watch.history)
        return self._plots
