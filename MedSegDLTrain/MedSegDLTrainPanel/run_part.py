"""The chosen run: start, pause, go on, stop, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from MedSegDLLib.errors import MedSegDLError
from MedSegDLPanel.wording import timeLeft
from MedSegDLScene.interpreter import Interpreter
from MedSegDLTrainLib.progress import ASKED_TO_PAUSE
from MedSegDLTrainLib.run_folder import RunStatus
from MedSegDLTrainPanel.job_view import JobView
from MedSegDLTrainPanel.runs_list import stateText
from MedSegDLTrainPanel.work_row import WorkRow
from MedSegDLTrainScene.known_runs import free_run_folder, runs_of
from MedSegDLTrainScene.run_history import RunHistory
from MedSegDLTrainScene.runs import RunWatch, Starting, pause_run, resume_run, run_status, start_run, stop_run

_AT_WORK = ("running", "paused")
_MAY_GO_ON = ("paused", "stopped", "killed", "failed")


class RunPart:
    """Its buttons, bar and sentence; onStarted(run folder) is called when a training works on a new or an old run."""

    def __init__(
        self, ui: object, interpreter: Interpreter, row: WorkRow, job: JobView, onStarted: Callable[[Path], None]
    ) -> None:
        self._ui, self._interpreter, self._row, self._job, self._onStarted = ui, interpreter, row, job, onStarted
        self._folder, self._watch, self._asked = None, None, ""
        ui.startButton.connect("clicked(bool)", self.start)
        ui.pauseButton.connect("clicked(bool)", self.pauseOrGoOn)
        ui.stopButton.connect("clicked(bool)", self.stop)
        self.show(None)

    def showFolder(self, folder: Path | None) -> None:
        """The case folder, beside which runs lie."""
        self._folder = folder
        self.showButtons()

    def show(self, watch: RunWatch | None) -> None:
        """Where the chosen run stands now (None: none is chosen)."""
        if self._watch is not watch or (watch and _isDone(self._asked, watch.status.state)):
            self._asked = ""
        self._watch = watch
        status = watch.status if watch else None
        for widget in (self._ui.runBar, self._ui.pauseButton, self._ui.stopButton):
            widget.visible = status is not None
        if status:
            self._ui.runBar.maximum = status.steps
            self._ui.runBar.value = status.step
        self._ui.runState.text = self._sentence()
        self.showButtons()

    def start(self) -> None:
        """Train as the job says, in a run folder of its own; where these cases are trained on already, after a question."""
        atWork = [run.name for run in runs_of(self._folder) if run_status(run).state == "running"]
        if atWork and not slicer.util.confirmOkCancelDisplay(
            _("The training '{run}' is still at work, and two at once slow each other down. Start another one?").format(
                run=atWork[0]
            )
        ):
            return
        run = free_run_folder(self._folder)
        self._begin(lambda: start_run(self._job.path, run, self._interpreter), _("The training starts…"))

    def pauseOrGoOn(self) -> None:
        """Let a run that trains wait, and any other go on."""
        if self._state() == "running":
            self._ask(pause_run, "pause")
        else:
            self._begin(lambda: resume_run(self._watch.run, self._interpreter), _("The training goes on…"))

    def stop(self) -> None:
        """End the run after its present step."""
        self._ask(stop_run, "stop")

    def showButtons(self) -> None:
        """Which buttons can be pressed now, and why the others cannot."""
        ui, state = self._ui, self._state()
        reason = self._startReason()
        ui.startButton.enabled = not reason
        ui.startButton.toolTip = reason or _("Train as planned, in the background: it goes on when Slicer is closed.")
        ui.startReason.text = reason
        ui.startReason.visible = bool(reason) and not self._row.busy
        ui.pauseButton.text = _("Resume") if state in _MAY_GO_ON else _("Pause")
        waits = self._watch is not None and _waitsForRoom(self._watch.status)
        ui.pauseButton.enabled = not (self._row.busy or self._asked or waits) and (state == "running" or state in _MAY_GO_ON)
        ui.stopButton.enabled = state in _AT_WORK and self._asked != "stop"

    def _begin(self, begin: Callable[[], Starting | None], sentence: str) -> None:
        try:
            starting = begin()
        except MedSegDLError as problem:
            self._row.say(str(problem))
            return
        if starting is None:
            self._row.say("")
            self._onStarted(self._watch.run)
            return
        self._row.follow(starting, sentence, self._onEnded)
        self.showButtons()

    def _onEnded(self, starting: Starting | None) -> None:
        if starting is not None:
            self._row.say(starting.sentence, starting.lines if starting.failed else ())
            self._onStarted(starting.run)
        self.showButtons()

    def _ask(self, ask: Callable[[Path], None], what: str) -> None:
        try:
            ask(self._watch.run)
        except MedSegDLError as problem:
            self._row.say(str(problem))
            return
        self._asked = what
        self._row.say("")
        self._watch.look()
        self.show(self._watch)

    def _state(self) -> str:
        return self._watch.status.state if self._watch else ""

    def _startReason(self) -> str:
        """Why no training can start now, or ""."""
        if self._row.busy:
            return _("A training is being started.")
        if self._job.path is None:
            return _("Plan the training first, above: the plan says how to train.")
        return "" if self._job.usable else _("Check the changed text of the plan first, above.")

    def _sentence(self) -> str:
        if self._watch is None:
            return _("No training yet.")
        status = self._watch.status
        if self._asked:
            return _("Pausing after the present step…") if self._asked == "pause" else _("Stopping after the present step…")
        lines = (" · ".join(_facts(status, self._watch.history)), _hint(status), *self._watch.history.warnings[-1:])
        return "\n".join(line for line in lines if line)


def _isDone(asked: str, state: str) -> bool:
    return (asked == "pause" and state != "running") or (asked == "stop" and state not in _AT_WORK)


def _waitsForRoom(status: RunStatus) -> bool:
    """Whether a run waits for something else than a person: it goes on by itself."""
    return status.state == "paused" and status.reason != ASKED_TO_PAUSE


def _facts(status: RunStatus, history: RunHistory) -> list[str]:
    """State, step, loss, best validation, time left: as far as they are known."""
    words = stateText(status.state)
    parts = [words[:1].upper() + words[1:]]
    if history.preparing:
        done, of = history.preparing
        parts.append(_("{done} of {of} cases prepared").format(done=done, of=of))
    elif status.steps and status.step >= status.steps and status.state == "running":
        parts.append(_("All {steps} steps are done, last validation").format(steps=f"{status.steps:,}"))
    elif status.steps:
        parts.append(_("Step {step} of {steps}").format(step=f"{status.step:,}", steps=f"{status.steps:,}"))
    if status.loss is not None:
        parts.append(_("loss {loss:.3f}").format(loss=status.loss))
    if status.score is not None:
        metric = {"dice": _("Dice"), "": _("score")}.get(history.metric, history.metric)
        parts.append(_("best {metric} {score:.3f}").format(metric=metric, score=status.score))
    if status.state == "running" and status.seconds_left is not None:
        parts.append(timeLeft(status.seconds_left))
    return parts


def _hint(status: RunStatus) -> str:
    """What a person can do now, or why the run stands still."""
    if status.state == "failed" or _waitsForRoom(status):
        return status.reason[:1].upper() + status.reason[1:].rstrip(".") + "."
    return {
        "killed": _("The computer or the training was switched off: Resume goes on from the last checkpoint."),
        "paused": _("Resume lets it go on."),
        "stopped": _("Resume goes on from there."),
        "finished": _("Look at the report; if it is good enough, publish it as a model."),
    }.get(status.state, "")
