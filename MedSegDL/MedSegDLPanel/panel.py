"""The panel as a whole: hands what the parameter node says to the parts, and what people do to node and runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from MedSegDLLib.options import SegmentOptions
from MedSegDLPanel import show_nodes
from MedSegDLPanel.choices import Frames
from MedSegDLPanel.dependencies_banner import DependenciesBanner
from MedSegDLPanel.device_choice import DeviceChoice
from MedSegDLPanel.error_view import ErrorView
from MedSegDLPanel.label_tree import LabelTree
from MedSegDLPanel.model_arrivals import ModelArrivals
from MedSegDLPanel.model_card_view import ModelCardView
from MedSegDLPanel.model_list import ModelList
from MedSegDLPanel.polling import Polling
from MedSegDLPanel.queue_view import QueueView
from MedSegDLPanel.readiness import reasonNotToApply
from MedSegDLPanel.region_choice import RegionChoice
from MedSegDLPanel.result_view import ResultView
from MedSegDLPanel.run_view import RunView
from MedSegDLPanel.wording import breakable
from MedSegDLScene.command_process import CommandProcess
from MedSegDLScene.interpreter import Interpreter
from MedSegDLScene.model_choice import warningsFor
from MedSegDLScene.segmentation_runs import Order, Run, SegmentationRuns
from MedSegDLScene.segments import Existing
from MedSegDLScene.sequences import framesOf
from MedSegDLScene.worker_client import WorkerClient


class Panel:
    """Everything between the widgets of MedSegDL.ui and the runs; the parameter node is what is chosen."""

    def __init__(
        self,
        root: qt.QWidget,
        ui: object,
        client: WorkerClient,
        runs: SegmentationRuns,
        interpreter: Interpreter,
        requirements: Path,
    ) -> None:
        self._ui, self._client, self._runs = ui, client, runs
        self._node = None  # MedSegDLParameterNode, while there is a scene to have one
        self._told: set[Run] = set()  # runs of which the end was shown
        self._warm = ""  # id of the model that the worker was asked to load ahead
        self._failure = None  # of the worker's start, as it was shown
        self._polling = Polling()

        def start(arguments: Sequence[str]) -> CommandProcess:
            return CommandProcess(interpreter, arguments)

        self._dependencies = DependenciesBanner(ui, requirements, start, self._polling, self.show)
        self._models = ModelList(ui, self._onModel)
        self._card = ModelCardView(ui)
        self._arrivals = ModelArrivals(ui, start, self._polling, self._onModelsChanged)
        self._labels = LabelTree(ui, self._onLabels)
        self._region = RegionChoice(ui, lambda: self._node.inputVolume if self._node else None)
        self._devices = DeviceChoice(ui, self._onDevice)
        self._run = RunView(root, ui, self._onApply, self._onCancel)
        self._queue = QueueView(ui, self._onCancel)
        self._error = ErrorView(ui)
        self._result = ResultView(ui, self._onTrain)
        self._polling.add(self._poll)

    def follow(self, parameterNode: object | None) -> None:
        """Show this parameter node from now on; None while a scene is being closed."""
        self._node = parameterNode
        self._result.look()
        if parameterNode is not None:
            self._dependencies.look()
            self._models.look()
            if not parameterNode.modelId:
                parameterNode.modelId = self._models.firstId
        self.show()

    def show(self) -> None:
        """Show what the parameter node says now."""
        if self._node is None:
            return
        node, model = self._node, self._models.modelOf(self._node.modelId)
        self._models.select(node.modelId)
        self._card.show(model.card if model else None)
        self._card.warn(warningsFor(node.inputVolume, model.card) if model else ())
        self._arrivals.show(model)
        self._labels.show(self._models.labelsOf(node.modelId), _chosenLabels(node))
        self._showOptions()
        self._showRuns()
        self._warmUp()

    def look(self) -> None:
        """Nodes have come or gone: take away what was about them."""
        self._result.look()
        self.show()

    def close(self) -> None:
        """End everything that is under way; the panel is not used again."""
        self._polling.stop()
        self._dependencies.close()
        self._arrivals.close()

    @property
    def _everyFrame(self) -> bool:
        return self._node.frames is Frames.EVERY and framesOf(self._node.inputVolume) is not None

    def _showOptions(self) -> None:
        node, ui = self._node, self._ui
        ui.framesLabel.visible = ui.framesComboBox.visible = framesOf(node.inputVolume) is not None
        self._showExisting(node.outputSegmentation is not None)
        model = self._models.modelOf(node.modelId)
        if model is not None:
            ui.cardOverlapCheckBox.text = _("As the model says ({overlap:.0%})").format(overlap=model.card.inference.overlap)
        ui.overlapSlider.visible = not node.overlapOfModel
        self._devices.show(self._client.devices, node.device)

    def _showExisting(self, isOldSegmentation: bool) -> None:
        combo = self._ui.existingComboBox
        combo.enabled = isOldSegmentation and not self._everyFrame
        combo.toolTip = _("What becomes of the segments that the chosen segmentation already has.")
        if isOldSegmentation and self._everyFrame:
            combo.toolTip = _("Every frame replaces all segments of the chosen segmentation.")
        elif not isOldSegmentation:
            combo.toolTip = _("A new segmentation has no segments yet: choose one above that has.")

    def _reason(self) -> str:
        node = self._node
        return reasonNotToApply(
            self._dependencies.complete, node.inputVolume, self._models.modelOf(node.modelId), node.modelId, _chosenLabels(node)
        )

    def _showRuns(self) -> None:
        """The button, the bar, the queue, and the end of each run, once."""
        for run in self._runs.runs:
            if run.ended and run not in self._told:
                self._told.add(run)
                self._tell(run)
        active = [run for run in self._runs.runs if not run.ended]
        if self._node is not None:
            ours = next((run for run in active if self._isChosen(run)), None)
            if ours:
                self._run.showCancel(ours, waits=ours is not active[0])
            else:
                self._run.showReady(self._reason())
        self._run.showProgress(active[0] if active else None)
        self._queue.show(active)
        self._tellFailedStart()

    def _isChosen(self, run: Run) -> bool:
        order = run.order
        return order.volumeNode is self._node.inputVolume and order.modelId == self._node.modelId

    def _tell(self, run: Run) -> None:
        if run.state == "finished":
            self._result.show(run)
        elif run.state == "failed":
            self._error.show(f"{breakable(run.title)}: {run.sentence}", run.log)
        else:
            self._run.say(f"{breakable(run.title)}: {run.sentence}")

    def _tellFailedStart(self) -> None:
        """A worker that cannot be started is told also where no run waits for it."""
        failure = self._client.failure
        if failure is not None and failure is not self._failure:
            self._error.show(failure.sentence, failure.log)
        self._failure = failure

    def _warmUp(self) -> None:
        """Start the worker and let it load the chosen model, once, as soon as it could be applied."""
        if self._warm == self._node.modelId or self._runs.busy or self._reason():
            return
        self._warm = self._node.modelId
        self._client.start()
        self._client.warm(self._models.modelOf(self._warm).folder)
        self._polling.wake()

    def _poll(self) -> bool:
        self._runs.poll()
        self._showRuns()
        if self._node is not None:
            self._devices.show(self._client.devices, self._node.device)
        return self._runs.needsPolling

    def _onApply(self) -> None:
        self._error.clear()
        self._run.say("")
        self._runs.add(self._order())
        self._polling.wake()
        self._showRuns()

    def _onCancel(self, run: Run) -> None:
        self._runs.cancel(run)
        self._polling.wake()
        self._showRuns()

    def _order(self) -> Order:
        node, everyFrame = self._node, self._everyFrame
        labels = _chosenLabels(node)
        options = SegmentOptions(
            device=node.device,
            overlap=None if node.overlapOfModel else node.overlap,
            labels=None if labels is None else tuple(labels),
            postprocessing=node.postprocessing,
        )
        existing = Existing.REPLACE_ALL if everyFrame else node.existingSegments.existing
        return Order(node.inputVolume, node.modelId, options, node.outputSegmentation, existing, node.region, everyFrame)

    def _onModel(self, modelId: str) -> None:
        if self._node is not None and modelId != self._node.modelId:
            with slicer.util.NodeModify(self._node):
                self._node.modelId = modelId
                self._node.labels = ""

    def _onModelsChanged(self, modelId: str) -> None:
        """A model has come, or gone ("")."""
        self._models.look()
        self._onModel(modelId or self._models.firstId)
        self.show()

    def _onLabels(self, names: list[str] | None) -> None:
        self._node.labels = "" if names is None else json.dumps(names)

    def _onDevice(self, name: str) -> None:
        self._node.device = name

    def _onTrain(self, run: Run) -> None:
        try:
            show_nodes.sendToTraining(run.segmentationNode, run.order.volumeNode)
        except RuntimeError as problem:  # of selectModule: no such module, or no main window
            self._error.show(str(problem))


def _chosenLabels(node: object) -> list[str] | None:
    """The names that the parameter node keeps as JSON; None where all labels are wanted."""
    return json.loads(node.labels) if node.labels else None
