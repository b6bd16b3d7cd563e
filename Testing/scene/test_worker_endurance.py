"""Workers started, cancelled and killed again and again: no process and no file is left."""

import contextlib
import os
import signal
import sys
import time

import numpy as np
import pytest

from MedSegDLLib.options import SegmentOptions
from MedSegDLScene.interpreter import this_interpreter
from MedSegDLScene.worker_client import Limits, WorkerClient
from Testing.models import write_bright_model
from Testing.scene.workers import (
    LAUNCHER,
    SHORT,
    files_of_this_process,
    living,
    none_lives,
    poll_to_end,
    poll_until,
    ramp,
    segment,
    worker_pid,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
IMPATIENT = Limits(polls_to_cancel=2)


def test_a_hundred_starts_cancels_and_kills_leave_nothing(start_client, mark):
    endurance(start_client(limits=IMPATIENT), mark, cycles=100, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("launcher", [(), LAUNCHER], ids=["directly", "behind a launcher"])
def test_a_thousand_starts_cancels_and_kills_leave_nothing(start_client, mark, launcher):
    endurance(start_client(launcher=launcher, limits=IMPATIENT), mark, cycles=1000, seed=2)


def endurance(client, mark, cycles, seed):
    """Requests that end in every way, a process that is killed at any moment, and clients that are closed."""
    random = np.random.default_rng(seed)
    for _ in range(cycles):
        behaviour = str(random.choice(["ok", "slow", "stuck", "crash", "wrong", "exit"]))
        request = segment(client, behaviour)
        for _ in range(int(random.integers(0, 20))):
            client.poll()
            time.sleep(0.002)
        match random.choice(["cancel", "kill", "close", "wait"]):
            case "cancel":
                client.cancel(request)
            case "kill":
                kill_worker(mark)
            case "close":
                client.close()
        if behaviour in ("slow", "stuck"):  # which end by nothing else
            client.cancel(request)
        poll_to_end(client, request)
        assert len(living(mark)) <= 2  # one, and one that is being replaced
    client.close()
    assert none_lives(mark)
    assert files_of_this_process() == []


def kill_worker(mark):
    for pid in living(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_the_real_worker_segments_and_is_started_and_killed_again(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSEGDL_CACHE", str(tmp_path / "cache"))
    model, client = write_bright_model(tmp_path), WorkerClient(this_interpreter(), SHORT)
    for cycle in range(5):
        request = client.segment(ramp(), model, SegmentOptions(device="cpu"))
        poll_to_end(client, request, seconds=100)
        assert request.state == "finished", request.failure
        expected = ramp().array[0] > ramp().array.mean() + ramp().array.std()
        assert np.array_equal(request.outcome.segmentation.labelmap.array, expected)
        assert request.outcome.report["model"]["id"] == "bright"
        assert client.devices[-1].name == "cpu"
        if cycle < 4:
            os.kill(worker_pid(client), signal.SIGKILL)
            poll_until(client, lambda: client.state == "stopped")
    client.close()
    assert files_of_this_process() == []
