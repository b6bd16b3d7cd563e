"""The list of volumes that are segmented one after another; shown when there is more than one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import qt
from slicer.i18n import tr as _

from MedSegDLPanel.heights import fitTree
from MedSegDLScene.segmentation_runs import Run

_ROWS_SEEN = 6


class QueueView:
    """What runs and what waits; the chosen one can be cancelled by the button or the Delete key."""

    def __init__(self, ui: object, onCancel: Callable[[Run], None]) -> None:
        self._ui, self._onCancel = ui, onCancel
        self._runs: list[Run] = []
        self._states: list[str] = []
        ui.queueTree.header().setStretchLastSection(False)
        ui.queueTree.header().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        ui.queueTree.header().setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)
        ui.cancelQueuedButton.connect("clicked(bool)", self._cancelChosen)
        ui.queueTree.connect("itemSelectionChanged()", self._showButton)
        self._delete = qt.QShortcut(qt.QKeySequence("Delete"), ui.queueTree)
        self._delete.setContext(qt.Qt.WidgetShortcut)
        self._delete.connect("activated()", self._cancelChosen)
        ui.queueFrame.visible = False

    def show(self, runs: Sequence[Run]) -> None:
        """Those of `runs` that have not ended, if they are more than one; rows are made again only when something changed."""
        active = [run for run in runs if not run.ended]
        states = [run.state for run in active]
        if (active, states) == (self._runs, self._states):
            return
        chosen = self._chosen()
        self._runs, self._states = active, states
        self._ui.queueFrame.visible = len(active) > 1
        self._fill(chosen)
        fitTree(self._ui.queueTree, len(active), 2, _ROWS_SEEN)
        self._showButton()

    def _fill(self, chosen: Run | None) -> None:
        tree = self._ui.queueTree
        tree.clear()
        for run in self._runs:
            item = qt.QTreeWidgetItem()
            item.setText(0, run.title)
            item.setToolTip(0, run.title)
            item.setText(1, _("running") if run.state == "running" else _("waits"))
            tree.addTopLevelItem(item)
            if run is chosen:
                tree.setCurrentItem(item)

    def _chosen(self) -> Run | None:
        item = self._ui.queueTree.currentItem()
        index = self._ui.queueTree.indexOfTopLevelItem(item) if item else -1
        return self._runs[index] if 0 <= index < len(self._runs) else None

    def _showButton(self) -> None:
        self._ui.cancelQueuedButton.enabled = self._chosen() is not None

    def _cancelChosen(self) -> None:
        run = self._chosen()
        if run is not None:
            self._onCancel(run)
