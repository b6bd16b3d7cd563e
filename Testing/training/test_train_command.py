"""`medsegdl train`: in the foreground, in the background, and what is asked of a run from outside."""

import io
import json
import time

import pytest

from MedSegDLLib.__main__ import main
from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.commands import train_stop
from MedSegDLTrainLib.commands.train import with_action
from MedSegDLTrainLib.commands.train_status import sentence_of
from MedSegDLTrainLib.detached import start_detached
from MedSegDLTrainLib.job import read_job, write_job
from MedSegDLTrainLib.run_folder import RunStatus, owned, request_to, status_of
from MedSegDLTrainLib.train_display import train_display


def _longer(job_file, epochs):
    document = json.loads(job_file.read_text(encoding="utf-8"))
    document["optimisation"]["epochs"] = epochs
    job_file.write_text(json.dumps(document), encoding="utf-8")


def _until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["job.json", "--run", "r"], ["run", "job.json", "--run", "r"]),
        (["--run", "r", "job.json"], ["run", "--run", "r", "job.json"]),
        (["status", "r"], ["status", "r"]),
        (["--help"], ["--help"]),
        ([], ["run"]),
    ],
)
def test_the_word_run_may_be_left_out(given, meant):
    assert with_action(given) == meant


def test_train_tells_events_as_json_lines(job_file, tmp_path, capsys):
    assert main(["train", str(job_file), "--run", str(tmp_path / "run"), "--progress", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["event"] == "finished"
    assert sum(line["event"] == "step" for line in lines) == 8


def test_status_tells_a_sentence_or_json(job_file, tmp_path, capsys):
    main(["train", str(job_file), "--run", str(tmp_path / "run")])
    capsys.readouterr()
    assert main(["train", "status", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out.startswith("finished: step 8 of 8, loss ")
    assert main(["train", "status", str(tmp_path / "run"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "finished"
    assert main(["train", "status", str(tmp_path / "cases")]) == 2
    assert "holds no training run" in capsys.readouterr().err


def test_a_detached_run_is_paused_resumed_stopped_and_resumed(job_file, tmp_path, capsys):
    """All from outside, as another program does it."""
    run = tmp_path / "run"
    _longer(job_file, 100_000)
    assert main(["train", str(job_file), "--run", str(run), "--detach", "--device", "cpu"]) == 0
    assert "in the background" in capsys.readouterr().out
    _until(lambda: status_of(run).step > 2)
    assert main(["train", "pause", str(run)]) == 0
    assert capsys.readouterr().out.startswith("paused: step ")
    paused = status_of(run).step
    assert main(["train", "resume", str(run), "--device", "cpu"]) == 2
    assert "only waits, on the device that it has: stop it first" in capsys.readouterr().err
    assert main(["train", "resume", str(run)]) == 0
    _until(lambda: status_of(run).step > paused)
    assert main(["train", "stop", str(run)]) == 0
    assert "stopped: step " in capsys.readouterr().out
    stopped = status_of(run).step
    told = (run / "events.jsonl").read_text(encoding="utf-8").replace('"device": "cpu"', '"device": "cuda:7"')
    (run / "events.jsonl").write_text(told, encoding="utf-8")  # the run comes from a computer that had a GPU
    assert main(["train", "resume", str(run)]) == 2
    assert "Choose cpu or auto" in capsys.readouterr().err
    assert main(["train", "resume", str(run), "--device", "cpu"]) == 0
    _until(lambda: status_of(run).step > stopped)
    assert main(["train", "stop", str(run)]) == 0
    assert status_of(run).state == "stopped"


def test_a_detached_run_that_cannot_begin_says_why(job_file, tmp_path, capsys):
    job_file.write_text("{}", encoding="utf-8")
    assert main(["train", str(job_file), "--run", str(tmp_path / "run"), "--detach"]) == 2
    assert "lacks the keys" in capsys.readouterr().err


def test_nobody_is_asked_to_stop_a_finished_run(job_file, tmp_path, capsys):
    main(["train", str(job_file), "--run", str(tmp_path / "run")])
    assert main(["train", "stop", str(tmp_path / "run")]) == 2
    assert "nothing to stop" in capsys.readouterr().err
    assert main(["train", "resume", str(tmp_path / "run")]) == 2
    assert "is finished: there is nothing to resume" in capsys.readouterr().err


def test_a_status_in_words():
    assert sentence_of(RunStatus("running", 120, 1000, 0.3123, 250, 0.871)) == (
        "running: step 120 of 1000, loss 0.312, best validation 0.871, 4 min 10 s left"
    )
    assert sentence_of(RunStatus("failed", 3, 10, reason="No.")) == "failed: step 3 of 10 (No.)"
    assert sentence_of(RunStatus("running")) == "running: getting ready"


def test_the_bar_shows_step_and_loss_and_keeps_what_matters_readable():
    stream = io.StringIO()
    show = train_display("bar", io.StringIO(), stream)
    show({"event": "started", "steps": 10})
    show({"event": "step", "step": 5, "loss": 0.25, "seconds_left": 61.0})
    show({"event": "validation", "step": 5, "metric": "dice", "score": 0.75, "best": True, "patients": {}})
    text = stream.getvalue()
    assert "step 5 of 10  loss 0.2500" in text
    assert "50%" in text
    assert "1 min 01 s left" in text
    assert "step 5: dice 0.7500 (best)\n" in text


def test_a_run_outlives_the_reader_of_its_json_lines():
    class Closed(io.StringIO):
        lines = 0

        def write(self, text):
            Closed.lines += 1
            raise BrokenPipeError

    show = train_display("json", Closed(), io.StringIO())
    show({"event": "step", "step": 1})
    show({"event": "step", "step": 2})
    assert Closed.lines == 1


def test_without_a_terminal_nothing_is_shown():
    stream = io.StringIO()
    train_display(None, stream, stream)({"event": "warning", "text": "no"})
    assert stream.getvalue() == ""


def test_a_second_detached_process_is_refused_and_leaves_what_the_first_one_printed(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "job.json").write_text("{}", encoding="utf-8")
    (tmp_path / "run.log.txt").write_text("of the first", encoding="utf-8")
    with owned(run), pytest.raises(InputError, match="Another process works on the run"):
        start_detached(run / "job.json", run, resume=True)
    assert (tmp_path / "run.log.txt").read_text(encoding="utf-8") == "of the first"


def test_nobody_waits_for_a_run_that_is_killed_meanwhile(tmp_path, monkeypatch, capsys):
    states = iter([RunStatus("running", 1, 9), RunStatus("killed", 2, 9)])
    monkeypatch.setattr(train_stop, "ask", lambda run, request: None)
    monkeypatch.setattr(train_stop, "status_of", lambda run: next(states))
    assert train_stop.asked_and_done(tmp_path, "stop", "stopped") == 0
    assert capsys.readouterr().out == "killed: step 2 of 9\n"


@pytest.mark.parametrize(("action", "state"), [("stop", "stopped"), ("pause", "paused")])
def test_a_run_that_has_not_done_in_time_what_was_asked_says_so_and_goes_on_being_asked(
    job_file, tmp_path, monkeypatch, capsys, action, state
):
    run = tmp_path / "run"
    run.mkdir()
    write_job(read_job(job_file), run / "job.json")
    monkeypatch.setattr(train_stop, "_MOST_SECONDS", 0.05)
    with owned(run):
        assert main(["train", action, str(run)]) == 2
        assert request_to(run) == action
    told = capsys.readouterr()
    assert told.out == "" and f"The run in {run} is not {state} yet: it is still getting ready, in a step or" in told.err
    assert f"medsegdl train status {run}" in told.err
