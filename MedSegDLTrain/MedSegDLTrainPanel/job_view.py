"""The job that was written: its settings with their reasons, and its text, which may be changed and is checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

from MedSegDLLib.errors import MedSegDLError
from MedSegDLPanel.wording import breakable
from MedSegDLTrainPanel import table_rows
from MedSegDLTrainScene.jobs import checked_job, read_job_text, reason_rows, save_job_text

_SETTINGS_TAB, _TEXT_TAB = 0, 1
_SETTING_WIDTH, _VALUE_WIDTH = 105, 95
_LONGEST_VALUE = 44


class JobView:
    """Shows one job file; onChanged() is called when the text was changed, kept or taken back."""

    def __init__(self, ui: object, onChanged: Callable[[], None]) -> None:
        self._ui, self._onChanged = ui, onChanged
        self.path, self._kept = None, ""
        table_rows.setColumns(ui.jobTable, [_("Setting"), _("Value"), _("Reason")], 2, {0: _SETTING_WIDTH, 1: _VALUE_WIDTH})
        # Also when the panel gets its width, which comes after the rows, or another one.
        ui.jobTable.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        ui.jobText.connect("textChanged()", self._onText)
        ui.checkJobButton.connect("clicked(bool)", self.check)
        ui.revertJobButton.connect("clicked(bool)", self.revert)
        self.show(None)

    @property
    def usable(self) -> bool:
        """Whether there is a job that can be started as it is shown."""
        return self.path is not None and not self._changed() and self._problem == ""

    def show(self, path: Path | None) -> None:
        """Show a job file; None, or one that is gone: nothing."""
        self.path, self._kept, self._problem = None, "", ""
        if path is not None and path.is_file():
            try:
                self._kept = read_job_text(path)
                self.path = path
            except MedSegDLError as problem:
                self._problem = str(problem)
        self._ui.jobTabs.visible = self.path is not None
        self._ui.jobText.setPlainText(self._kept)
        self._ui.jobTabs.setCurrentIndex(_SETTINGS_TAB)
        self._judge(self._kept)

    def check(self) -> None:
        """Keep the text if it is a usable job; else say what is wrong, and where."""
        text = self._ui.jobText.plainText
        self._judge(text)
        if self._problem:
            self._ui.jobTabs.setCurrentIndex(_TEXT_TAB)
            self._goTo(self._problem)
            return
        try:
            save_job_text(text, self.path)
        except MedSegDLError as problem:
            self._say(str(problem))
            return
        self._kept = text
        self._say(_("The plan can be used, and is kept in {file}.").format(file=self.path))
        self._onText()

    def revert(self) -> None:
        """Go back to what the file holds."""
        self._ui.jobText.setPlainText(self._kept)
        self._judge(self._kept)

    def _judge(self, text: str) -> None:
        """Show the settings of a text, or what is wrong with it."""
        rows = ()
        if self.path is not None:
            try:
                rows, self._problem = reason_rows(checked_job(text)), ""
            except MedSegDLError as problem:
                self._problem = str(problem)
        if rows or self.path is None:
            table_rows.setRows(
                self._ui.jobTable, [(row.setting, [breakable(row.setting), _value(row.value), row.why]) for row in rows]
            )
        self._say(self._problem)
        self._onText()

    def _say(self, sentence: str) -> None:
        self._ui.jobProblem.text = sentence
        self._ui.jobProblem.visible = bool(sentence)

    def _changed(self) -> bool:
        return self._ui.jobText.plainText != self._kept

    def _onText(self) -> None:
        self._ui.checkJobButton.enabled = self._ui.revertJobButton.enabled = self.path is not None and self._changed()
        self._onChanged()

    def _goTo(self, problem: str) -> None:
        """Select the key that the sentence names last, or its line."""
        text, place = self._ui.jobText.plainText, -1
        if line := re.search(r"line (\d+)", problem):
            place = sum(map(len, text.splitlines(keepends=True)[: int(line[1]) - 1]))
        for word in re.findall(r"\w+", problem):
            place = text.find(f'"{word}"') if f'"{word}"' in text and not line else place
        if place >= 0:
            cursor = self._ui.jobText.textCursor()
            cursor.setPosition(place)
            cursor.select(cursor.LineUnderCursor)
            self._ui.jobText.setTextCursor(cursor)


def _value(text: str) -> qt.QTableWidgetItem:
    """A value that takes a few lines at most; the whole is its tool tip."""
    item = qt.QTableWidgetItem(breakable(text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"))
    item.setToolTip(text)
    return item
