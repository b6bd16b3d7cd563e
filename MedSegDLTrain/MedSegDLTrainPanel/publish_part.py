"""Publish…: the chosen run's best weights become a model of MedSegDL, unless there is a reason against it."""

from __future__ import annotations

from collections.abc import Callable

from slicer.i18n import tr as _

from MedSegDLLib.errors import MedSegDLError
from MedSegDLLib.model_card import is_model_id
from MedSegDLLib.zoo import list_models
from MedSegDLScene.command_process import CommandProcess
from MedSegDLScene.interpreter import Interpreter
from MedSegDLTrainPanel.work_row import WorkRow
from MedSegDLTrainScene.jobs import publish_arguments
from MedSegDLTrainScene.runs import RunWatch
from MedSegDLTrainScene.validation import validation_rows

_ALTHOUGH_WORSE = "--although-worse"  # what the command line advises where the new model is worse


class PublishPart:
    """Id, title, what the images are, and the buttons; onPublished() is called when MedSegDL has a new model."""

    def __init__(self, ui: object, interpreter: Interpreter, row: WorkRow, onPublished: Callable[[], None]) -> None:
        self._ui, self._interpreter, self._row, self._onPublished = ui, interpreter, row, onPublished
        self._watch, self._worse = None, ""
        ui.publishButton.connect("toggled(bool)", self._onToggled)
        ui.publishId.connect("textChanged(QString)", self._onTyped)
        ui.publishTitle.connect("textChanged(QString)", self._onTyped)
        ui.publishKind.addItem(_("choose…"), "")
        for kind, text in _kinds().items():
            ui.publishKind.addItem(text, kind)
        ui.publishKind.connect("currentIndexChanged(int)", self._onTyped)
        ui.publishNowButton.connect("clicked(bool)", self.publish)
        ui.publishWorseButton.connect("clicked(bool)", self.publishAlthoughWorse)
        ui.publishGroup.visible = False
        self.show(None)

    def show(self, watch: RunWatch | None) -> None:
        """The chosen run after a look at it."""
        if watch is None or self._watch is None or watch.run != self._watch.run:
            self._worse = ""
            self._ui.publishKind.setCurrentIndex(0)  # asked of each run anew
        self._watch = watch
        self._ui.publishButton.visible = watch is not None
        if watch is None:
            self._ui.publishButton.checked = False
        if self._ui.publishGroup.visible:
            self._showButtons()

    def publish(self) -> None:
        """Measure the model and put it into this user's zoo, unless it is worse than what it started from."""
        self._begin(although_worse=False)

    def publishAlthoughWorse(self) -> None:
        """The second yes."""
        self._begin(although_worse=True)

    def _begin(self, although_worse: bool) -> None:
        modelId, texts = self._ui.publishId.text.strip(), {"title": self._ui.publishTitle.text.strip()}
        arguments = publish_arguments(self._watch.run, modelId, self._kind(), texts, although_worse=although_worse)
        process = CommandProcess(self._interpreter, arguments)
        self._worse = ""
        self._row.follow(process, _("The model is measured on the cases that it was not trained on…"), self._ended(modelId))
        self._showButtons()

    def _ended(self, modelId: str) -> Callable[[CommandProcess | None], None]:
        def onEnded(process: CommandProcess | None) -> None:
            if process is not None and process.status == 0:
                self._ui.publishButton.checked = False
                self._row.say(_("“{model}” is a model of MedSegDL now: choose it there.").format(model=modelId), process.lines)
                self._onPublished()
            elif process is not None and _ALTHOUGH_WORSE in process.sentence:
                self._worse = process.sentence.partition(" Nothing was published")[0]
            elif process is not None:
                self._row.say(process.sentence, process.lines)
            if self._worse:
                self._row.say("")
            self._showButtons()

        return onEnded

    def _kind(self) -> str:
        return self._ui.publishKind.currentData or ""

    def _onToggled(self, shown: bool) -> None:
        self._ui.publishGroup.visible = shown
        self._showButtons()

    def _onTyped(self) -> None:
        self._worse = ""
        self._showButtons()

    def _showButtons(self) -> None:
        ui, refused = self._ui, self._reason()
        ui.publishReason.text = refused or self._worse
        ui.publishReason.visible = bool(ui.publishReason.text)
        ui.publishNowButton.enabled = not refused and not self._worse
        ui.publishWorseButton.visible = bool(self._worse) and not refused

    def _reason(self) -> str:
        """Why it cannot be published now, or ""."""
        if self._watch is None:
            return _("Choose a run first.")
        if self._row.busy:
            return _("Other work on this run comes first.")
        if not _isValidated(self._watch):
            return _(
                "This run has no validation result, so nobody knows how good its model is: let it go on until its first "
                "validation, with at least one patient to validate on."
            )
        return self._reasonOfTexts()

    def _reasonOfTexts(self) -> str:
        modelId = self._ui.publishId.text.strip()
        if not modelId:
            return _("Type an id for the model.")
        if not is_model_id(modelId):
            return _("An id is made of 1 to 64 of a-z, 0-9 and _.")
        if modelId in {model.card.id for model in list_models()}:
            return _("There is a model of this id already: choose another.")
        if not self._ui.publishTitle.text.strip():
            return _("Type a title, under which people find the model.")
        return "" if self._kind() else _("Choose what the images of the cases are: the model's card says it.")


def _kinds() -> dict[str, str]:
    """STATED_KINDS for people; a panel asks until one of them is said."""
    return {
        "real": _("real: scans of people"),
        "synthetic": _("synthetic: made by a program"),
        "real and synthetic": _("real and synthetic"),
    }


def _isValidated(watch: RunWatch) -> bool:
    try:
        return bool(validation_rows(watch.run))
    except MedSegDLError:
        return False
