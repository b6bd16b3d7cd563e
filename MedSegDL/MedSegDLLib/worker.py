"""A process that keeps torch and networks warm and segments what its caller asks for: `python -m MedSegDLLib.worker`.

It speaks protocol.py's lines: requests come on standard input, answers go to standard output. It ends when standard input
does, which is when its caller ends. Whatever libraries print goes to standard error, the log.

Three threads besides the main one, which does the work: one reads requests, so that a cancel or the caller's end is heard
in the middle of it; one writes answers, so that a caller that is busy for a while holds nothing up; one tells twice a second
for how long the work has made no step.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from MedSegDLLib.atomic import why
from MedSegDLLib.errors import Cancelled, DeviceError, MedSegDLError, OutputError
from MedSegDLLib.failures import fault_of_the_program
from MedSegDLLib.image import Image
from MedSegDLLib.mapped_files import fill, mapped_array
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.progress import CancelToken, Progress
from MedSegDLLib.protocol import (
    Answer,
    AskDevices,
    Cancel,
    Device,
    Devices,
    Failed,
    Finished,
    Heartbeat,
    Hello,
    ImageFile,
    Load,
    Loaded,
    NotReady,
    Progressed,
    Ready,
    Report,
    ReportedLabel,
    ReportedModel,
    Request,
    Segment,
    Stopped,
    from_line,
    to_line,
)
from MedSegDLLib.report import Result, label_volumes, versions

SECONDS_BETWEEN_HEARTBEATS = 0.5
SECONDS_BETWEEN_PROGRESS = 0.05
# Native code that never lets Python run (no thread of it) is ended by a thread that needs no Python.
SECONDS_WITHOUT_PYTHON = 900.0


class Engine(Protocol):
    """What does the work; warm_models.WarmEngine is the real one."""

    def devices(self) -> tuple[Device, ...]:
        """In words, with the memory that is free now."""

    def load(self, folder: Path) -> None:
        """Get a model into memory."""

    def segment(
        self, image: Image, folder: Path, options: SegmentOptions, progress: Progress, cancel: CancelToken
    ) -> tuple[Result, str, str]:
        """The result, and id and SHA-256 of the model."""


def main() -> None:
    """Serve with the real engine until the caller ends."""
    serve(_real_engine)


def serve(make_engine: Callable[[], Engine], seconds_without_python: float = SECONDS_WITHOUT_PYTHON) -> None:
    """Say hello, make the engine, and work until standard input ends; never returns."""
    requests, answers = _own_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in a terminal is the caller's
    faulthandler.enable()
    _be_first_victim()
    outbox = Outbox(answers)
    outbox.send(Hello(os.getpid()))
    inbox = Inbox(requests)
    steps = Steps()
    _start_thread(_beat, outbox, steps, seconds_without_python)
    try:
        engine = make_engine()
        outbox.send(Ready(engine.devices()))
    except Exception as reason:
        traceback.print_exc()
        outbox.send(NotReady(_why_not_ready(reason)))
        outbox.flush()
        os._exit(1)
    while True:
        steps.rest()
        request, cancel = inbox.get()
        steps.made()
        outbox.send(_answer(engine, request, cancel, _Reporter(outbox, steps, request)))


class Outbox:
    """Answers on their way to the caller; a thread writes them, and the process ends when nobody is there to read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._changed = stream, threading.Condition()
        self._waiting: list[Answer] = []
        self._writing = False
        _start_thread(self._write)

    def send(self, answer: Answer) -> None:
        """Hand over an answer; of progress and heartbeats only the last counts, as long as the caller does not read."""
        with self._changed:
            if isinstance(answer, Progressed | Heartbeat):
                self._waiting = [other for other in self._waiting if type(other) is not type(answer)]
            self._waiting.append(answer)
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything is written."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._writing)

    def _write(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                answer, self._writing = self._waiting.pop(0), True
            try:
                self._stream.write(to_line(answer))
                self._stream.flush()
            except OSError:
                os._exit(0)


class Inbox:
    """Requests of the caller, each with the token that a later `cancel` of it sets; a thread reads them."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: queue.SimpleQueue[tuple[Request, CancelToken]] = queue.SimpleQueue()
        self._tokens: dict[int, CancelToken] = {}
        _start_thread(self._read)

    def get(self) -> tuple[Request, CancelToken]:
        """The next request; waits for it."""
        return self._waiting.get()

    def _read(self) -> None:
        try:
            for line in self._stream:
                self._take(from_line(line))
        except (OSError, MedSegDLError):
            traceback.print_exc()
        os._exit(0)  # the caller has ended, or is none; the main thread may be anywhere

    def _take(self, request: Request) -> None:
        if isinstance(request, Cancel):
            if token := self._tokens.get(request.request):
                token.cancel()
            return
        token = CancelToken()
        if isinstance(request, Segment):
            self._tokens = {request.request: token}  # one at a time: older ones are answered
        self._waiting.put((request, token))


class Steps:
    """When the work made its last step."""

    def __init__(self) -> None:
        self._last: float | None = time.monotonic()

    def made(self) -> None:
        self._last = time.monotonic()

    def rest(self) -> None:
        """There is no work."""
        self._last = None

    @property
    def seconds_since_last(self) -> float:
        """0 while there is no work."""
        last = self._last
        return 0.0 if last is None else time.monotonic() - last


class _Reporter:
    """The progress of one request: a step each time, an answer at most 20 times a second."""

    def __init__(self, outbox: Outbox, steps: Steps, request: Request) -> None:
        self._outbox, self._steps, self._request = outbox, steps, request
        self._told = ("", 0.0)

    def __call__(self, stage: str, fraction: float, seconds_left: float | None) -> None:
        self._steps.made()
        now = time.monotonic()
        if stage == self._told[0] and now - self._told[1] < SECONDS_BETWEEN_PROGRESS:
            return
        self._told = (stage, now)
        self._outbox.send(Progressed(self._request.request, stage, fraction, seconds_left))


def _answer(engine: Engine, request: Request, cancel: CancelToken, progress: Progress) -> Answer:
    """What came of a request. When this returns, nothing maps the image any more."""
    if isinstance(request, AskDevices):
        return Devices(engine.devices())
    try:
        if isinstance(request, Load):
            engine.load(Path(request.folder))
            return Loaded(request.request)
        return _segmented(engine, request, cancel, progress)
    except Cancelled:
        return Stopped(request.request)
    except Exception as reason:
        traceback.print_exc()
        return Failed(request.request, _sentence(reason), _is_spoilt(reason))


def _segmented(engine: Engine, request: Segment, cancel: CancelToken, progress: Progress) -> Finished:
    image, folder = _image(request.image), Path(request.folder)
    result, model_id, sha256 = engine.segment(image, folder, request.options, progress, cancel)
    cancel.check()
    labelmap = result.segmentation.labelmap.array
    try:
        fill(Path(request.label_file), labelmap)
    except OSError as reason:
        raise OutputError(f"The segmentation could not be handed back: {why(reason)}.") from reason
    report = _report(result, ReportedModel(model_id, sha256))
    return Finished(request.request, labelmap.dtype.str, result.segmentation.labels, report, result.mean_entropy)


def _image(file: ImageFile) -> Image:
    shape = (file.channels, *file.geometry.shape_zyx)
    return Image(mapped_array(Path(file.path), np.dtype(file.voxel_type), shape), file.geometry, file.name)


def _report(result: Result, model: ReportedModel) -> Report:
    seconds = {stage: round(seconds, 3) for stage, seconds in result.seconds.items()}
    labels = tuple(ReportedLabel(**row) for row in label_volumes(result.segmentation))
    return Report(model, result.device, result.precision, seconds, round(result.peak_memory_mib, 1), labels, versions())


def _sentence(error: Exception) -> str:
    if isinstance(error, MedSegDLError):
        return str(error)
    if isinstance(error, MemoryError):
        return "There is too little memory for this image: close other programs, or segment a smaller region of it."
    return fault_of_the_program(error, "the log")


def _is_spoilt(error: Exception) -> bool:
    """Whether the process is of no more use: after an error of a GPU's driver every further call fails.

    A device error without a cause was only a wish that cannot be met.
    """
    return isinstance(error, DeviceError) and error.__cause__ is not None


def _why_not_ready(reason: Exception) -> str:
    if isinstance(reason, ModuleNotFoundError):
        return (
            f"The package '{reason.name}' is not installed in the Python of {sys.executable}: "
            "install what MedSegDL needs, then try again."
        )
    if isinstance(reason, ImportError | OSError):
        return f"PyTorch is installed but cannot be loaded ({reason}): install it again."
    return _sentence(reason)


def _real_engine() -> Engine:
    from MedSegDLLib.warm_models import WarmEngine  # imports torch, which takes seconds

    return WarmEngine()


def _beat(outbox: Outbox, steps: Steps, seconds_without_python: float) -> None:
    while True:
        outbox.send(Heartbeat(round(steps.seconds_since_last, 1)))
        faulthandler.dump_traceback_later(seconds_without_python, exit=True)
        time.sleep(SECONDS_BETWEEN_HEARTBEATS)


def _own_streams() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for the protocol alone: others read nothing, and print to standard error."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    return requests, answers


def _be_first_victim() -> None:
    """When memory runs out, Linux ends this process rather than the caller, which holds a person's work."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


def _start_thread(work: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()


if __name__ == "__main__":
    main()
