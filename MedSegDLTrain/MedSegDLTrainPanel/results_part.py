"""What came of the chosen run: each validated case, the pictures of its report, and the report itself."""

from __future__ import annotations

from pathlib import Path

import qt
from slicer.i18n import tr as _

from MedSegDLLib.errors import MedSegDLError
from MedSegDLPanel.wording import millilitres
from MedSegDLScene.command_process import CommandProcess
from MedSegDLScene.interpreter import Interpreter
from MedSegDLTrainPanel import table_rows
from MedSegDLTrainPanel.work_row import WorkRow
from MedSegDLTrainScene.runs import RunWatch
from MedSegDLTrainScene.validation import (
    ValidationRow,
    report_arguments,
    report_page,
    report_pictures,
    validation_rows,
)

_PICTURE_WIDTH, _PICTURE_HEIGHT = 320, 105
_LABEL_WIDTH = 100


class ResultsPart:
    """Table, pictures and the button of the report."""

    def __init__(self, ui: object, interpreter: Interpreter, row: WorkRow) -> None:
        self._ui, self._interpreter, self._row = ui, interpreter, row
        self._run, self._shown = None, None
        titles = [_("Case"), _("Label"), _("Dice"), _("drawn\nml"), _("found\nml")]
        table_rows.setColumns(ui.validationTable, titles, 0, {1: _LABEL_WIDTH})
        ui.overlayList.setIconSize(qt.QSize(_PICTURE_WIDTH, _PICTURE_HEIGHT))
        ui.overlayList.connect("itemDoubleClicked(QListWidgetItem*)", _openPicture)
        ui.reportButton.connect("clicked(bool)", self.openReport)
        self.show(None)

    def show(self, watch: RunWatch | None) -> None:
        """The chosen run after a look at it; what has not changed since the last look is left as it is."""
        self._run = watch.run if watch else None
        state = (self._run, watch and watch.status.score, watch and report_page(watch.run))
        if state != self._shown:
            self._shown = state
            self._showRows()
            self._showPictures()
        self._showButton()

    def openReport(self) -> None:
        """Open the report of a run, which is made first where there is none or the run went on."""
        run = self._run
        process = CommandProcess(self._interpreter, report_arguments(run))
        self._row.follow(
            process,
            _("The report is made: cases are segmented by the best weights…"),
            lambda process: self._onEnded(process, run),
        )
        self._showButton()

    def _onEnded(self, process: CommandProcess | None, run: Path) -> None:
        if process is not None and process.status != 0:
            self._row.say(process.sentence, process.lines)
        elif process is not None:
            self._row.say("")
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(report_page(run))))
        self._shown = None  # there are pictures now
        self._showButton()

    def _showRows(self) -> None:
        try:
            rows = validation_rows(self._run) if self._run else ()
        except MedSegDLError:  # the run has not validated yet
            rows = ()
        self._ui.validationTable.visible = bool(rows)
        table_rows.setRows(self._ui.validationTable, [(f"{row.case}/{row.label}", _cells(row)) for row in rows])

    def _showPictures(self) -> None:
        pictures = report_pictures(self._run) if self._run else ()
        listed = self._ui.overlayList
        listed.clear()
        listed.visible = bool(pictures)
        for picture in pictures:
            pixmap = qt.QPixmap(str(picture.path))
            item = qt.QListWidgetItem(qt.QIcon(pixmap), picture.caption)
            item.setData(qt.Qt.UserRole, str(picture.path))
            item.setToolTip(_("{caption}: double click for the whole picture").format(caption=picture.caption))
            listed.addItem(item)

    def _showButton(self) -> None:
        self._ui.reportButton.visible = self._run is not None
        validated = self._ui.validationTable.rowCount > 0
        self._ui.reportButton.enabled = validated and not self._row.busy
        self._ui.reportButton.toolTip = (
            _("Make a page with curves, cases and comparisons, and open it in the browser.")
            if validated
            else _("There is a report once the run has validated for the first time.")
        )


def _cells(row: ValidationRow) -> list:
    numbers = ["" if row.dice is None else f"{row.dice:.3f}"]
    numbers += ["" if volume is None else millilitres(volume).rjust(6) for volume in (row.reference_ml, row.prediction_ml)]
    return [row.case, row.label, *map(table_rows.number, numbers)]


def _openPicture(item: qt.QListWidgetItem) -> None:
    qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(item.data(qt.Qt.UserRole)))
