"""Loader processes: the same batches, in order, and no process left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from MedSegDLTrainLib import loader
from MedSegDLTrainLib.job import Sampling
from MedSegDLTrainLib.loader import batches, is_loader_failure
from MedSegDLTrainLib.patches import PatchSource, rendered
from Testing.training.made_cases import EVERYTHING, made_case, made_job

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]


_HERE = {"cwd": ROOT, "env": os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])}}


def _source():
    labels = np.zeros((16, 24, 28), np.uint8)
    labels[3:9, 8:16, 9:19] = 1
    cases = [made_case(labels, name=name, patient=name) for name in "abc"]
    job = made_job(Sampling((35, 37, 33), 2, "balanced"), EVERYTHING)
    return PatchSource(cases, job), job


def _assert_same(some, others):
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        assert one.cases == other.cases
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        assert other.labels.dtype == torch.int64


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_batches_are_the_same_to_the_bit_with_0_or_2_processes(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    source, job = _source()
    alone = list(batches(source, job, 3, 9, CPU, 0))
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method(method, force=True)
    try:
        _assert_same(alone, list(batches(source, job, 3, 9, CPU, 2)))
    finally:
        multiprocessing.set_start_method(before, force=True)


def test_batches_begin_at_the_first_step():
    source, job = _source()
    _assert_same(list(batches(source, job, 0, 4, CPU, 0))[2:], list(batches(source, job, 2, 4, CPU, 1)))
    assert not list(batches(source, job, 4, 4, CPU, 1))


def test_for_another_device_processes_only_draw_and_patches_are_rendered_here(monkeypatch):
    source, job = _source()
    monkeypatch.setattr(loader, "rendered", lambda patches, job, device: rendered(patches, job, CPU))
    elsewhere = list(batches(source, job, 0, 4, torch.device("meta"), 2))
    _assert_same(list(batches(source, job, 0, 4, CPU, 0)), elsewhere)


def test_processes_end_when_nobody_wants_more():
    source, job = _source()
    made = batches(source, job, 0, 1000, CPU, 2)
    next(made)
    workers = multiprocessing.active_children()
    assert len(workers) == 2
    made.close()
    for worker in workers:
        worker.join(10)
    assert not any(worker.is_alive() for worker in workers)


def test_what_goes_wrong_in_a_process_is_told():
    broken = made_job(Sampling((35, 37, 33), 2, "balanced"), EVERYTHING, seed=-1)
    with pytest.raises(ValueError, match=r"^expected non-negative integer$") as raised:
        list(batches(PatchSource([made_case(np.ones((4, 4, 4), np.uint8))], broken), broken, 0, 2, CPU, 1))
    assert "in drawn" in str(raised.value.__cause__)  # for --debug


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_processes_that_are_killed_are_noticed_when_a_batch_is_asked_for_and_never_elsewhere():
    """In a process of its own: PyTorch's signal handler raises wherever that is, and would hit pytest as well."""
    ended = subprocess.run([sys.executable, "-c", _KILLED], capture_output=True, encoding="utf-8", **_HERE)
    assert ended.stdout.splitlines() == ["went on", "True", "went on"], ended.stderr
    assert ended.returncode == 0
    assert not is_loader_failure(RuntimeError("another one"))


def test_an_interrupt_from_the_terminal_is_left_to_the_process_that_trains():
    made = batches(*_source(), 0, 40, CPU, 2)
    next(made)
    for worker in multiprocessing.active_children():
        os.kill(worker.pid, signal.SIGINT)
    assert len(list(made)) == 39


_KILLED = """
import multiprocessing, os, signal, time
from Testing.training.test_loader import CPU, _source, batches, is_loader_failure

def kill(worker):
    os.kill(worker.pid, signal.SIGKILL)
    time.sleep(0.3)
    print("went on", flush=True)

made = batches(*_source(), 0, 1000, CPU, 2)
next(made)
one, other = multiprocessing.active_children()
kill(one)
try:
    list(made)
except RuntimeError as reason:
    print(is_loader_failure(reason), flush=True)
    kill(other)
"""

_ENDLESS = """
import multiprocessing
from Testing.training.test_loader import CPU, _source, batches
made = batches(*_source(), 0, 10**6, CPU, 2)
next(made)
print(*[worker.pid for worker in multiprocessing.active_children()], flush=True)
while True:
    next(made)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_processes_end_when_their_parent_is_killed():
    """PyTorch's loader processes look for their parent every five seconds."""
    run = subprocess.Popen([sys.executable, "-c", _ENDLESS], stdout=subprocess.PIPE, **_HERE)
    workers = [int(word) for word in run.stdout.readline().split()]
    assert len(workers) == 2
    run.send_signal(signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + 30
    while any(_is_running(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_is_running(worker) for worker in workers)


def _is_running(process: int) -> bool:
    """A process that has ended but that nobody has waited for does not count."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_batches_on_a_gpu_are_the_same_with_0_or_2_processes():
    source, job = _source()
    device = torch.device("cuda")
    _assert_same(list(batches(source, job, 0, 6, device, 0)), list(batches(source, job, 0, 6, device, 2)))
