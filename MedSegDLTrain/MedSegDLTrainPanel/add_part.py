"""Add current segmentation: says what of it will be taken as which label, then adds it to the case folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from MedSegDLLib.errors import InputError, MedSegDLError
from MedSegDLPanel.first_choices import drawnOn
from MedSegDLPanel.polling import INTERVAL_MS
from MedSegDLPanel.show_nodes import openInSegmentEditor
from MedSegDLScene.interpreter import Interpreter
from MedSegDLScene.steps import goOn
from MedSegDLTrainPanel.cases_part import CasesPart, useText
from MedSegDLTrainPanel.choices import Annotated, CaseStatus
from MedSegDLTrainPanel.taken import takenOf
from MedSegDLTrainPanel.work_row import WorkRow
from MedSegDLTrainScene.add_case import (
    Adding,
    AnnotatedSlices,
    CaseDraft,
    Which,
    addCase,
    annotatedSlicesInSteps,
    labelTableFor,
    sliceAxes,
    suggestedPatient,
)
from MedSegDLTrainScene.case_table import CaseRow
from MedSegDLTrainScene.load_case import rememberedCase
from MedSegDLTrainScene.looking import is_absent

_MILLISECONDS_OF_REST = 150  # the segmentation is looked at when nobody has changed anything for so long


class AddPart:
    """Shows and adds what the parameter node says; `cases` is the CasesPart, onAdded(name) is called for a new case."""

    def __init__(
        self, ui: object, interpreter: Interpreter, row: WorkRow, cases: CasesPart, onAdded: Callable[[str], None]
    ) -> None:
        self._ui, self._interpreter, self._row, self._cases, self._onAdded = ui, interpreter, row, cases, onAdded
        self._node = self._volume = None
        self._taken = self._judging = None
        self._rest = _timer(_MILLISECONDS_OF_REST, self._look, singleShot=True)
        self._steps = _timer(INTERVAL_MS, self._goOn, singleShot=False)
        ui.axisCombo.connect("currentIndexChanged(int)", self._onAxis)
        ui.editButton.connect("clicked(bool)", self.edit)
        ui.addButton.connect("clicked(bool)", self.add)
        self._look()

    def show(self, node: object | None) -> None:
        """Follow the parameter node (None: the scene is being closed), which has changed."""
        self._node = node
        if node is not None:
            self._suggest(node)
        else:
            self._volume = None
            self._listAxes()
        self._showFields()
        self.changed()

    def changed(self) -> None:
        """What is to be added has changed: nothing is added before it was said what that would be."""
        self._taken = None
        self._steps.stop()
        self._showButton()
        self._rest.start()

    def edit(self) -> None:
        """Go on with these segments in the Segment Editor."""
        openInSegmentEditor(self._node.segmentation, self._node.volume)

    def add(self) -> None:
        """Copy image and segments into the case folder, which is made if the person agrees."""
        draft = self._draft()
        if is_absent(draft.folder) and not slicer.util.confirmOkCancelDisplay(
            _("There is no folder {folder} yet. Make it as a new case folder?").format(folder=draft.folder)
        ):
            return
        try:
            adding = addCase(draft, self._interpreter)
        except MedSegDLError as problem:
            self._row.say(str(problem))
            return
        said = _("Adding {image}…").format(image=draft.volumeNode.GetName())
        self._row.follow(adding, said, lambda adding: self._onEnded(adding, draft.folder))
        self._showButton()

    def close(self) -> None:
        """Look at nothing any more."""
        self._rest.stop()
        self._steps.stop()

    def _onEnded(self, adding: Adding | None, folder: Path) -> None:
        self._showButton()
        if adding is None:
            return
        if not adding.caseName:
            self._row.say(adding.sentence)
            return
        if folder != self._cases.folder:
            self._row.say(_("Added as case {name} to {folder}.").format(name=adding.caseName, folder=folder))
            return
        self._onAdded(adding.caseName)
        row = self._cases.rowNamed(adding.caseName)
        self._row.say(_addedSentence(adding, row))

    def _suggest(self, node: object) -> None:
        """What was said of one image must not be taken for another, whoever chose it."""
        if node.volume is not None and node.volume is not node.patientVolume:
            with slicer.util.NodeModify(node):
                node.patientVolume = node.volume
                node.patient, node.status = self._patientOf(node.volume), CaseStatus.CORRECTED
                node.slices = node.axis = ""
        if node.volume is not self._volume:
            self._volume = node.volume
            self._listAxes()

    def _patientOf(self, volume: slicer.vtkMRMLScalarVolumeNode) -> str:
        known = rememberedCase(volume)
        return known.patient if known else suggestedPatient(volume)

    def _look(self) -> None:
        """Say what would be taken now, or why nothing can be."""
        self._rest.stop()
        self._taken, problem = None, self._missing()
        self._judging = self._judge(self._draft()) if not problem else None
        if problem:
            self._ui.takenLabel.text = problem
            self._showButton()
        else:
            self._goOn()

    def _goOn(self) -> None:
        """Take the judging a little further: in a large volume it takes a while to see which slices have segments."""
        more = False
        try:
            more = goOn(self._judging)
        except MedSegDLError as wrong:
            self._taken, self._ui.takenLabel.text = None, str(wrong)
        if not more:
            self._steps.stop()
            self._showButton()
        elif not self._steps.active:
            self._ui.takenLabel.text = _("Looking which slices have segments…")
            self._steps.start()

    def _judge(self, draft: CaseDraft) -> Iterator[None]:
        """Show what a case takes of the segmentation, in steps; raises InputError with what is wrong with it."""
        table = labelTableFor(draft.folder, draft.segmentationNode)
        taken = takenOf(draft.folder, draft.segmentationNode, table)
        if not taken.pairs:
            raise InputError(
                _("None of the segments is a label of the folder ({names}): rename them in the Segment Editor.").format(
                    names=", ".join(label.name for label in table.labels)
                )
            )
        slices = yield from annotatedSlicesInSteps(draft)
        lines = (taken.sentences(), _elsewhereSentence(draft), slices)
        self._taken, self._ui.takenLabel.text = taken, "\n".join(line for line in lines if line)

    def _showFields(self) -> None:
        """Fields that some choices only need."""
        ui, annotated = self._ui, self._node.annotated if self._node else Annotated.ALL
        ui.axisCombo.visible = ui.axisLabel.visible = annotated is not Annotated.ALL
        ui.slicesEdit.visible = ui.slicesLabel.visible = annotated is Annotated.LISTED

    def _listAxes(self) -> None:
        """The planes in which slices may be counted, the volume's own first; chosen is what was, if it was for this volume."""
        combo = self._ui.axisCombo
        wasBlocked = combo.blockSignals(True)
        combo.clear()
        axes = sliceAxes(self._volume) if _hasVoxels(self._volume) else ()
        for axis in axes:
            combo.addItem(_axisText(axis), axis)
        if self._node is not None and self._node.axis in axes:
            combo.setCurrentIndex(axes.index(self._node.axis))
        combo.blockSignals(wasBlocked)

    def _onAxis(self) -> None:
        if self._node is not None:
            self._node.axis = self._axis()

    def _axis(self) -> str:
        combo = self._ui.axisCombo
        return combo.itemData(combo.currentIndex) if combo.currentIndex >= 0 else ""

    def _missing(self) -> str:
        """What is not chosen yet, as a sentence; "" when all is."""
        if self._cases.folder is None:
            return _("Choose a case folder first.")
        if self._node is None or self._node.volume is None:
            return _("Choose the image that was segmented.")
        if not _hasVoxels(self._node.volume):
            return _("This image has no voxels: choose another one.")
        if self._node.segmentation is None:
            return _("Choose the segmentation of this image.")
        return "" if self._node.patient.strip() else _("Type a key for the patient.")

    def _showButton(self) -> None:
        self._ui.editButton.enabled = self._node is not None and self._node.segmentation is not None
        self._ui.addButton.enabled = self._taken is not None and not self._row.busy
        self._ui.addButton.toolTip = (
            _(
                "Copy the image and its segments into the case folder. An image that is there already gets the new "
                "segments; the earlier ones are kept."
            )
            if self._taken
            else self._ui.takenLabel.text
        )

    def _draft(self) -> CaseDraft:
        node = self._node
        slices = AnnotatedSlices(Which[node.annotated.name], self._axis(), node.slices)
        return CaseDraft(
            folder=self._cases.folder,
            volumeNode=node.volume,
            segmentationNode=node.segmentation,
            patient=node.patient.strip(),
            status=node.status.value,
            annotated=slices,
            leaveOutOthers=True,
        )


