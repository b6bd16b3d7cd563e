"""Starting a run without waiting for it, with an interpreter that the caller names (in Slicer another one than its own)."""

import json
import sys
import time
from pathlib import Path

import pytest

from MedSegDLLib.errors import InputError, OutputError
from MedSegDLTrainLib.detached import launch
from MedSegDLTrainLib.run_folder import owned


def _until_ended(started):
    until = time.monotonic() + 20
    while started.process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)


def _interpreter(folder, lines):
    """A program that stands in for Python with `-m MedSegDLLib …`."""
    script = folder / "stand_in.py"
    script.write_text("import json, os, sys, time\n" + lines, encoding="utf-8")
    return (sys.executable, str(script))


def test_the_interpreter_and_environment_named_are_used_and_nobody_waits(tmp_path):
    told = tmp_path / "told.json"
    lines = f"open({str(told)!r}, 'w').write(json.dumps([sys.argv[1:], dict(os.environ)]))\ntime.sleep(0.5)"
    environment = {"ONLY": "here", "PYTHONPATH": "before", "SYSTEMROOT": "C:\\Windows"}
    before = time.monotonic()
    started = launch(
        tmp_path / "job.json", tmp_path / "new" / "run", False, ("--device", "cpu"), _interpreter(tmp_path, lines), environment
    )
    assert not started.has_begun()
    assert time.monotonic() - before < 0.4
    _until_ended(started)
    assert started.has_begun()  # with status 0
    arguments, found = json.loads(told.read_text(encoding="utf-8"))
    assert arguments[:3] == ["-m", "MedSegDLLib", "train"]
    assert arguments[-2:] == ["--device", "cpu"]
    assert found["ONLY"] == "here"
    assert found["PYTHONPATH"].endswith("before")
    assert "MedSegDLTrain" in found["PYTHONPATH"]


def test_the_folder_where_one_stands_can_be_the_run(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    started = launch(tmp_path / "job.json", Path(), False, (), _interpreter(tmp_path, "pass"))
    _until_ended(started)
    assert started.log == tmp_path / "run.log.txt"


def test_what_was_printed_last_says_why_nothing_began(tmp_path):
    started = launch(
        tmp_path / "job.json", tmp_path / "run", False, (), _interpreter(tmp_path, "print('one')\nsys.exit('No torch.')")
    )
    _until_ended(started)
    with pytest.raises(InputError, match=r"^No torch\.$"):
        started.has_begun()


def test_a_process_that_works_on_the_run_has_begun(tmp_path):
    run = tmp_path / "run"
    started = launch(tmp_path / "job.json", run, False, (), _interpreter(tmp_path, "time.sleep(20)"))
    run.mkdir()
    (run / "job.json").write_text("{}", encoding="utf-8")
    assert not started.has_begun()
    with owned(run):
        assert started.has_begun()
    started.process.kill()
    started.process.wait()


def test_an_interpreter_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(OutputError, match="No training can be started"):
        launch(tmp_path / "job.json", tmp_path / "run", False, (), (str(tmp_path / "absent"),))
