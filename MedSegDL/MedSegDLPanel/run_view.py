"""Apply, which becomes Cancel while the chosen volume is being segmented; the bar, the stage and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from MedSegDLPanel import wording
from MedSegDLScene.run_report import FIRST_FRAME
from MedSegDLScene.segmentation_runs import Run

# Where each stage begins and ends on the one bar: the network takes nearly all of the time.
_SPANS = {
    "model": (0.0, 0.06),
    "preprocess": (0.06, 0.1),
    "trial": (0.1, 0.12),
    "network": (0.12, 0.96),
    "postprocess": (0.96, 1.0),
}
_TIMED = "network"  # the only stage whose time left is nearly that of the whole
_STEPS = 1000  # of the bar
_DOUBLE_CLICK_SECONDS = 0.4  # Qt's own: a second click so soon after Apply is not meant for Cancel


class RunView:
    """One button, one bar, one line; what they do is said by whoever shows a state."""

    def __init__(self, root: qt.QWidget, ui: object, onApply: Callable[[], None], onCancel: Callable[[Run], None]) -> None:
        self._ui, self._onApply, self._onCancel = ui, onApply, onCancel
        self._said = ""
        self._run: Run | None = None  # what the button cancels; None: it applies
        self._appliedAt = 0.0
        ui.applyButton.connect("clicked(bool)", self._onClicked)
        self._shortcut = qt.QShortcut(qt.QKeySequence("Ctrl+Return"), root)
        self._shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
        self._shortcut.connect("activated()", self._onShortcut)
        self.showReady("")

    def showReady(self, reason: str) -> None:
        """Nothing runs for what is chosen; `reason` says why it cannot be applied, empty where it can."""
        self._run = None
        self._setButton(_("&Apply"), not reason, reason or _("Segments the volume with the chosen model (Ctrl+Return)."))
        self._ui.reasonLabel.text, self._ui.reasonLabel.visible = reason, bool(reason)

    def showCancel(self, run: Run, waits: bool) -> None:
        """What is chosen is running, or `waits` for another one, which the bar is about: the button takes it back."""
        self._run = run
        text = _("&Cancel this volume (it waits)") if waits else _("&Cancel")
        self._setButton(text, True, _("Stops segmenting {title}; nothing is changed.").format(title=run.title))
        self._ui.reasonLabel.visible = False

    def showProgress(self, run: Run | None) -> None:
        """The bar and the line of the run that is under way; with None what was said last."""
        self._ui.progressBar.visible = run is not None
        self._ui.stageLabel.text = _line(run) if run else self._said
        self._ui.stageLabel.visible = bool(self._ui.stageLabel.text)
        if run is not None:
            self._ui.progressBar.value = round(_STEPS * _done(run))

    def say(self, sentence: str) -> None:
        """What is read below the button while nothing runs, for example that a run was cancelled."""
        self._said = sentence

    def _setButton(self, text: str, enabled: bool, toolTip: str) -> None:
        button = self._ui.applyButton
        if (button.text, button.enabled, button.toolTip) != (text, enabled, toolTip):  # 100 times a second while busy
            button.text, button.enabled, button.toolTip = text, enabled, toolTip

    def _onClicked(self) -> None:
        if self._run is None:
            self._appliedAt = time.monotonic()
            self._onApply()
        elif time.monotonic() - self._appliedAt > _DOUBLE_CLICK_SECONDS:
            self._onCancel(self._run)

    def _onShortcut(self) -> None:
        """Applies only: pressed twice by mistake, the keys cancel nothing."""
        if self._run is None and self._ui.applyButton.enabled:
            self._onApply()


def _done(run: Run) -> float:
    """0…1; of several frames a run tells the share of all itself."""
    return run.fraction if run.frames > 1 else wholeFraction(run.stage, run.fraction)


def wholeFraction(stage: str, fraction: float) -> float:
    """How much of the whole is done, where the worker tells how much of one stage is."""
    start, end = _SPANS.get(stage, (0.0, 0.0))
    return start + (end - start) * fraction


def _line(run: Run) -> str:
    left = wording.timeLeft(run.seconds_left) if run.stage == _TIMED or run.frames > 1 else ""
    frame = _("frame {frame} of {frames}").format(frame=run.frame + FIRST_FRAME, frames=run.frames) if run.frames > 1 else ""
    return " · ".join(part for part in (wording.breakable(run.title), frame, wording.stage(run.stage), left) if part)
