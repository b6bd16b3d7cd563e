"""The worker's caller and its requests, with workers that have no torch."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from MedSegDLLib.options import Region, SegmentOptions
from MedSegDLLib.protocol import Device
from MedSegDLScene import worker_client
from MedSegDLScene.interpreter import Interpreter, this_interpreter
from MedSegDLScene.worker_client import WorkerClient
from Testing.scene.workers import (
    LAUNCHER,
    SHORT,
    fake_interpreter,
    files_of_this_process,
    finished,
    living,
    none_lives,
    poll_to_end,
    poll_until,
    ramp,
    running,
    segment,
    worker_pid,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def test_a_segmentation_comes_back_on_the_images_own_grid(client):
    outcome = finished(client).outcome
    labelmap, expected = outcome.segmentation.labelmap, ramp()
    assert labelmap.geometry == expected.geometry
    assert labelmap.name == "ramp"
    assert np.array_equal(labelmap.array, np.where(expected.array[0] > 10, 300, expected.array[0] > 0))
    assert [label.name for label in outcome.segmentation.labels.labels] == ["Bright", "Brightest"]
    assert [(row["name"], row["voxels"]) for row in outcome.report["labels"]] == [("Bright", 10), ("Brightest", 20)]
    assert outcome.report["seconds"] == {"network": 0.5}
    assert outcome.mean_entropy is None


def test_options_reach_the_worker(client):
    options = SegmentOptions(
        device="cuda:1", labels=("Bright",), region=Region((0, 1, 2), (1, 1, 1)), overlap=0.25, uncertainty=True
    )
    request = client.segment(ramp(), Path("ok"), options)
    poll_to_end(client, request)
    assert (request.outcome.report["device"], request.outcome.mean_entropy) == ("cuda:1", 0.25)


def test_states_follow_what_happens(client):
    assert client.state == "stopped"
    request = segment(client, "ok")
    assert (client.state, request.state) == ("stopped", "queued")
    seen = []
    poll_until(client, lambda: seen.append((client.state, request.state)) or request.ended)
    assert list(dict.fromkeys(seen)) == [
        ("stopped", "queued"), ("starting", "queued"), ("busy", "running"), ("ready", "finished")
    ]  # fmt: skip
    client.close()
    assert client.state == "stopped"
    finished(client)


def test_requests_wait_in_line(client):
    first, second, third = (segment(client, name) for name in ("slow", "ok", "ok"))
    poll_until(client, lambda: first.state == "running")
    assert (second.state, third.state) == ("queued", "queued")
    client.cancel(second)
    client.cancel(first)
    poll_to_end(client, third)
    assert [request.state for request in (first, second, third)] == ["cancelled", "cancelled", "finished"]


def test_progress_comes_with_the_time_left_at_most_twenty_times_a_second(client):
    request = running(client, "slow")
    seen = set()
    end = time.monotonic() + 1
    poll_until(client, lambda: seen.add((request.fraction, request.seconds_left)) or time.monotonic() > end)
    assert 5 < len(seen) < 25
    assert all(0 <= fraction < 1 and 0 < left <= 100 for fraction, left in list(seen)[1:] if left is not None)


def test_a_process_can_be_started_ahead_and_tells_devices(client):
    client.start()
    poll_until(client, lambda: client.state == "ready")
    assert client.devices == (Device("cpu", "0 loads"),)
    client.warm(Path("ok"))
    client.poll()
    assert client.state == "busy"
    poll_until(client, lambda: client.state == "ready")
    client.ask_devices()
    poll_until(client, lambda: client.devices == (Device("cpu", "1 loads"),))


def test_a_model_that_cannot_be_loaded_ahead_harms_nothing(client):
    client.warm(Path("missing"))
    poll_until(client, lambda: client.state == "ready")
    assert client.failure is None
    finished(client)


def test_a_soft_cancel_keeps_the_process(client):
    request = running(client, "slow")
    before = worker_pid(client)
    client.cancel(request)
    client.poll()
    assert request.state == "cancelled"
    finished(client)
    assert worker_pid(client) == before


@pytest.mark.parametrize("behaviour", ["stuck", "stuck_alone", "stopped"])
def test_a_cancel_that_is_not_heard_kills_the_process_and_warms_a_new_one(client, mark, behaviour):
    request = running(client, behaviour)
    before = worker_pid(client)
    client.cancel(request)
    client.poll()
    assert request.state == "cancelled"
    poll_until(client, lambda: client.state == "ready")
    assert before not in living(mark)
    client.ask_devices()
    poll_until(client, lambda: client.devices == (Device("cpu", "1 loads"),))  # the same model, in a new process
    finished(client)
    assert client.failure is None


@pytest.mark.parametrize("launcher", [LAUNCHER, (*LAUNCHER, "--session")], ids=["its group", "another group"])
def test_behind_a_launcher_that_forwards_no_signals_the_worker_itself_is_killed(start_client, mark, launcher):
    client = start_client(launcher=launcher)
    request = running(client, "stuck_alone")
    before = living(mark)
    assert len(before) == 2
    client.cancel(request)
    poll_until(client, lambda: client.state == "ready")
    assert set(before).isdisjoint(living(mark))
    assert len(living(mark)) == 2
    client.close()
    assert none_lives(mark)


def test_behind_a_launcher_a_process_is_killed_that_has_not_said_who_it_is(start_client, mark):
    client = start_client(start="silent", launcher=LAUNCHER)
    client.start()
    while len(living(mark)) < 2:
        client.poll()
    assert worker_pid(client) == 0
    client.close()
    assert none_lives(mark)


def test_a_caller_that_does_not_poll_for_long_kills_nothing(start_client):
    client = start_client(limits=SHORT)
    request = running(client, "slow")
    before = worker_pid(client)
    time.sleep(5)  # longer than both limits
    for _ in range(10_000):  # in a burst, which is little time
        client.poll()
    poll_until(client, lambda: request.fraction > 0.02)
    assert request.state == "running"
    assert worker_pid(client) == before


def test_a_caller_that_never_lets_another_thread_run_is_served(client):
    """Slicer's main thread keeps the interpreter lock while Qt waits: here, while the timer is slept for."""
    switch_interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        threads = threading.active_count()
        request = segment(client, "ok")
        for _ in range(2000):
            client.poll()
            ctypes.PyDLL(None).usleep(10_000)
            if request.ended:
                break
        assert request.state == "finished"
        assert threading.active_count() == threads
    finally:
        sys.setswitchinterval(switch_interval)


