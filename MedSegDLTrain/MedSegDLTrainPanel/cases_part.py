"""The case folder: what is in it, as a table with pictures, and loading a case to correct it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

from MedSegDLLib.errors import MedSegDLError
from MedSegDLScene.interpreter import Interpreter
from MedSegDLTrainPanel import table_rows
from MedSegDLTrainPanel.thumbnails import Thumbnails
from MedSegDLTrainScene.case_table import CaseRow, is_case_folder, read_case_table
from MedSegDLTrainScene.load_case import LoadedCase, loadCase
from MedSegDLTrainScene.looking import is_absent

_SOURCE_WIDTH = 90


def statusText(status: str) -> str:
    """A case's status for people."""
    return {"predicted": _("predicted"), "corrected": _("corrected"), "approved": _("approved")}.get(status, status)


def useText(use: str) -> str:
    """What a case is used for."""
    return {
        "training": _("training"),
        "validation": _("validation"),
        "held out": _("held out"),
        "to correct": _("to correct"),
    }.get(use, use)


class CasesPart:
    """The table of cases; onLoaded(LoadedCase, its name) is called when one was loaded."""

    def __init__(self, ui: object, interpreter: Interpreter, onLoaded: Callable[[LoadedCase, str], None]) -> None:
        self._ui, self._interpreter, self._onLoaded = ui, interpreter, onLoaded
        self.folder, self.rows = None, ()
        self._shown: tuple[Path | None, tuple[CaseRow, ...]] | None = None
        titles = [_("Case"), _("Status"), _("Split"), _("Source"), _("Patient")]
        table_rows.setColumns(ui.casesTable, titles, 0, {3: _SOURCE_WIDTH})
        ui.casesTable.setColumnHidden(len(titles) - 1, True)  # mostly the case's name again; it is searched, too
        self._thumbnails = Thumbnails(ui.casesTable, lambda: table_rows.rowsByKey(ui.casesTable))
        ui.caseSearch.connect("textChanged(QString)", lambda text: table_rows.showOnly(ui.casesTable, text))
        ui.casesTable.connect("cellDoubleClicked(int,int)", self.loadSelected)
        ui.casesTable.connect("itemSelectionChanged()", self._showButtons)
        ui.loadCaseButton.connect("clicked(bool)", self.loadSelected)
        self.show(None)

    def show(self, folder: Path | None) -> None:
        """The cases of a folder (Path, or None: none is chosen)."""
        self.folder = folder
        self.reload()

    def reload(self) -> None:
        """Read the folder again; the table is filled anew only if it has changed."""
        try:
            self.rows = read_case_table(self.folder) if self.folder and is_case_folder(self.folder) else ()
            self._ui.caseFolderSummary.text = self._summary()
        except MedSegDLError as problem:
            self.rows = ()
            self._ui.caseFolderSummary.text = str(problem)
        if self._shown != (self.folder, self.rows):
            self._shown = self.folder, self.rows
            self._fill()

    def _fill(self) -> None:
        self._thumbnails.stop()
        table = self._ui.casesTable
        for widget in (table, self._ui.caseSearch, self._ui.loadCaseButton):
            widget.visible = bool(self.rows)
        table_rows.setRows(table, [(row.name, _cells(row)) for row in self.rows])
        table_rows.showOnly(table, self._ui.caseSearch.text)
        if self.rows:
            self._thumbnails.show(self.folder, [row.name for row in self.rows], self._interpreter)
        self._showButtons()

    def rowNamed(self, name: str) -> CaseRow | None:
        """The CaseRow of this name, or None."""
        return next((row for row in self.rows if row.name == name), None)

    def loadSelected(self) -> None:
        """Load the selected case with its segments."""
        row = self.rowNamed(table_rows.selectedKey(self._ui.casesTable))
        if row is None:
            return
        try:
            loaded = loadCase(self.folder, row.name)
        except MedSegDLError as problem:
            self._ui.caseFolderSummary.text = str(problem)
            return
        self._onLoaded(loaded, row.name)

    def close(self) -> None:
        """Start and poll nothing any more."""
        self._thumbnails.close()

    def _summary(self) -> str:
        if self.folder is None:
            return _("Choose the folder that holds your cases, or type where a new one shall be.")
        if is_absent(self.folder):
            return _("There is no such folder yet: it is made when you add the first case.")
        if not is_case_folder(self.folder):
            return _("There are no cases in this folder yet: the first one that you add begins it.")
        uses = [row.use for row in self.rows]
        sentence = _("{cases} of {patients}: {training} to train on, {validation} to validate on, {held} held out.").format(
            cases=_casesText(len(uses)),
            patients=_patientsText(len({row.patient for row in self.rows})),
            training=uses.count("training"),
            validation=uses.count("validation"),
            held=uses.count("held out"),
        )
        if waiting := uses.count("to correct"):
            sentence += " " + _("{waiting} to correct before any of that.").format(waiting=waiting)
        if "validation" not in uses:
            sentence += "\n" + _("There is nobody yet to judge a model on: add a case of another patient.")
        return sentence

    def _showButtons(self) -> None:
        chosen = bool(table_rows.selectedKey(self._ui.casesTable))
        self._ui.loadCaseButton.enabled = chosen
        self._ui.loadCaseButton.toolTip = (
            _("Load the image of the selected case with its segments, to correct them.")
            if chosen
            else _("Select a case in the table to load it.")
        )


def _casesText(number: int) -> str:
    return _("1 case") if number == 1 else _("{number} cases").format(number=number)


def _patientsText(number: int) -> str:
    return _("1 patient") if number == 1 else _("{number} patients").format(number=number)


def _cells(row: CaseRow) -> list:
    """The source is the model whose prediction was corrected, which says more than the name of a file, if there was one."""
    source = qt.QTableWidgetItem(row.model or row.source)
    source.setToolTip(_("model {model}, file {file}").format(model=row.model, file=row.source) if row.model else row.source)
    name = qt.QTableWidgetItem(row.name)
    name.setToolTip(_("{name}, patient {patient}").format(name=row.name, patient=row.patient))
    return [name, statusText(row.status), useText(row.use), source, row.patient]
