"""The trainings of a case folder: a table of where each stands, looked at once a second, whoever started them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

from MedSegDLTrainLib.run_folder import RunStatus
from MedSegDLTrainPanel import table_rows
from MedSegDLTrainScene.known_runs import runs_of
from MedSegDLTrainScene.runs import MISSING, RunWatch

_MILLISECONDS_BETWEEN_LOOKS = 1000
_AT_WORK = ("running", "paused")


def stateText(state: str) -> str:
    """A run's state for people."""
    return {
        "running": _("running"),
        "paused": _("paused"),
        "stopped": _("stopped"),
        "finished": _("finished"),
        "failed": _("failed"),
        "killed": _("interrupted"),
        MISSING: _("missing"),
    }.get(state, state)


class RunsList:
    """The table of runs; onLook(RunWatch, or None where no run is chosen) is called after each look at the chosen one."""

    def __init__(self, ui: object, onLook: Callable[[RunWatch | None], None]) -> None:
        self._ui, self._onLook = ui, onLook
        self._folder: Path | None = None
        self._watches: dict[str, RunWatch] = {}
        self._filling = False
        table_rows.setColumns(ui.runsTable, [_("Run"), _("State"), _("Done"), _("Best")], 0)
        ui.runsTable.connect("itemSelectionChanged()", self._onSelected)
        self._timer = qt.QTimer()
        self._timer.setInterval(_MILLISECONDS_BETWEEN_LOOKS)
        self._timer.connect("timeout()", self.look)
        self._timer.start()

    @property
    def selected(self) -> RunWatch | None:
        """The chosen run, or None."""
        return self._watches.get(table_rows.selectedKey(self._ui.runsTable))

    def show(self, folder: Path | None, run: str) -> None:
        """The runs of a case folder, with one chosen: `run`, or else the newest."""
        self._folder, self._watches = folder, {}
        self.find()
        if self.selected is None:
            self.select(run if run in self._watches else next(iter(self._watches), ""))

    def find(self) -> None:
        """Look for runs that are new: started here, by the command line, or before Slicer was opened."""
        found = [str(run) for run in runs_of(self._folder)] if self._folder else []
        self._watches = {run: self._watches.get(run) or RunWatch(Path(run)) for run in found}
        self.look()

    def select(self, run: str) -> None:
        """Choose a run by its folder."""
        table_rows.select(self._ui.runsTable, run)

    def look(self) -> None:
        """See where the chosen run stands, and each other that somebody works on."""
        for watch in self._watches.values():
            if watch is self.selected or watch.status.state in _AT_WORK:
                watch.poll()
        self._filling = True
        rows = [(run, _cells(Path(run).name, watch.status)) for run, watch in self._watches.items()]
        table_rows.setRows(self._ui.runsTable, rows)
        self._filling = False
        self._ui.runsTable.visible = self._ui.runsTitle.visible = bool(rows)
        self._onLook(self.selected)

    def lookNow(self) -> None:
        """As look, although the last look was less than a second ago: the chosen run was just asked for something."""
        if self.selected is not None:
            self.selected.look()
        self.look()

    def close(self) -> None:
        """Look no more; the runs go on."""
        self._timer.stop()

    def _onSelected(self) -> None:
        if not self._filling:
            self.look()


def _cells(name: str, status: RunStatus) -> list:
    done = f"{100 * status.step / status.steps:3.0f} %" if status.steps else ""
    score = "" if status.score is None else f"{status.score:.3f}"
    return [name, stateText(status.state), table_rows.number(done), table_rows.number(score)]
