"""Models that come and go: import from a file or folder, download with resume, removal after a question."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from MedSegDLLib.model_card import CARD_FILE
from MedSegDLLib.zoo import ZooModel, user_zoo
from MedSegDLPanel.polling import Polling
from MedSegDLScene.dependencies import Process

# What the command line advises for a model that is there, and for a download that was cut.
_REPLACE_ADVICE = "add --replace to replace it"
_AGAIN_ADVICE = "Run the same command again"


class ModelArrivals:
    """The buttons below the list of models; files are moved and checked by a process of their own."""

    def __init__(
        self, ui: object, start: Callable[[Sequence[str]], Process], polling: Polling, onChanged: Callable[[str], None]
    ) -> None:
        """`start` runs Slicer's Python with these arguments; `onChanged` is told the id of a model that came, or ""."""
        self._ui, self._start, self._polling, self._onChanged = ui, start, polling, onChanged
        self._process: Process | None = None
        self._stopped = False
        self._model: ZooModel | None = None
        ui.importButton.connect("clicked(bool)", self._onImport)
        ui.downloadButton.connect("toggled(bool)", self._onAddress)
        ui.addressEdit.connect("textChanged(QString)", self._showButtons)
        ui.addressEdit.connect("returnPressed()", self._onDownload)
        ui.startDownloadButton.connect("clicked(bool)", self._onDownload)
        ui.transferCancelButton.connect("clicked(bool)", self._onStop)
        ui.removeButton.connect("clicked(bool)", self._onRemove)
        polling.add(self._poll)
        ui.downloadFrame.visible = False
        self._say("")
        self._showButtons()

    def show(self, model: ZooModel | None) -> None:
        """The model that the Remove button is about."""
        self._model = model
        self._showButtons()

    def close(self) -> None:
        """End what is under way."""
        if self._process is not None:
            self._process.cancel()
            self._process = None

    def _showButtons(self, *_text: str) -> None:
        ui, busy = self._ui, self._process is not None
        ui.transferFrame.visible = busy
        ui.importButton.enabled = ui.addressEdit.enabled = not busy
        ui.startDownloadButton.enabled = not busy and bool(ui.addressEdit.text.strip())
        own = self._model is not None and self._model.folder.parent == user_zoo()
        ui.removeButton.enabled = own and not busy
        ui.removeButton.toolTip = (
            _("Deletes the chosen model from your own models, after a question.")
            if own or self._model is None
            else _("This model came with MedSegDL, or lies in a folder of somebody else: it cannot be removed here.")
        )

    def _say(self, sentence: str) -> None:
        self._ui.transferLabel.text, self._ui.transferLabel.visible = sentence, bool(sentence)

    def _onAddress(self, shown: bool) -> None:
        self._ui.downloadFrame.visible = shown
        if shown:
            self._ui.addressEdit.setFocus()

    def _onImport(self) -> None:
        file = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), _("Import a model"), "", _("Model archive or card (*.zip {card})").format(card=CARD_FILE)
        )
        if file:
            path = Path(file)
            self._run(["import", str(path.parent if path.name == CARD_FILE else path)], _("Checking the model…"))

    def _onDownload(self) -> None:
        address = self._ui.addressEdit.text.strip()
        if address and self._process is None:
            self._run(["download", address, "--progress", "json"], _("Downloading…"))

    def _run(self, arguments: Sequence[str], sentence: str) -> None:
        self._process = self._start(["-m", "MedSegDLLib", "models", *arguments])
        self._stopped = False
        self._ui.transferBar.maximum = 0  # until the first number comes
        self._say(sentence)
        self._showButtons()
        self._polling.wake()

    def _onStop(self) -> None:
        self._stopped = True
        if self._process is not None:
            self._process.cancel()

    def _poll(self) -> bool:
        process = self._process
        if process is None:
            return False
        process.poll()
        if process.events and "fraction" in process.events[-1]:
            self._ui.transferBar.maximum = 100
            self._ui.transferBar.value = int(100 * process.events[-1]["fraction"])
        if not process.ended:
            return True
        self._process = None
        self._conclude(process)
        return False

    def _conclude(self, process: Process) -> None:
        if self._stopped:
            self._say(_("Stopped. What has come is kept: press 'Get it' again to go on from there."))
        elif process.status != 0:
            self._say(_readable(process.sentence))
        else:
            modelId = _idIn(process.lines)
            self._say(_("The model '{id}' is there now.").format(id=modelId))
            self._ui.downloadButton.checked = False
            self._onChanged(modelId)
        self._showButtons()

    def _onRemove(self) -> None:
        model = self._model
        question = _("Delete the model '{title}' from your own models?\n\n{folder}\n\nSegmentations that it made stay.")
        if model is None or not slicer.util.confirmOkCancelDisplay(
            question.format(title=model.card.title, folder=model.folder), windowTitle=_("Remove model")
        ):
            return
        try:
            shutil.rmtree(model.folder)
        except OSError as reason:
            self._say(_("The model cannot be removed: {reason}.").format(reason=reason.strerror))
        else:
            self._say(_("The model '{id}' was removed.").format(id=model.card.id))
        self._onChanged("")


def _readable(sentence: str) -> str:
    """The command line's sentence with advice for somebody who has buttons."""
    return sentence.replace(_REPLACE_ADVICE, _("remove it first")).replace(_AGAIN_ADVICE, _("Press 'Get it' again"))


def _idIn(lines: Sequence[str]) -> str:
    """The id in "id: imported into …" or "id: downloaded into …"."""
    marks = (": imported into ", ": downloaded into ")
    return next((line.partition(mark)[0] for line in lines for mark in marks if mark in line), "")
