"""Segmentations in a warm process of their own, for a caller that must never wait (no slicer, no qt, no threads).

    client = WorkerClient(this_interpreter())
    request = client.segment(image, model_folder, SegmentOptions())
    … a timer calls client.poll() every 10 ms until request.ended …
    request.outcome.segmentation

Everything happens in `poll`, which never blocks. Whatever becomes of the process, a request ends in one of finished, failed
(with a sentence and the end of the log) and cancelled, and the next one works, in a new process if need be. A process counts
as hung by what it says itself or by the number of polls in which it said nothing: never by the clock, for a caller that is
busy elsewhere does not poll and so hears nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from MedSegDLLib.errors import OutputError
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.mapped_files import MappedFile, exchange_folder, no_room, sweep
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.protocol import (
    Answer,
    AskDevices,
    Cancel,
    Device,
    Devices,
    Failed,
    Finished,
    Heartbeat,
    ImageFile,
    Load,
    Loaded,
    NotReady,
    Progressed,
    Ready,
    Segment,
    Stopped,
)
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.strict_json import to_json
from MedSegDLScene.interpreter import Interpreter
from MedSegDLScene.worker_process import WorkerProcess

_LABEL_BYTES = 2  # at most, a voxel
# Files up to this size are kept for the next image: getting the memory takes longer than filling it.
_KEPT_BYTES = 256 << 20
_SECONDS_TO_CLOSE = 2.0


@dataclass(frozen=True)
class Limits:
    """When patience ends; polls are meant to come every 10 ms.

    A step is one batch of patches, or one stage such as resampling; the first batches of a large network on a slow
    processor, with the trial of three number formats, take minutes.
    """

    polls_to_cancel: int = 50  # then a process that goes on is killed
    silent_polls: int = 12_000  # without a word, although the process says twice a second that it lives
    seconds_without_step: float = 600.0  # as the process itself says


@dataclass(frozen=True)
class Failure:
    """Why something failed: a sentence for a person, and the last lines of the process's log."""

    sentence: str
    log: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """A segmentation on the image's own grid.

    `report`: as report.py has it, but for paths of files; `mean_entropy`: if the options ask for uncertainty.
    """

    segmentation: Segmentation
    report: dict
    mean_entropy: float | None


@dataclass(eq=False)
class Request:
    """What was asked for; only `WorkerClient.poll` changes it.

    `state`: queued, running, finished (then there is an `outcome`), failed (then there is a `failure`) or cancelled.
    `stage`: model, preprocess, trial, network or postprocess, `fraction` of it 0…1, `seconds_left` None while unknown.
    """

    state: str = "queued"
    stage: str = ""
    fraction: float = 0.0
    seconds_left: float | None = None
    outcome: Outcome | None = None
    failure: Failure | None = None

    @property
    def ended(self) -> bool:
        return self.state in ("finished", "failed", "cancelled")


@dataclass(frozen=True)
class _Files:
    """In which image and labels travel, and how many bytes they were made for."""

    image: MappedFile
    labels: MappedFile
    size: int

    def remove(self) -> None:
        self.image.remove()
        self.labels.remove()


@dataclass(eq=False)
class _Job:
    """A model to load, or also an image to segment, and the files for it once it is under way."""

    number: int
    folder: Path
    request: Request | None = None
    image: Image | None = None
    options: SegmentOptions | None = None
    files: _Files | None = None


