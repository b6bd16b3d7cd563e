"""The worker, spoken to in its own lines; what becomes of its caller's requests is in Testing/scene/test_worker_client.py."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from MedSegDLLib import worker
from MedSegDLLib.errors import Cancelled, DeviceError, InputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.progress import CancelToken
from MedSegDLLib.protocol import (
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
    Progressed,
    Ready,
    Segment,
    Stopped,
    from_line,
    to_line,
)
from MedSegDLLib.report import Result
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.worker import Inbox, Outbox, Steps
from Testing.models import write_bright_model

PACKAGE = str(Path(worker.__file__).parents[1])
GRID = Geometry((5, 4, 3))


class Engine:
    """Marks what is above 5; raises what `error` makes, if that is given."""

    def __init__(self, error=None):
        self.error = error
        self.images = []

    def devices(self):
        return (Device("cpu", "CPU"),)

    def load(self, folder):
        if self.error:
            raise self.error()

    def segment(self, image, folder, options, progress, cancel):
        if self.error:
            raise self.error()
        self.images.append((image.geometry, image.name, image.array.flags.writeable, str(folder), options))
        progress("network", 0.5, 2.0)
        labels = LabelMap((image.array[0] > 5).astype(np.uint8), image.geometry)
        segmentation = Segmentation(labels, LabelTable((Label(1, "High", (1, 2, 3)),)))
        return Result(segmentation, "cpu", "float32", {"network": 1.23456}, 7.77, 0.5), "m", "0" * 64


@pytest.fixture
def request_of(tmp_path):
    """A segment request on files of this test."""
    array = np.arange(60, dtype=np.int16).reshape(1, 3, 4, 5)
    array.tofile(tmp_path / "image")
    (tmp_path / "labels").touch()
    image = ImageFile(str(tmp_path / "image"), "<i2", 1, GRID, "ramp")
    return Segment(9, "/models/m", image, str(tmp_path / "labels"), SegmentOptions(overlap=0.25))


def answer(engine, request, cancel=None):
    told = []
    return worker._answer(engine, request, cancel or CancelToken(), lambda *step: told.append(step)), told


def test_a_segmentation_is_written_into_the_callers_file(request_of):
    engine = Engine()
    finished, told = answer(engine, request_of)
    assert isinstance(finished, Finished)
    assert (finished.request, finished.voxel_type, finished.mean_entropy) == (9, "|u1", 0.5)
    assert np.array_equal(np.fromfile(request_of.label_file, np.uint8), np.arange(60) > 5)
    assert (finished.report.model.id, finished.report.seconds, finished.report.peak_memory_mib) == (
        "m",
        {"network": 1.235},
        7.8,
    )
    assert (finished.report.labels[0].voxels, finished.report.labels[0].volume_ml) == (54, 0.054)
    assert engine.images == [(GRID, "ramp", False, "/models/m", SegmentOptions(overlap=0.25))]
    assert told == [("network", 0.5, 2.0)]


def test_nothing_maps_the_image_when_the_answer_is_there(request_of):
    answer(Engine(lambda: InputError("no")), request_of)
    answer(Engine(), request_of)
    if sys.platform == "linux":
        assert request_of.image.path not in Path("/proc/self/maps").read_text(encoding="utf-8")


def test_loads_and_devices_are_answered():
    assert answer(Engine(), Load(4, "/models/m"))[0] == Loaded(4)
    assert answer(Engine(), AskDevices())[0] == Devices((Device("cpu", "CPU"),))
    assert answer(Engine(lambda: InputError("No such model.")), Load(4, "/models/m"))[0] == Failed(4, "No such model.")


def caused(error):
    error.__cause__ = RuntimeError("CUDA error: an illegal memory access was encountered")
    return error


@pytest.mark.parametrize(
    "error, says, spoilt",
    [
        (InputError("Take another image."), "Take another image.", False),
        (MemoryError(), "segment a smaller region", False),
        (ZeroDivisionError("by zero"), "has a fault (ZeroDivisionError: by zero)", False),
        (DeviceError("There is no GPU cuda:3."), "There is no GPU cuda:3.", False),
        (caused(DeviceError("The device failed.")), "The device failed.", True),
    ],
)
def test_errors_become_sentences(request_of, error, says, spoilt):
    failed, _ = answer(Engine(lambda: error), request_of)
    assert (type(failed), failed.request, failed.spoilt) == (Failed, 9, spoilt)
    assert says in failed.sentence
    assert "\n" not in failed.sentence


def test_a_cancelled_segmentation_leaves_nothing(request_of):
    assert answer(Engine(lambda: Cancelled("Stopped.")), request_of)[0] == Stopped(9)
    cancel = CancelToken()
    cancel.cancel()  # after the engine's last look
    assert answer(Engine(), request_of, cancel)[0] == Stopped(9)
    assert Path(request_of.label_file).stat().st_size == 0


@pytest.mark.parametrize("missing", ["image", "label_file"])
def test_files_that_the_caller_removed_are_a_sentence(request_of, missing):
    Path(request_of.image.path if missing == "image" else request_of.label_file).unlink()
    failed, _ = answer(Engine(), request_of)
    assert isinstance(failed, Failed)


def pipe():
    read, write = os.pipe()
    return os.fdopen(read, "rb"), os.fdopen(write, "wb")


def test_a_caller_that_does_not_read_holds_nothing_up_and_gets_the_last_progress_only():
    read, write = pipe()
    outbox = Outbox(write)
    start = time.monotonic()
    for step in range(20_000):  # far more than a pipe holds
        outbox.send(Progressed(1, "network", step / 20_000, None))
        outbox.send(Heartbeat(0.0))
    outbox.send(Stopped(1))
    assert time.monotonic() - start < 10
    messages = []
    while not messages or not isinstance(messages[-1], Stopped):
        messages.append(from_line(read.readline()))
    progress = [message.fraction for message in messages if isinstance(message, Progressed)]
    assert len(progress) < 5000
    assert progress == sorted(progress)
    assert progress[-1] == 19_999 / 20_000
    outbox.flush()


def test_a_cancel_reaches_the_request_that_it_names_also_while_that_waits(request_of):
    read, write = pipe()
    inbox = Inbox(read)
    write.write(to_line(Load(8, "/m")) + to_line(request_of) + to_line(Cancel(8)) + to_line(Cancel(77)))
    write.flush()
    assert inbox.get()[0] == Load(8, "/m")
    request, token = inbox.get()
    time.sleep(0.1)
    assert (request, token.cancelled) == (request_of, False)
    write.write(to_line(Cancel(9)))
    write.flush()
    while not token.cancelled:
        time.sleep(0.001)
    KEPT_OPEN.append(write)  # its end would end this process, as it ends a worker


KEPT_OPEN = []


def test_the_clock_stands_while_there_is_no_work():
    steps = Steps()
    time.sleep(0.02)
    assert steps.seconds_since_last >= 0.02
    steps.rest()
    assert steps.seconds_since_last == 0
    steps.made()
    assert steps.seconds_since_last < 0.02


@pytest.fixture
def process():
    """The real worker."""
    process = subprocess.Popen(
        [sys.executable, "-m", "MedSegDLLib.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": PACKAGE},
    )  # fmt: skip
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def next_answer(process):
    while True:
        message = from_line(process.stdout.readline())
        if not isinstance(message, Heartbeat | Progressed):
            return message


def test_the_real_worker_says_hello_before_it_loads_torch_and_ends_with_its_input(process, tmp_path, request_of):
    hello = json.loads(process.stdout.readline())
    assert hello == {"message": "hello", "pid": process.pid, "protocol": 1, "program": from_line(to_line(Hello(1))).program}
    if sys.platform == "linux":
        assert "libtorch_cpu" not in Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
    assert isinstance(next_answer(process), Ready)
    model = write_bright_model(tmp_path)
    request = Segment(9, str(model), request_of.image, request_of.label_file, SegmentOptions("cpu", "float32"))
    process.stdin.write(to_line(request))
    process.stdin.flush()
    assert isinstance(next_answer(process), Finished)
    expected = np.arange(60) > np.arange(60).mean() + np.arange(60).std()
    assert np.array_equal(np.fromfile(request.label_file, np.uint8), expected)
    process.stdin.close()
    assert process.wait(10) == 0


def test_what_is_no_request_ends_the_worker(process):
    process.stdin.write(b"hello?\n")
    process.stdin.flush()
    assert process.wait(30) == 0