def _timer(milliseconds: int, call: Callable[[], None], singleShot: bool) -> qt.QTimer:
    timer = qt.QTimer()
    timer.setInterval(milliseconds)
    timer.setSingleShot(singleShot)
    timer.connect("timeout()", call)
    return timer


def _hasVoxels(volume: slicer.vtkMRMLScalarVolumeNode | None) -> bool:
    return volume is not None and volume.GetImageData() is not None


def _axisText(axis: str) -> str:
    return {"axial": _("axial"), "coronal": _("coronal"), "sagittal": _("sagittal")}.get(axis, axis)


def _elsewhereSentence(draft: CaseDraft) -> str:
    """That the segments are another image's, as far as Slicer knows; "" where they are this image's."""
    other = drawnOn(draft.segmentationNode)
    if other is None or other is draft.volumeNode:
        return ""
    return _("They were drawn on '{other}'; what of them lies in '{image}' is taken.").format(
        other=other.GetName(), image=draft.volumeNode.GetName()
    )


def _addedSentence(adding: Adding, row: CaseRow | None) -> str:
    if row is None:
        return _("Added as case {name}.").format(name=adding.caseName)
    again = _(" Its earlier segments are kept.") if adding.version > 1 else ""
    overlap = _(" {voxels} voxels are in several segments: each became the label that is later in the table of labels.")
    return (
        _("Added as case {name} of patient {patient}: {use}, version {version}.").format(
            name=adding.caseName, patient=row.patient, use=useText(row.use), version=adding.version
        )
        + again
        + (overlap.format(voxels=f"{adding.overlapVoxels:,}") if adding.overlapVoxels else "")
    )
