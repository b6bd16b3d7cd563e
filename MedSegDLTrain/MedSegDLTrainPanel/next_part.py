"""Next case to correct: a model segments what nobody has checked yet; the one that it is least sure of is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from slicer.i18n import tr as _

from MedSegDLLib.errors import MedSegDLError
from MedSegDLLib.zoo import list_models
from MedSegDLScene.interpreter import Interpreter
from MedSegDLScene.model_choice import distinctTitles
from MedSegDLTrainLib.cases import PREDICTED
from MedSegDLTrainPanel.work_row import WorkRow
from MedSegDLTrainScene.load_case import LoadedCase, loadCandidate
from MedSegDLTrainScene.next_case import Candidate, NextCases


class NextPart:
    """Its button, its model and its bar; onLoaded(LoadedCase, name of the case or "") is called when one was loaded."""

    def __init__(self, ui: object, interpreter: Interpreter, row: WorkRow, onLoaded: Callable[[LoadedCase, str], None]) -> None:
        self._ui, self._interpreter, self._row, self._onLoaded = ui, interpreter, row, onLoaded
        self._folder = self._images = None
        self._anyPredicted = False
        ui.nextCaseButton.connect("clicked(bool)", self.start)
        ui.nextModel.connect("currentIndexChanged(int)", self._showReason)
        self.listModels()

    def listModels(self) -> None:
        """Offer the models that there are now; the chosen one stays chosen."""
        combo = self._ui.nextModel
        chosen = self._modelId()
        combo.clear()
        for modelId, title in distinctTitles(list_models()).items():
            combo.addItem(title, modelId)
        combo.setCurrentIndex(max(combo.findData(chosen), 0) if combo.count else -1)
        self._showReason()

    def show(self, folder: Path | None, images: Path | None, statuses: Sequence[str]) -> None:
        """Where to look: a case folder with cases of these statuses, and a folder of images that are no cases yet (or None)."""
        self._folder, self._images = folder if statuses else None, images
        self._anyPredicted = PREDICTED in statuses
        self._ui.nextGroup.visible = bool(statuses) or self._row.busy  # before the first case there is nothing to choose from
        self._showReason()

    def start(self) -> None:
        """Let the model look at every case that nobody has checked."""
        folder = self._folder
        try:
            looking = NextCases(folder, self._modelId(), self._interpreter, self._images)
        except MedSegDLError as problem:
            self._row.say(str(problem))
            return
        said = _("The model looks at the cases that nobody has corrected yet…")
        self._row.follow(looking, said, lambda looking: self._onEnded(looking, folder), _fraction)
        self._showReason()

    def _onEnded(self, looking: NextCases | None, folder: Path) -> None:
        self._showReason()
        if looking is None:
            return
        if folder != self._folder:
            self._row.say(_("Another case folder was chosen meanwhile, so nothing was loaded."), looking.lines)
            return
        if not looking.ranked:
            self._row.say(looking.sentence or _("There is no case left that nobody has corrected."), looking.lines)
            return
        candidate = looking.ranked[0]
        try:
            loaded = loadCandidate(folder, candidate)
        except MedSegDLError as problem:
            self._row.say(str(problem), looking.lines)
            return
        self._row.say(_said(candidate, len(looking.ranked)), looking.warnings)
        self._onLoaded(loaded, candidate.case)

    def _modelId(self) -> str:
        combo = self._ui.nextModel
        return combo.itemData(combo.currentIndex) if combo.currentIndex >= 0 else ""

    def _showReason(self) -> None:
        reason = self._reason()
        self._ui.nextCaseButton.enabled = not reason
        self._ui.nextReason.text = "" if self._row.busy else reason
        self._ui.nextReason.visible = bool(self._ui.nextReason.text)

    def _reason(self) -> str:
        """Why it cannot start now, or ""."""
        if self._row.busy:
            return _("The next case is being looked for.")
        if self._folder is None:
            return _("Choose a case folder with cases first.")
        if not self._anyPredicted and self._images is None:
            return _("All cases are corrected: choose a folder of images that are no cases yet.")
        return "" if self._modelId() else _("There is no model to judge by: import or download one in MedSegDL.")


def _fraction(looking: NextCases) -> float | None:
    return looking.done / looking.of if looking.of else None


def _said(candidate: Candidate, ranked: int) -> str:
    if ranked == 1:
        return _("Loaded {name}, the last one that nobody has corrected. Correct its segments, then add it below.").format(
            name=candidate.name
        )
    return _(
        "Loaded {name}, of {ranked} the one that the model is least sure of (mean entropy {entropy:.3f} bits a voxel). "
        "Correct its segments, then add it below."
    ).format(name=candidate.name, ranked=ranked, entropy=candidate.mean_entropy)
