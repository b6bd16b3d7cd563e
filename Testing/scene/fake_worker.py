"""A worker without torch that behaves as it is told: `python fake_worker.py START MARK …`, run instead of a Python.

START says how it starts; the name of a model's folder says what becomes of a segmentation with it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from MedSegDLLib import worker
from MedSegDLLib.errors import DeviceError, InputError
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.progress import CancelToken, Progress
from MedSegDLLib.protocol import PROTOCOL_VERSION, Device, Hello, to_line
from MedSegDLLib.report import Result
from MedSegDLLib.segmentation import Segmentation

LABELS = LabelTable((Label(1, "Bright", (230, 60, 60)), Label(300, "Brightest", (60, 120, 230))))


class Engine:
    """Loads nothing, marks what is above 0 with 1 and what is above 10 with 300."""

    loaded: tuple[Path, ...] = ()

    def devices(self) -> tuple[Device, ...]:
        return (Device("cpu", f"{len(self.loaded)} loads"),)

    def load(self, folder: Path) -> None:
        if folder.name == "missing":
            raise InputError("There is no such model.")
        self.loaded = (*self.loaded, folder)

    def segment(
        self, image: Image, folder: Path, options: SegmentOptions, progress: Progress, cancel: CancelToken
    ) -> tuple[Result, str, str]:
        progress("network", 0.0, None)
        BEHAVIOURS[folder.name](progress, cancel)
        labels = np.where(image.array[0] > 10, 300, image.array[0] > 0).astype(np.uint16)
        segmentation = Segmentation(LabelMap(labels, image.geometry, image.name), LABELS)
        entropy = 0.25 if options.uncertainty else None
        return Result(segmentation, options.device, "float32", {"network": 0.5}, 1.0, entropy), folder.name, "0" * 64


def _slowly(progress: Progress, cancel: CancelToken) -> None:
    for step in range(100_000):
        cancel.check()
        time.sleep(0.001)
        progress("network", step / 100_000, (100_000 - step) / 1000)


def _stuck(progress: Progress, cancel: CancelToken) -> None:
    """In native code that lets other threads run."""
    ctypes.CDLL(None).sleep(1000)


def _stuck_alone(progress: Progress, cancel: CancelToken) -> None:
    """In native code that lets no other thread run, once the first progress is told."""
    time.sleep(0.1)
    ctypes.PyDLL(None).sleep(1000)


def _noisy(progress: Progress, cancel: CancelToken) -> None:
    print("printed by Python")
    os.write(1, b"printed by a library\n")
    os.write(1, bytes(range(256)) + b"\n")


def _out_of_answer(*parts: bytes) -> None:
    """Write where the answers go, past the program."""
    os.write(ANSWERS, b"".join(parts))


def _die_in_a_line(progress: Progress, cancel: CancelToken) -> None:
    _out_of_answer(b'{"message": "finished", "request"')
    os._exit(3)


def _leave_a_child(progress: Progress, cancel: CancelToken) -> None:
    """It holds the log's pipe for a while."""
    subprocess.Popen(["sleep", "5"])


def _raise(error: Exception) -> None:
    raise error


def _spoil() -> None:
    raise DeviceError("The device cuda:0 failed: try again, or choose cpu.") from RuntimeError("CUDA error")


def _send_self(number: int) -> None:
    os.kill(os.getpid(), number)


BEHAVIOURS = {
    "ok": lambda *_: None,
    "slow": _slowly,
    "stuck": _stuck,
    "stuck_alone": _stuck_alone,
    "noisy": _noisy,
    "unreadable": lambda *_: (_out_of_answer(b"Segmentation fault in 0x\xff\n"), time.sleep(1000)),
    "unknown": lambda *_: (_out_of_answer(b'{"message": "dance"}\n'), time.sleep(1000)),
    "half_line": _die_in_a_line,
    "crash": lambda *_: _send_self(signal.SIGSEGV),
    "out_of_memory": lambda *_: _send_self(signal.SIGKILL),
    "exit": lambda *_: os._exit(7),
    "child": _leave_a_child,
    "stopped": lambda *_: (time.sleep(0.1), _send_self(signal.SIGSTOP)),
    "wrong": lambda *_: _raise(InputError("The image is wrong: take another.")),
    "fault": lambda *_: _raise(ZeroDivisionError("by zero")),
    "memory": lambda *_: _raise(MemoryError()),
    "spoilt": lambda *_: _spoil(),
}


def _without_torch() -> Engine:
    raise ModuleNotFoundError("No module named 'torch'", name="torch")


def _broken_torch() -> Engine:
    raise OSError("libcudart.so.12: cannot open shared object file")


def _never_ready() -> Engine:
    time.sleep(1000)


def _chatty() -> None:
    os.write(1, b"Welcome to the launcher.\n{}\n")
    worker.serve(Engine)


def _of_another_version() -> None:
    line = to_line(Hello(os.getpid())).replace(b'"protocol": %d' % PROTOCOL_VERSION, b'"built": "x", "protocol": 99')
    os.write(1, line)
    time.sleep(1000)


def _flood() -> None:
    while True:
        os.write(1, b"y\n" * 1000)


STARTS = {
    "normal": lambda: worker.serve(Engine),
    "impatient": lambda: worker.serve(Engine, seconds_without_python=1.5),
    "no_torch": lambda: worker.serve(_without_torch),
    "broken_torch": lambda: worker.serve(_broken_torch),
    "never_ready": lambda: worker.serve(_never_ready),
    "chatty": _chatty,
    "other_version": _of_another_version,
    "silent": lambda: time.sleep(1000),
    "flood": _flood,
    "exit": lambda: sys.exit("cannot begin"),
}

if __name__ == "__main__":
    # The numbers of files that the worker is going to take for requests and answers: the next two that are free.
    requests, ANSWERS = os.dup(0), os.dup(1)
    os.close(requests)
    os.close(ANSWERS)
    STARTS[sys.argv[1]]()