class WorkerClient:
    """Segments one image after another in a process that it starts when it is needed and keeps.

    `devices` is empty until the process has told. `failure` says why the last start failed, if it did.
    """

    def __init__(self, interpreter: Interpreter, limits: Limits = Limits()) -> None:
        self._interpreter, self._limits = interpreter, limits
        self._process: WorkerProcess | None = None
        self._ready = self._swept = False
        self._waiting: deque[_Job] = deque()
        self._job: _Job | None = None
        self._spare: _Files | None = None  # of the last job; the process is done with them
        self._unwanted: list[Request] = []
        self._cancelled_at: int | None = None  # in polls of the process
        self._seconds_without_step = 0.0
        self._killed: list[WorkerProcess] = []
        self._numbers, self._log = count(1), ()
        self.devices: tuple[Device, ...] = ()
        self.failure: Failure | None = None

    @property
    def state(self) -> str:
        """stopped, starting, ready, or busy with a segmentation or with loading a model."""
        if self._process is None:
            return "stopped"
        if not self._ready:
            return "starting"
        return "busy" if self._job else "ready"

    def start(self) -> None:
        """Start a process if none lives, so that it is warm when it is needed."""
        if self._process is None:
            self._start()

    def segment(self, image: Image, model_folder: Path, options: SegmentOptions) -> Request:
        """Queue a segmentation; `image` must not be changed until the request is running."""
        request = Request()
        self._waiting.append(_Job(next(self._numbers), model_folder, request, image, options))
        return request

    def warm(self, model_folder: Path) -> None:
        """Load a model ahead, unless there is other work."""
        if self._job is None and not self._waiting:
            self._waiting.append(_Job(next(self._numbers), model_folder))

    def ask_devices(self) -> None:
        """Have `devices` told anew."""
        if self._process is not None and self._ready:
            self._process.send(AskDevices())
        else:
            self.start()

    def cancel(self, request: Request) -> None:
        """Have a request cancelled; it is, whatever the process does, from the next poll on."""
        self._unwanted.append(request)

    def log_tail(self) -> tuple[str, ...]:
        """The last lines that the process printed, or the last one before it."""
        return self._process.log if self._process else self._log

    def poll(self) -> None:
        """Hear what the process says, and go on with what is next."""
        self._killed = [process for process in self._killed if not process.reaped()]
        if self._process is not None:
            self._listen(self._process)
        self._drop_unwanted()
        if self._process is None and self._waiting:
            self._start()
        if self._ready and self._job is None and self._waiting and not self._process.ending:
            self._begin(self._waiting.popleft())

    def close(self) -> None:
        """End the process, cancel what is queued or running, and remove every file; all can begin again afterwards."""
        for job in [*self._waiting, *([self._job] if self._job else [])]:
            if job.request and not job.request.ended:
                job.request.state = "cancelled"
        self._waiting.clear()
        self._stop()
        self._killed = [process for process in self._killed if not process.reaped(_SECONDS_TO_CLOSE)]

    def _start(self) -> None:
        if not self._swept:
            sweep()
            self._swept = True
        self.failure = None
        try:
            self._process = WorkerProcess(self._interpreter)
        except OSError as reason:
            command = self._interpreter.command[0]
            self._fail_start(f"The Python {command} cannot be started ({reason.strerror}): choose another one.", ())

    def _listen(self, process: WorkerProcess) -> None:
        for message in process.poll():
            self._take(message)
        if self._process is not process:
            return
        if sentence := process.lost or self._hung(process):
            self._lose(sentence)
        elif self._cancelled_at is not None and process.polls - self._cancelled_at > self._limits.polls_to_cancel:
            self._replace()

    def _take(self, message: Answer) -> None:
        match message:
            case Heartbeat():
                self._seconds_without_step = message.seconds_without_step
            case Ready() | Devices():
                self._ready, self.devices = True, message.devices
            case NotReady():
                self._lose(message.sentence)
            case Progressed():
                self._progress(message)
            case Finished() | Failed() | Loaded() | Stopped():
                self._conclude(message)

    def _progress(self, message: Progressed) -> None:
        self._seconds_without_step = 0.0
        request = self._job.request if self._job and self._job.number == message.request else None
        if request and not request.ended:
            request.stage, request.fraction, request.seconds_left = message.stage, message.fraction, message.seconds_left

    def _conclude(self, message: Finished | Failed | Loaded | Stopped) -> None:
        """The end of the job under way."""
        if self._job is None or self._job.number != message.request:
            return
        job, request, self._seconds_without_step = self._job, self._job.request, 0.0
        if request and not request.ended:
            if isinstance(message, Finished):
                self._finish(job, message)
            elif isinstance(message, Failed):
                self._fail(request, message.sentence)
        # After a failure other files are taken: these may lie where there is no room any more.
        if job.files and job.files.size <= _KEPT_BYTES and not isinstance(message, Failed):
            self._spare, job.files = job.files, None
        self._end_job()
        if isinstance(message, Failed) and message.spoilt:
            self._stop()

    def _finish(self, job: _Job, message: Finished) -> None:
        try:
            array = job.files.labels.read(np.dtype(message.voxel_type), job.image.geometry.shape_zyx)
        except (OSError, ValueError):
            self._fail(job.request, "The segmentation came back incomplete: try again.")
            return
        labelmap = LabelMap(array, job.image.geometry, job.image.name)
        job.request.outcome = Outcome(Segmentation(labelmap, message.labels), to_json(message.report), message.mean_entropy)
        job.request.state = "finished"

    def _fail(self, request: Request, sentence: str) -> None:
        request.state, request.failure = "failed", Failure(sentence, self.log_tail())

    def _drop_unwanted(self) -> None:
        """Cancel what was asked to be: out of the queue, or by a message to the process."""
        for request in self._unwanted:
            if request.ended:
                continue
            request.state = "cancelled"
            if self._job and self._job.request is request:
                self._process.send(Cancel(self._job.number))
                self._cancelled_at = self._process.polls
        self._unwanted.clear()
        self._waiting = deque(job for job in self._waiting if not (job.request and job.request.ended))

    def _begin(self, job: _Job) -> None:
        self._job = job
        if job.request is None:
            self._process.send(Load(job.number, str(job.folder)))
            return
        try:
            job.files = self._files_for(job.image)
            job.files.image.write(job.image.array)
        except (OSError, OutputError) as reason:
            self._fail(job.request, str(no_room(reason) if isinstance(reason, OSError) else reason))
            self._end_job()
            return
        job.request.state = "running"
        self._process.send(_segment_message(job))

    def _files_for(self, image: Image) -> _Files:
        size = image.array.nbytes + _LABEL_BYTES * image.array[0].size
        files, self._spare = self._spare, None
        if files and files.size >= size:
            return files
        if files:
            files.remove()
        folder = exchange_folder(size)
        return _Files(MappedFile(folder, "image"), MappedFile(folder, "labels"), size)

    def _hung(self, process: WorkerProcess) -> str:
        """Why the process counts as hung; "" if it does not."""
        silent = process.polls - process.heard > self._limits.silent_polls
        if silent or self._seconds_without_step > self._limits.seconds_without_step:
            return "The segmentation process did not get on any more and was ended: try again, or choose another device."
        return ""

    def _lose(self, sentence: str) -> None:
        """The process is of no more use: its request fails, or its start has."""
        log, ready = self._process.log, self._ready
        if self._job and self._job.request and not self._job.request.ended:
            self._fail(self._job.request, sentence)
        self._stop()
        if not ready:
            self._fail_start(sentence, log)

    def _fail_start(self, sentence: str, log: tuple[str, ...]) -> None:
        """No process: everything that waits for one fails."""
        self.failure = Failure(sentence, log)
        for job in self._waiting:
            if job.request:
                job.request.state, job.request.failure = "failed", self.failure
        self._waiting.clear()

    def _replace(self) -> None:
        """A new process with the same model in the place of one that does not stop."""
        folder = self._job.folder
        self._stop()
        self.warm(folder)
        self._start()

    def _stop(self) -> None:
        """End the process, and what was under way in it."""
        if self._process is not None:
            self._process.kill()
            self._killed.append(self._process)
            self._log = self._process.log
        self._process, self._ready, self._seconds_without_step = None, False, 0.0
        if self._spare:
            self._spare.remove()
        self._spare = None
        self._end_job()

    def _end_job(self) -> None:
        if self._job and self._job.files:
            self._job.files.remove()
        self._job = self._cancelled_at = None


def _segment_message(job: _Job) -> Segment:
    stored = ImageFile(
        str(job.files.image.path), job.image.array.dtype.str, job.image.channels, job.image.geometry, job.image.name
    )
    return Segment(job.number, str(job.folder), stored, str(job.files.labels.path), job.options)
