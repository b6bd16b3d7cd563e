"""Workers that crash, hang, babble or cannot even start: each becomes one sentence, and the next segmentation works."""

import os
import signal
import sys
import time

import pytest

from MedSegDLScene.interpreter import Interpreter
from MedSegDLScene.worker_client import WorkerClient
from Testing.scene.workers import (
    LAUNCHER,
    SHORT,
    failed,
    fake_interpreter,
    finished,
    poll_to_end,
    poll_until,
    running,
    segment,
    worker_pid,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def test_behind_a_launcher_a_crash_is_told(start_client):
    sentence, log = failed(start_client(launcher=LAUNCHER), "crash")
    assert "ended unexpectedly" in sentence
    assert "Segmentation fault" in log


def test_a_crash_becomes_a_sentence_with_the_log(client):
    sentence, log = failed(client, "crash")
    assert "crashed (SIGSEGV)" in sentence
    assert "Fatal Python error: Segmentation fault" in log


def test_a_process_that_the_system_killed_ran_out_of_memory(client):
    assert "memory ran out" in failed(client, "out_of_memory")[0]


def test_a_process_that_ends_by_itself_is_told_with_its_status(client):
    assert "exit status 7" in failed(client, "exit")[0]


def test_half_a_line_at_death_is_no_answer(client):
    sentence, log = failed(client, "half_line")
    assert "exit status 3" in sentence
    assert '{"message": "finished", "request"' in log


@pytest.mark.parametrize("behaviour", ["unreadable", "unknown"])
def test_what_is_no_answer_ends_the_process(client, behaviour):
    sentence, log = failed(client, behaviour)
    assert "said something that is no answer" in sentence
    assert "Segmentation fault in 0x" in log or '"dance"' in log


def test_what_libraries_print_goes_to_the_log(client):
    finished(client, "noisy")
    poll_until(client, lambda: any("printed by a library" in line for line in client.log_tail()))
    assert "printed by Python" in client.log_tail()


def test_an_error_of_the_engine_is_its_sentence_and_the_process_lives(client):
    before = finished(client) and worker_pid(client)
    assert failed(client, "wrong")[0] == "The image is wrong: take another."
    assert "close other programs" in failed(client, "memory")[0]
    sentence, log = failed(client, "fault")
    assert "ZeroDivisionError: by zero" in sentence
    assert "Traceback" in log
    assert worker_pid(client) == before


def test_after_a_failure_of_the_gpu_the_process_is_a_new_one(client):
    before = finished(client) and worker_pid(client)
    assert "cuda:0 failed" in failed(client, "spoilt")[0]
    assert worker_pid(client) != before


@pytest.mark.parametrize("behaviour", ["stuck", "stuck_alone", "stopped"])
def test_a_hung_process_is_ended(start_client, behaviour):
    assert "did not get on" in failed(start_client(limits=SHORT), behaviour)[0]


def test_a_process_that_is_busy_in_steps_is_not_hung(start_client):
    client = start_client(limits=SHORT)
    request = running(client, "slow")
    end = time.monotonic() + 5
    poll_until(client, lambda: time.monotonic() > end)
    assert request.state == "running"


def refused(client):
    """The sentence of a start that fails: that of the client, and of the request that asked for it."""
    request = poll_to_end(client, segment(client, "ok"))
    assert request.failure == client.failure
    assert client.state == "stopped"
    return client.failure


def test_a_missing_package_is_named(start_client):
    failure = refused(start_client("no_torch"))
    assert "'torch' is not installed" in failure.sentence
    assert any("ModuleNotFoundError" in line for line in failure.log)


def test_a_torch_that_cannot_be_loaded_is_told(start_client):
    assert "libcudart.so.12" in refused(start_client("broken_torch")).sentence


def test_another_version_is_refused(start_client):
    sentence = refused(start_client("other_version")).sentence
    assert "protocol 99" in sentence
    assert "install one version" in sentence


@pytest.mark.parametrize("start", ["silent", "never_ready"])
def test_a_process_that_is_never_ready_is_ended(start_client, start):
    assert "did not get on" in refused(start_client(start, limits=SHORT)).sentence


def test_a_program_that_is_no_worker_is_ended(start_client):
    assert "no answer" in refused(start_client("flood")).sentence


def test_a_process_that_cannot_begin_is_told_with_its_log(start_client):
    failure = refused(start_client("exit"))
    assert "exit status 1" in failure.sentence
    assert failure.log[-1] == "cannot begin"


def test_text_before_the_hello_is_log(start_client):
    client = start_client("chatty")
    finished(client)
    assert "Welcome to the launcher." in client.log_tail()


def test_a_python_that_does_not_exist_is_told():
    client = WorkerClient(Interpreter(("/no/such/python",), {}))
    client.start()
    assert "/no/such/python cannot be started" in client.failure.sentence
    assert "/no/such/python" in refused(client).sentence


def test_a_start_that_failed_can_be_tried_again(mark):
    client = WorkerClient(fake_interpreter(mark, "no_torch"))
    refused(client)
    client._interpreter = fake_interpreter(mark)
    finished(client)
    assert client.failure is None
    client.close()


def test_a_worker_that_no_longer_listens_is_replaced(client):
    finished(client)
    os.kill(worker_pid(client), signal.SIGKILL)
    time.sleep(0.1)
    finished(client)  # it died while nothing was under way: nobody needs to know


def test_nothing_is_asked_of_a_process_that_is_gone_while_its_log_is_still_open(client):
    finished(client, "child")
    os.kill(worker_pid(client), signal.SIGKILL)
    time.sleep(0.1)
    finished(client)
