"""Training: what to start from and for how long, the labels, and writing the job in a process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

from MedSegDLLib.errors import MedSegDLError
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.zoo import list_models
from MedSegDLScene.command_process import CommandProcess
from MedSegDLScene.interpreter import Interpreter
from MedSegDLScene.model_choice import distinctTitles
from MedSegDLTrainLib.cases import label_table_of
from MedSegDLTrainPanel import table_rows
from MedSegDLTrainPanel.cases_part import CasesPart
from MedSegDLTrainPanel.work_row import WorkRow
from MedSegDLTrainScene.add_case import labelTableFor
from MedSegDLTrainScene.jobs import JobWishes, new_job_arguments, starting_networks

_MODEL, _NETWORK = "model:", "network:"
_SWATCH = 14  # pixels of a label's colour


class JobPart:
    """Shows the parameter node's wishes; onWritten(path) is called when a job was written."""

    def __init__(
        self, ui: object, interpreter: Interpreter, row: WorkRow, cases: CasesPart, onWritten: Callable[[Path], None]
    ) -> None:
        self._ui, self._interpreter, self._row, self._cases, self._onWritten = ui, interpreter, row, cases, onWritten
        self._node, self._offered = None, frozenset()
        table_rows.setColumns(ui.labelsTable, [_("Label"), _("Value")], 0)
        ui.startCombo.connect("currentIndexChanged(int)", self._onStart)
        ui.writeJobButton.connect("clicked(bool)", self.write)
        self.listStarts()

    def show(self, node: object | None) -> None:
        """Follow the parameter node (None: the scene is being closed), which has changed."""
        self._node = node
        if node is not None:
            self._selectStart(node.startFrom)
            if not node.startFrom:
                self._onStart()  # what is seen is chosen: should it be deleted, nothing else takes its place unsaid
            self._showLabels()
        self._showButton()

    def listStarts(self) -> None:
        """Offer the models and networks that there are now."""
        combo = self._ui.startCombo
        wasBlocked = combo.blockSignals(True)
        combo.clear()
        for modelId, title in distinctTitles(list_models()).items():
            combo.addItem(title, _MODEL + modelId)
        for key in starting_networks():
            combo.addItem(_("From scratch: {network}").format(network=key), _NETWORK + key)
        self._offered = frozenset(combo.itemData(index) for index in range(combo.count))
        combo.blockSignals(wasBlocked)
        self._selectStart(self._node.startFrom if self._node else "")

    def write(self) -> None:
        """Plan a job from the cases: minutes, in a process."""
        folder = self._cases.folder
        output = _freeJob(folder)
        try:
            arguments = new_job_arguments(self._wishes(), output)
            process = CommandProcess(self._interpreter, arguments)
        except MedSegDLError as problem:
            self._row.say(str(problem))
            return
        said = _("Reading the cases and trying how long training steps take here; other programs should rest meanwhile…")
        self._row.follow(process, said, lambda process: self._onEnded(process, folder, output))
        self._showButton()

    def _onEnded(self, process: CommandProcess | None, folder: Path, output: Path) -> None:
        self._showButton()
        if process is None:
            return
        if process.status != 0:
            self._row.say(process.sentence, process.lines)
            return
        if folder != self._cases.folder:
            self._row.say(_("The plan for the other cases was written to {file}.").format(file=output), process.lines)
            return
        self._row.say(_("Planned: look at the settings and their reasons, then press 'Start training' below."), process.lines)
        self._onWritten(output)

    def _wishes(self) -> JobWishes:
        node, start = self._node, self._start()
        return JobWishes(
            cases=self._cases.folder,
            like=start.removeprefix(_MODEL) if start.startswith(_MODEL) else "",
            network=start.removeprefix(_NETWORK) if start.startswith(_NETWORK) else "",
            minutes=float(node.minutes),
            epochs=node.epochs or None,
            seed=node.seed,
        )

    def _start(self) -> str:
        combo = self._ui.startCombo
        return combo.itemData(combo.currentIndex) if combo.currentIndex >= 0 else ""

    def _onStart(self) -> None:
        if self._node is not None:
            self._node.startFrom = self._start()

    def _selectStart(self, start: str) -> None:
        """What the scene asks for, also a model that is not here any more; the first where it asks for nothing."""
        combo = self._ui.startCombo
        if start and combo.findData(start) < 0:
            combo.addItem(_("{model} (not here any more)").format(model=_nameOf(start)), start)
        index = max(combo.findData(start), 0)
        if combo.count and combo.currentIndex != index:
            combo.setCurrentIndex(index)

    def _showLabels(self) -> None:
        try:
            labels = self._labels().labels
        except MedSegDLError:
            labels = ()  # the case folder's own summary says what is wrong
        self._ui.labelsTable.visible = self._ui.labelsTitle.visible = bool(labels)
        table_rows.setRows(self._ui.labelsTable, [(label.name, _labelCells(label)) for label in labels])

    def _labels(self) -> LabelTable:
        """Of the case folder, or of the segments that are to begin it."""
        if self._cases.rows:
            return label_table_of(self._cases.folder)
        if self._cases.folder and self._node.segmentation:
            return labelTableFor(self._cases.folder, self._node.segmentation)
        return LabelTable(())

    def _showButton(self) -> None:
        reason = self._reason()
        self._ui.writeJobButton.enabled = not reason
        self._ui.writeJobButton.toolTip = reason or _(
            "Look at the cases, try how long a training step takes here, and write down every setting with its reason. "
            "Nothing is trained yet."
        )
        self._ui.writeJobReason.text = reason
        self._ui.writeJobReason.visible = bool(reason) and not self._row.busy

    def _reason(self) -> str:
        """Why no job can be written now, or ""."""
        if self._row.busy:
            return _("The training is being planned.")
        if not self._cases.rows:
            return _("Add cases first: there are none to learn from.")
        if not any(row.use == "training" for row in self._cases.rows):
            return _("None of the cases is one to train on: add a case of another patient.")
        if self._start() not in self._offered:
            return _("'{model}' is not here any more: choose something else to start from, or bring it back.").format(
                model=_nameOf(self._start())
            )
        return ""


def _nameOf(start: str) -> str:
    """The id of a model, or the key of a network."""
    return start.removeprefix(_MODEL).removeprefix(_NETWORK)


def _labelCells(label: object) -> list:
    name = qt.QTableWidgetItem(label.name)
    colour = qt.QPixmap(_SWATCH, _SWATCH)
    colour.fill(qt.QColor(*label.colour))
    name.setIcon(qt.QIcon(colour))
    return [name, table_rows.number(str(label.value))]


def _freeJob(folder: Path) -> Path:
    """A file beside the case folder that is not there yet."""
    number = 1
    while (path := folder.with_name(f"{folder.name}_job_{number}.json")).exists():
        number += 1
    return path
