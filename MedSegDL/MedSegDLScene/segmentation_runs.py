"""Segmentations that were asked for: they wait in a queue, one runs at a time, and each ends in the scene or in a sentence.

Nothing here blocks: `SegmentationRuns.poll` is called by a timer and does what can be done at once.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import slicer

from MedSegDLLib.errors import Cancelled, InputError, MedSegDLError, ModelError
from MedSegDLLib.failures import fault_of_the_program
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.volume_curve import VolumeCurve
from MedSegDLLib.zoo import find_model, read_model
from MedSegDLScene.node_references import NodeReference
from MedSegDLScene.orders import Order, RememberedOrder
from MedSegDLScene.run_report import Origin, report_of_run
from MedSegDLScene.run_tasks import SegmentRow, SequenceTask, VolumeTask, taskOf

if TYPE_CHECKING:
    from MedSegDLScene.worker_client import Request, WorkerClient

__all__ = ["Order", "Run", "SegmentationRuns", "segmentNow"]

_WAIT_S = 0.005  # between two looks at a run that a script waits for


class Run:
    """One order and what becomes of it; changed by `SegmentationRuns` only."""

    def __init__(self, order: Order) -> None:
        self.remembered = RememberedOrder(order)
        self.title = f"{self.remembered.volume.name or 'no volume'} · {_titleOf(order.modelId)}"  # volume and model
        self.state = "queued"  # queued, running, finished, failed, cancelled
        self.stage = ""  # as the worker says: model, preprocess, trial, network, postprocess
        self.fraction = 0.0  # 0…1 of the stage; of several frames: of all
        self.seconds_left: float | None = None  # of everything
        self.frame, self.frames = 0, 1  # that is at work (from 0), of how many
        self.error: MedSegDLError | None = None  # why it failed or was cancelled
        self.note = ""  # what a person should know about a finished run
        self.log: tuple[str, ...] = ()  # last lines of the worker's log, if it failed
        self.rows: tuple[SegmentRow, ...] = ()
        self.report: dict = {}  # see run_report.report_of_run
        self.curves: tuple[VolumeCurve, ...] = ()  # of several frames: one for each label
        self._result = NodeReference(None)

    @property
    def order(self) -> Order:
        """What was asked for, with those of its nodes that are still in the scene."""
        return self.remembered.order

    @property
    def sentence(self) -> str:
        """Why it failed or was cancelled, or what is to be known about the result; usually empty."""
        return str(self.error) if self.error else self.note

    @property
    def ended(self) -> bool:
        """Whether it has finished, failed or been cancelled."""
        return self.state in ("finished", "failed", "cancelled")

    @property
    def segmentationNode(self) -> slicer.vtkMRMLSegmentationNode | None:
        """The result; None before the end, and when somebody has removed it since."""
        return self._result.node

    def finish(self, segmentationNode: slicer.vtkMRMLSegmentationNode) -> None:
        """The result is in the scene."""
        self._result = NodeReference(segmentationNode)
        self.state, self.fraction, self.seconds_left = "finished", 1.0, 0.0

    def end(self, state: str, error: MedSegDLError, log: tuple[str, ...] = ()) -> None:
        """There is no result."""
        self.state, self.error, self.log, self.seconds_left = state, error, log, None


def _titleOf(modelId: str) -> str:
    """What a person calls the model; its id where it is not here, which the run tells when its turn comes."""
    try:
        return read_model(find_model(modelId))[0].title
    except ModelError:
        return modelId


@dataclass
class _Work:
    """The run that is at work."""

    run: Run
    task: VolumeTask | SequenceTask
    origin: Origin
    modelFolder: Path
    request: Request | None = None  # the one that the worker has now
    segmentations: list[Segmentation] = field(default_factory=list)  # of the frames that are done
    reports: list[dict] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)


class SegmentationRuns:
    """The queue. All runs stay in `runs`, in the order in which they were asked for."""

    def __init__(self, client: WorkerClient) -> None:
        self.runs: list[Run] = []
        self._client, self._work = client, None

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        return any(not run.ended for run in self.runs)

    @property
    def needsPolling(self) -> bool:
        """Whether `poll` has something to do: also while the worker starts, or has yet to stop what was cancelled."""
        return self.busy or self._client.state in ("starting", "busy")

    def add(self, order: Order) -> Run:
        """Put an order at the end of the queue. One that cannot be carried out becomes a failed run with a sentence."""
        run = Run(order)
        self.runs.append(run)
        self._beginNext()
        return run

    def cancel(self, run: Run) -> None:
        """Take a run out of the queue or stop it at once; nothing of it gets into the scene."""
        if not run.ended:
            waiting = run.state == "queued"
            self._end(
                run, "cancelled", Cancelled("Cancelled before it began." if waiting else "Cancelled: nothing was changed.")
            )

    def cancelAll(self) -> None:
        """Cancel whatever waits or runs."""
        for run in self.runs[::-1]:  # those that wait first, so that none of them begins
            self.cancel(run)

    def poll(self) -> None:
        """Let the run at work get on, and begin the next one where it has ended; never waits."""
        self._client.poll()
        for run in self.runs:
            if run.state == "queued" and run.remembered.whatIsGone:
                self._end(run, "failed", InputError(run.remembered.whatIsGone))
        if self._work:
            with self._failuresEnd(self._work.run):
                self._advance(self._work)
        self._beginNext()

    def _beginNext(self) -> None:
        while not self._work and (waiting := [run for run in self.runs if run.state == "queued"]):
            waiting[0].state = "running"
            with self._failuresEnd(waiting[0]):
                self._begin(waiting[0])

    def _begin(self, run: Run) -> None:
        folder = find_model(run.order.modelId)
        card, _ = read_model(folder)
        origin = Origin(card.id, card.title, card.weights_sha256)
        work = _Work(run, taskOf(run.remembered, origin), origin, folder)
        run.frames = work.task.frames
        self._work = work
        self._request(work)

    def _request(self, work: _Work) -> None:
        image, options = work.task.inputOf(work.run.frame)
        work.request = self._client.segment(image, work.modelFolder, options)

    def _advance(self, work: _Work) -> None:
        if sentence := work.task.whatIsGone():
            raise InputError(sentence)
        request = work.request
        if not request.ended:
            _copyProgress(work)
        elif request.state != "finished":
            self._giveUp(work)
        else:
            work.segmentations.append(request.outcome.segmentation)
            work.reports.append(request.outcome.report)
            if len(work.segmentations) < work.task.frames:
                work.run.frame += 1
                self._request(work)
            else:
                self._finish(work)

    def _giveUp(self, work: _Work) -> None:
        """The worker has no result."""
        request = work.request
        if request.failure:
            self._end(work.run, "failed", MedSegDLError(request.failure.sentence), request.failure.log)
        else:
            self._end(work.run, "cancelled", Cancelled("Cancelled: nothing was changed."))

    def _finish(self, work: _Work) -> None:
        self._work = None  # first: what watches the scene may poll while the result goes in
        placed, run = work.task.place(work.segmentations, work.reports), work.run
        run.rows, run.curves, run.note = placed.rows, placed.curves, placed.sentence
        name = placed.segmentationNode.GetName()
        run.report = report_of_run(work.reports, placed.curves, run.remembered.volume.name, name, work.origin)
        run.finish(placed.segmentationNode)

    def _end(self, run: Run, state: str, error: MedSegDLError, log: tuple[str, ...] = ()) -> None:
        work = self._work
        run.end(state, error, log)
        if work and work.run is run:
            self._work = None
            if work.request and not work.request.ended:
                self._client.cancel(work.request)
                self._client.poll()  # hands the message over, should nobody poll any more

    @contextmanager
    def _failuresEnd(self, run: Run) -> Iterator[None]:
        """Whatever goes wrong ends this run with a sentence, and no other."""
        try:
            yield
        except MedSegDLError as error:
            self._end(run, "failed", error)
        except Exception as error:
            told = MedSegDLError(fault_of_the_program(error, "the details"))
            self._end(run, "failed", told, tuple(traceback.format_exc().splitlines()))


def segmentNow(runs: SegmentationRuns, order: Order, processEvents: Callable[[], None]) -> slicer.vtkMRMLSegmentationNode:
    """Wait until an order has been carried out, and return its result; for scripts.

    `processEvents` is called over and over, so that windows stay alive. A KeyboardInterrupt, or whatever `processEvents`
    raises, cancels the run. Raises the MedSegDLError that ended a run without result.
    """
    run = runs.add(order)
    try:
        while not run.ended:
            runs.poll()
            processEvents()
            time.sleep(_WAIT_S)
    finally:
        runs.cancel(run)
    if run.error:
        raise run.error
    return run.segmentationNode


def _copyProgress(work: _Work) -> None:
    run, request = work.run, work.request
    run.stage, run.fraction, run.seconds_left = request.stage, request.fraction, request.seconds_left
    if run.frames > 1:
        done = run.frame + {"network": request.fraction, "postprocess": 1.0}.get(request.stage, 0.0)
        run.fraction = done / run.frames
        run.seconds_left = (time.monotonic() - work.begun) * (run.frames - done) / done if run.frame else None
