"""Fake workers to start, polling as a timer does it, and what they leave behind."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from MedSegDLLib.mapped_files import PREFIX
from MedSegDLLib.options import SegmentOptions
from MedSegDLScene.interpreter import Interpreter, this_interpreter
from MedSegDLScene.worker_client import Limits, Request, WorkerClient

FAKE = Path(__file__).with_name("fake_worker.py")
LAUNCHER = (sys.executable, str(Path(__file__).with_name("stub_launcher.py")))
TIMER = 0.01  # seconds
PATIENT = Limits()
# As short for a hung process as a busy machine allows, on which a healthy process may be silent for a second.
SHORT = Limits(silent_polls=300, seconds_without_step=3.0)


def fake_interpreter(mark: str, start: str = "normal", launcher: tuple[str, ...] = ()) -> Interpreter:
    """A "Python" that runs the fake worker, whatever it is told to run; `mark` is how `living` finds it.

    `launcher` is put before it, for example LAUNCHER.
    """
    return Interpreter((*launcher, sys.executable, str(FAKE), start, mark), this_interpreter().environment)


def poll_until(client: WorkerClient, condition: Callable[[], bool], seconds: float = 30) -> None:
    """As a timer does it; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"nothing came of it: {client.state}, {client.failure}, {client.log_tail()}"
        client.poll()
        time.sleep(TIMER)


def poll_to_end(client: WorkerClient, request: Request, seconds: float = 30) -> Request:
    """Poll until the request has ended, and return it."""
    poll_until(client, lambda: request.ended, seconds)
    return request


def ramp() -> Image:
    """Oblique, 3 × 4 × 5 voxels (z, y, x) from −29 to 30, Fortran order in memory."""
    array = np.asfortranarray(np.arange(-29, 31, dtype=np.int16).reshape(1, 3, 4, 5))
    return Image(array, Geometry((5, 4, 3), (1, 2, 3), (4, 5, 6), (0, 1, 0, 1, 0, 0, 0, 0, 1)), "ramp")


def living(mark: str) -> list[int]:
    """The ids of the processes with `mark` on their command line; zombies have none."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def none_lives(mark: str, seconds: float = 5) -> bool:
    """Whether all of them have ended within so many seconds."""
    end = time.monotonic() + seconds
    while living(mark) and time.monotonic() < end:
        time.sleep(TIMER)
    return not living(mark)


def files_of_this_process() -> list[Path]:
    """Mapped files that this process has not removed."""
    folders = {Path("/dev/shm"), Path(tempfile.gettempdir())}
    return [path for folder in folders for path in folder.glob(f"{PREFIX}{os.getpid()}-*")]


def segment(client: WorkerClient, behaviour: str) -> Request:
    """Ask for a segmentation of `ramp` of which this becomes (see fake_worker.py)."""
    return client.segment(ramp(), Path(behaviour), SegmentOptions())


def finished(client: WorkerClient, behaviour: str = "ok") -> Request:
    """The request, which must end well."""
    request = poll_to_end(client, segment(client, behaviour))
    assert request.state == "finished", request.failure
    return request


def failed(client: WorkerClient, behaviour: str) -> tuple[str, str]:
    """The sentence and log of a request that fails, after which the next one works."""
    request = poll_to_end(client, segment(client, behaviour))
    assert (request.state, request.outcome) == ("failed", None)
    finished(client)
    return request.failure.sentence, "\n".join(request.failure.log)


def running(client: WorkerClient, behaviour: str) -> Request:
    """A request that the worker has begun with."""
    request = segment(client, behaviour)
    poll_until(client, lambda: request.stage == "network")
    return request


def worker_pid(client: WorkerClient) -> int:
    """The process id of the worker itself, once it has said hello."""
    return client._process.pid
