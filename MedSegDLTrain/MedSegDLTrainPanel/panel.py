"""The panel of MedSegDLTrain: its parts, and what one tells the others."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer

from MedSegDLPanel.polling import Polling
from MedSegDLPanel.show_nodes import showInSliceViews
from MedSegDLScene.interpreter import Interpreter
from MedSegDLTrainPanel import table_rows
from MedSegDLTrainPanel.add_part import AddPart
from MedSegDLTrainPanel.cases_part import CasesPart
from MedSegDLTrainPanel.curves_part import CurvesPart
from MedSegDLTrainPanel.job_part import JobPart
from MedSegDLTrainPanel.job_view import JobView
from MedSegDLTrainPanel.next_part import NextPart
from MedSegDLTrainPanel.publish_part import PublishPart
from MedSegDLTrainPanel.results_part import ResultsPart
from MedSegDLTrainPanel.run_part import RunPart
from MedSegDLTrainPanel.runs_list import RunsList
from MedSegDLTrainPanel.work_row import RowWidgets, WorkRow
from MedSegDLTrainScene.case_table import is_case_folder
from MedSegDLTrainScene.load_case import LoadedCase
from MedSegDLTrainScene.runs import RunWatch

_FOLDER_SETTING = "MedSegDLTrain/LastCaseFolder"


class TrainPanel:
    """Everything between the widgets of the .ui and MedSegDLTrainScene."""

    def __init__(self, ui: object, interpreter: Interpreter) -> None:
        self._ui, self._node = ui, None
        self._polling = Polling()
        self._rows = _workRows(ui, self._polling)
        self.cases = CasesPart(ui, interpreter, self._onLoaded)
        self.next = NextPart(ui, interpreter, self._rows["next"], self._onLoaded)
        self.add = AddPart(ui, interpreter, self._rows["add"], self.cases, self._onAdded)
        self.job = JobPart(ui, interpreter, self._rows["job"], self.cases, self._onJob)
        self.run: RunPart | None = None
        self.jobView = JobView(ui, self._onJobText)
        self.run = RunPart(ui, interpreter, self._rows["run"], self.jobView, self._onStarted)
        self.results = ResultsPart(ui, interpreter, self._rows["report"])
        self.publish = PublishPart(ui, interpreter, self._rows["report"], self.refresh)
        self.curves = CurvesPart(ui)
        self.runs = RunsList(ui, self._onLook)
        for field, hear in ((ui.caseFolderPath, self._onFolderTyped), (ui.imagesPath, self._tellNext)):
            field.connect("currentPathChanged(QString)", hear)
            field.connect("validInputChanged(bool)", hear)  # an empty field does not say that its path has changed

    def show(self, node: object | None) -> None:
        """Follow the parameter node (None: the scene is being closed), which may have changed."""
        if node is not None and node is not self._node and not node.caseFolder:
            node.caseFolder = str(qt.QSettings().value(_FOLDER_SETTING, ""))  # a new scene goes on with the same cases
        self._node = node
        if node is None:
            self.curves.forget()
        else:
            self._showFolder(node)
        for part in (self.add, self.job):
            part.show(node)

    def refresh(self) -> None:
        """Models may have come or gone and cases may have been added elsewhere: look again."""
        self.next.listModels()
        self.job.listStarts()
        self._reload()

    def segmentsChanged(self) -> None:
        """The chosen segmentation has other segments, or other names of them."""
        self.add.changed()

    def close(self) -> None:
        """End what was started here, except for trainings, which go on; poll nothing any more."""
        for name, row in self._rows.items():
            if name != "run":  # a training that is being started goes on, too
                row.close()
        for part in (self.cases, self.add, self.runs):
            part.close()
        self._polling.stop()

    def _showFolder(self, node: object) -> None:
        folder = Path(node.caseFolder) if node.caseFolder else None
        if self._ui.caseFolderPath.currentPath != node.caseFolder:
            self._ui.caseFolderPath.currentPath = node.caseFolder
        if folder != self.cases.folder:
            self.cases.show(folder)
            self.runs.show(folder, node.run)
            self.run.showFolder(folder)
            self._tellNext()
        job = Path(node.job) if node.job else None
        if job != self.jobView.path:
            self.jobView.show(job)

    def _reload(self) -> None:
        self.cases.reload()
        self._tellNext()
        self.add.changed()
        self.job.show(self._node)
        self.runs.find()

    def _tellNext(self) -> None:
        images = Path(self._ui.imagesPath.currentPath) if self._ui.imagesPath.currentPath else None
        self.next.show(self.cases.folder, images, [row.status for row in self.cases.rows])

    def _onFolderTyped(self) -> None:
        path = self._ui.caseFolderPath.currentPath
        if self._node is None or path == self._node.caseFolder:
            return
        with slicer.util.NodeModify(self._node):
            self._node.job = ""  # it was of the other cases
            self._node.caseFolder = path
        if is_case_folder(Path(path)):
            qt.QSettings().setValue(_FOLDER_SETTING, path)

    def _onLoaded(self, loaded: LoadedCase, name: str) -> None:
        """Show what was loaded and choose it; `name` is that of the case, "" where it is none yet."""
        if self._node is not None:  # None: the scene was closed behind another module; what is in the new one is found later
            with slicer.util.NodeModify(self._node):
                self._node.volume, self._node.segmentation = loaded.volumeNode, loaded.segmentationNode
        showInSliceViews(loaded.volumeNode)
        table_rows.select(self._ui.casesTable, name)

    def _onAdded(self, name: str) -> None:
        qt.QSettings().setValue(_FOLDER_SETTING, str(self.cases.folder))
        self._reload()
        table_rows.select(self._ui.casesTable, name)

    def _onJob(self, path: Path) -> None:
        if self._node is not None:
            self._node.job = str(path)

    def _onJobText(self) -> None:
        if self.run is not None:
            self.run.showButtons()

    def _onStarted(self, run: Path) -> None:
        self.runs.find()
        self.runs.select(str(run.resolve()))
        self.runs.lookNow()

    def _onLook(self, watch: RunWatch | None) -> None:
        for part in (self.run, self.results, self.publish, self.curves):
            part.show(watch)
        chosen = str(watch.run) if watch else ""
        if self._node is not None and watch and self._node.run != chosen:
            self._node.run = chosen


def _workRows(ui: object, polling: Polling) -> dict[str, WorkRow]:
    """One row for each kind of work that may be under way beside the others."""
    widgets = {
        "next": RowWidgets(ui.nextWork, ui.nextBar, ui.nextCancel, ui.nextMessage, ui.nextDetails, ui.nextLog),
        "add": RowWidgets(ui.addWork, ui.addBar, ui.addCancel, ui.addMessage, ui.addDetails, ui.addLog),
        "job": RowWidgets(ui.jobWork, ui.jobBar, ui.jobCancel, ui.jobMessage, ui.jobDetails, ui.jobLog),
        "run": RowWidgets(ui.runWork, ui.startBar, ui.startCancel, ui.runMessage, ui.runDetails, ui.runLog),
        "report": RowWidgets(ui.reportWork, ui.reportBar, ui.reportCancel, ui.reportMessage, ui.reportDetails, ui.reportLog),
    }
    return {name: WorkRow(row, polling) for name, row in widgets.items()}