def test_a_poll_never_waits(client):
    """Also where the worker reads nothing: a large message is sent as it is taken."""
    client.start()
    poll_until(client, lambda: client.state == "ready")
    os.kill(worker_pid(client), signal.SIGSTOP)
    request = client.segment(ramp(), Path("m" * 500_000), SegmentOptions())
    start = time.perf_counter()
    for _ in range(20):
        client.poll()
    assert time.perf_counter() - start < 0.5
    assert request.state == "running"
    os.kill(worker_pid(client), signal.SIGCONT)
    poll_to_end(client, request)
    assert "KeyError" in request.failure.sentence


def test_a_worker_ends_with_its_caller_whatever_it_is_doing(mark, tmp_path):
    """The caller is killed, so that it can end nothing itself."""
    for behaviour, start in [("stuck", "normal"), ("slow", "normal"), ("stuck_alone", "impatient")]:
        caller = subprocess.Popen(
            [sys.executable, "-c", _CALLER, str(tmp_path / "running"), start, mark, behaviour],
            env=dict(this_interpreter().environment) | {"PYTHONPATH": os.pathsep.join(["MedSegDL", "."])},
        )
        while not (tmp_path / "running").exists():
            assert caller.poll() is None
            time.sleep(0.01)
        (tmp_path / "running").unlink()
        caller.kill()
        caller.wait()
        assert none_lives(mark, seconds=5), behaviour
    leftovers = list(Path("/dev/shm").glob(f"MedSegDL-{caller.pid}-*"))
    assert len(leftovers) == 2
    WorkerClient(Interpreter(("/no/such/python",), {})).start()
    assert not any(path.exists() for path in leftovers)


_CALLER = """
import sys, time
from pathlib import Path
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from MedSegDLLib.options import SegmentOptions
from MedSegDLScene.worker_client import WorkerClient
from Testing.scene.workers import SHORT, fake_interpreter, poll_until, ramp
file, start, mark, behaviour = sys.argv[1:]
client = WorkerClient(fake_interpreter(mark, start))
request = client.segment(ramp(), Path(behaviour), SegmentOptions())
poll_until(client, lambda: request.stage == "network")
Path(file).touch()
while True:
    client.poll()
    time.sleep(0.01)
"""


@pytest.mark.parametrize("launcher", [(), LAUNCHER], ids=["directly", "behind a launcher"])
@pytest.mark.parametrize("behaviour", ["", "stuck_alone"])
def test_a_client_that_nobody_keeps_leaves_no_process_and_no_file(mark, launcher, behaviour):
    """As a script does: `MedSegDLLogic().segment(…)`, over and over."""
    client = WorkerClient(fake_interpreter(mark, launcher=launcher))
    finished(client)
    if behaviour:
        running(client, behaviour)
    assert living(mark) and files_of_this_process()
    del client
    assert none_lives(mark)
    assert files_of_this_process() == []


def test_ctrl_c_in_the_terminal_is_the_callers(client):
    request = running(client, "slow")
    os.kill(worker_pid(client), signal.SIGINT)
    time.sleep(0.2)
    client.poll()
    assert request.state == "running"


def test_files_are_used_again_for_images_of_the_same_size_or_less(client, monkeypatch):
    finished(client)
    before = set(files_of_this_process())
    assert len(before) == 2
    small = Image(np.full((1, 2, 2, 2), 20, np.int16), Geometry((2, 2, 2)))
    for image in (small, ramp()):
        outcome = poll_to_end(client, client.segment(image, Path("ok"), SegmentOptions())).outcome
        assert np.array_equal(outcome.segmentation.labelmap.array > 0, image.array[0] > 0)
        assert set(files_of_this_process()) == before
    large = Image(np.zeros((2, 9, 9, 9), np.float32), Geometry((9, 9, 9)))
    assert poll_to_end(client, client.segment(large, Path("ok"), SegmentOptions())).outcome
    assert len(files_of_this_process()) == 2
    assert before.isdisjoint(files_of_this_process())
    monkeypatch.setattr(worker_client, "_KEPT_BYTES", 100)
    finished(client)
    assert files_of_this_process() == []


def test_files_of_a_process_that_was_killed_are_not_used_again(client):
    request = running(client, "stuck")
    before = set(files_of_this_process())
    client.cancel(request)
    poll_until(client, lambda: client.state == "ready")
    assert files_of_this_process() == []
    finished(client)
    assert before.isdisjoint(files_of_this_process())


def test_after_a_failure_other_files_are_taken_which_may_lie_elsewhere(client):
    finished(client)
    assert len(files_of_this_process()) == 2
    assert poll_to_end(client, segment(client, "wrong")).state == "failed"
    assert files_of_this_process() == []


def test_a_full_exchange_folder_is_told(client, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1000))
    request = poll_to_end(client, segment(client, "ok"))
    assert "temporary room" in request.failure.sentence
    monkeypatch.undo()
    finished(client)
