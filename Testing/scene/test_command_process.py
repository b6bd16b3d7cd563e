import os
import signal
import subprocess
import sys
import time

import pytest

from MedSegDLScene.command_process import CommandProcess
from MedSegDLScene.interpreter import Interpreter, this_interpreter
from Testing.scene.workers import LAUNCHER, TIMER, living, none_lives

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def run(code, *arguments, launcher=()):
    interpreter = this_interpreter()
    command = Interpreter((*launcher, *interpreter.command), interpreter.environment)
    return CommandProcess(command, ["-c", code, *arguments])


def to_end(process, seconds=20):
    end = time.monotonic() + seconds
    while not process.ended:
        assert time.monotonic() < end, process.lines
        process.poll()
        time.sleep(TIMER)
    return process


def until_line(process, line):
    while line not in process.lines:
        assert not process.ended, process.lines
        process.poll()
        time.sleep(TIMER)


def test_both_streams_come_as_lines_and_json_objects_as_events():
    process = to_end(
        run(
            "import sys\n"
            'print(\'{"step": 1, "loss": 0.5}\')\n'
            "print('Größe → 3', flush=True)\n"
            "print('on the other stream', file=sys.stderr)\n"
            "print('[1]'); print('{no JSON'); print('{\"step\": 2}', end='')"
        )
    )
    assert process.lines == [
        '{"step": 1, "loss": 0.5}', "Größe → 3", "on the other stream", "[1]", "{no JSON", '{"step": 2}'
    ]  # fmt: skip
    assert process.events == [{"step": 1, "loss": 0.5}, {"step": 2}]
    assert (process.status, process.sentence) == (0, "{no JSON")


def test_lines_come_while_the_command_still_runs(tmp_path):
    process = run("import time; print('begun'); time.sleep(1000)", str(tmp_path))
    until_line(process, "begun")
    assert (process.ended, process.status) == (False, None)
    process.cancel()
    to_end(process)
    assert process.status == -signal.SIGTERM
    assert none_lives(str(tmp_path))


def test_a_bar_that_is_drawn_anew_is_shown_as_it_looks_last():
    assert to_end(run("print('10 %\\r50 %\\r100 %\\r')")).lines == ["100 %"]


def test_a_failure_is_told_by_status_and_last_sentence():
    process = to_end(run("import sys; print('{}'); sys.exit('The case folder is empty: add cases.\\n')"))
    assert (process.status, process.sentence) == (1, "The case folder is empty: add cases.")


def test_a_real_command_of_medsegdl_is_found():
    process = to_end(CommandProcess(this_interpreter(), ["-m", "MedSegDLLib", "models", "show", "nonsense"]))
    assert process.status == 2
    assert "There is no model 'nonsense'" in process.sentence


def test_a_program_that_does_not_exist_has_ended_with_a_sentence():
    process = CommandProcess(Interpreter(("/no/such/python",), {}), ["-m", "pip"])
    assert (process.ended, process.status) == (True, 127)
    assert process.sentence == "The program /no/such/python cannot be started: No such file or directory."
    process.poll()
    process.cancel()


def test_nothing_is_asked_of_the_user():
    assert to_end(run("import sys; print(repr(sys.stdin.read()))")).lines == ["''"]


_CHILD = "import signal, time; signal.signal(signal.SIGTERM, {how}); print('{name}', flush=True); time.sleep(1000)"
_PARENT = "import subprocess, sys; child = subprocess.Popen([sys.executable, *sys.argv[1:]]); " + _CHILD


@pytest.mark.parametrize("launcher", [(), LAUNCHER], ids=["directly", "behind a launcher"])
@pytest.mark.parametrize("how", ["signal.SIG_DFL", "signal.SIG_IGN"], ids=["willing", "unwilling"])
def test_a_cancel_ends_whatever_the_command_has_started(tmp_path, launcher, how):
    child = ["-c", _CHILD.format(how=how, name="child"), str(tmp_path)]
    process = run(_PARENT.format(how="signal.SIG_DFL", name="parent"), *child, launcher=launcher)
    until_line(process, "child")
    until_line(process, "parent")
    assert len(living(str(tmp_path))) == 2 + bool(launcher)
    process.cancel()
    process.cancel()
    to_end(process)
    assert process.status != 0
    assert none_lives(str(tmp_path))


def test_a_command_that_tidies_up_when_asked_may_do_so(tmp_path):
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit('Stopped as asked.'))\n"
        "print('begun'); time.sleep(1000)"
    )
    process = run(code)
    until_line(process, "begun")
    process.cancel()
    to_end(process)
    assert (process.status, process.sentence) == (1, "Stopped as asked.")


def test_a_process_that_a_command_leaves_behind_on_purpose_does_not_hold_it_up(tmp_path):
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)', sys.argv[1]])"
    process = to_end(run(code, str(tmp_path)))
    assert process.status == 0
    (left,) = living(str(tmp_path))
    os.kill(left, signal.SIGKILL)
    assert none_lives(str(tmp_path))


def test_a_poll_never_waits_however_much_is_printed(tmp_path):
    process = run("while True: print('y' * 100)", str(tmp_path))
    longest = 0.0
    for _ in range(50):
        start = time.perf_counter()
        process.poll()
        longest = max(longest, time.perf_counter() - start)
        time.sleep(TIMER)
    process.cancel()
    to_end(process)
    assert len(process.lines) > 1000
    assert longest < 0.5
    assert none_lives(str(tmp_path))


def test_the_caller_can_end_first(tmp_path):
    """A command goes on when the caller ends: it is nobody's worker."""
    code = (
        "import sys; from MedSegDLScene.command_process import CommandProcess; from MedSegDLScene.interpreter import *\n"
        "CommandProcess(this_interpreter(), ['-c', 'import pathlib, sys, time; time.sleep(0.5);'\n"
        "    'pathlib.Path(sys.argv[1]).touch()', sys.argv[1]])"
    )
    done = tmp_path / "done"
    subprocess.run([sys.executable, "-c", code, str(done)], env=dict(this_interpreter().environment), check=True)
    end = time.monotonic() + 10
    while not done.exists() and time.monotonic() < end:
        time.sleep(TIMER)
    assert done.exists()
