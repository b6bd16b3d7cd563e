"""Runs are started, watched, asked and found again without anybody waiting."""

import json
import sys
import time
from pathlib import Path

import pytest

from MedSegDLLib.errors import InputError
from MedSegDLLib.strict_json import write_json
from MedSegDLScene.interpreter import Interpreter, this_interpreter
from MedSegDLTrainLib.run_folder import EVENTS_FILE, JOB_FILE, VALIDATION_FILE, BestValidation, owned, read_best, request_to
from MedSegDLTrainScene import event_tail, runs
from MedSegDLTrainScene.event_tail import EventTail
from MedSegDLTrainScene.known_runs import forget_run, free_run_folder, job_of, known_runs, remember_run, runs_of
from MedSegDLTrainScene.run_history import MOST_POINTS, RunHistory, Thinned
from MedSegDLTrainScene.runs import MISSING, RunWatch, pause_run, resume_run, run_status, start_run, stop_run
from Testing.scene.workers import LAUNCHER, living, none_lives
from Testing.training.finished_run import write_run
from Testing.training_scene.heart import ended


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path, "ttv")


def tell(run: Path, *events: dict) -> None:
    with (run / EVENTS_FILE).open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(event) + "\n" for event in events))


def test_a_finished_run_is_watched_from_its_beginning(run):
    watch = RunWatch(run)
    assert (watch.status.state, watch.status.step, watch.status.score) == ("finished", 20, 0.9)
    events = watch.poll()
    assert [event["event"] for event in events][-2:] == ["warning", "finished"]
    assert watch.caught_up
    assert watch.history.loss.points == [(n, 1 / n) for n in range(1, 21)]
    assert watch.history.scores == [(20, 0.9)]
    assert watch.history.warnings == ["odd <i>thing</i>"]
    assert watch.history.device == "cpu"
    assert watch.poll() == ()


def test_only_new_and_whole_lines_are_taken(run):
    watch = RunWatch(run)
    watch.poll()
    with (run / EVENTS_FILE).open("a", encoding="utf-8") as file:
        file.write('{"event": "step", "time": 1, "st')
    assert watch.poll() == ()
    with (run / EVENTS_FILE).open("a", encoding="utf-8") as file:
        file.write('ep": 21, "loss": 0.5}\nno json\n')
    assert [event["step"] for event in watch.poll()] == [21]
    assert watch.history.loss.points[-1] == (21, 0.5)


def test_a_long_run_is_caught_up_with_in_pieces(run, monkeypatch):
    monkeypatch.setattr(event_tail, "_MOST_BYTES", 500)
    watch = RunWatch(run)
    polls = 0
    while not watch.caught_up:
        watch.poll()
        polls += 1
    assert polls > 3
    assert len(watch.history.loss.points) == 20


def test_a_file_that_begins_anew_is_read_from_its_beginning(tmp_path):
    path = tmp_path / "events.jsonl"
    tail = EventTail(path)
    assert tail.new_events() == []
    path.write_text('{"event": "a"}\n{"event": "b"}\n', encoding="utf-8")
    assert [event["event"] for event in tail.new_events()] == ["a", "b"]
    path.write_text('{"event": "c"}\n', encoding="utf-8")
    assert [event["event"] for event in tail.new_events()] == ["c"]


def test_a_curve_stays_small_and_keeps_its_mean():
    curve = Thinned()
    for step in range(1, 12345):
        curve.add(step, float(step % 2))
    assert MOST_POINTS // 2 <= len(curve.points) <= MOST_POINTS
    assert curve.points[-1][0] == 12344
    assert [value for _, value in curve.points[:-1]] == pytest.approx([0.5] * (len(curve.points) - 1))


def test_steps_that_are_done_again_after_a_kill_count_once():
    curve = Thinned()
    for step, value in ((1, 1.0), (2, 2.0), (3, 3.0), (2, 20.0), (3, 30.0)):
        curve.add(step, value)
    assert curve.points == [(1, 1.0), (2, 20.0), (3, 30.0)]


def test_blends_are_told_apart_from_validations_of_the_trained_weights():
    history = RunHistory()
    for event in (
        {"event": "preparing", "case": "a", "done": 1, "of": 3},
        {"event": "validation", "step": 10, "metric": "dice", "score": 0.5, "blend": None},
        {"event": "validation", "step": 10, "metric": "dice", "score": 0.6},
        {"event": "validation", "step": 20, "metric": "dice", "score": None},
        {"event": "validation", "step": 20, "metric": "dice", "score": 0.7, "blend": 0.5},
        {"event": "checkpoint", "step": 20},
    ):
        history.take(event)
    assert (history.scores, history.blends, history.metric) == ([(10, 0.6)], [(0.5, 0.7)], "dice")
    assert history.preparing == (1, 3)


def test_runs_of_a_case_folder_are_those_beside_it_and_those_remembered(run, tmp_path):
    elsewhere = tmp_path / "far" / "away"
    elsewhere.mkdir(parents=True)
    (elsewhere / JOB_FILE).write_text((run / JOB_FILE).read_text(encoding="utf-8"), encoding="utf-8")
    assert runs_of(tmp_path / "cases") == (run,)
    remember_run(elsewhere)
    remember_run(run)
    assert known_runs() == (run, elsewhere)
    assert set(runs_of(tmp_path / "cases")) == {run, elsewhere}
    assert runs_of(tmp_path / "other") == ()
    forget_run(elsewhere)
    assert known_runs() == (run,)
    (run / JOB_FILE).write_text("{}", encoding="utf-8")  # another program's
    assert runs_of(tmp_path / "cases") == ()
    assert free_run_folder(tmp_path / "cases") == tmp_path / "run-2"
    assert free_run_folder(tmp_path / "cases", "new") == tmp_path / "new"


def test_a_run_that_is_gone_is_missing_with_a_sentence(tmp_path):
    watch = RunWatch(tmp_path / "gone")
    assert watch.poll() == ()
    assert watch.status.state == MISSING
    assert "holds no training run" in watch.status.reason


def test_the_best_validation_is_read_again_only_when_it_has_changed(run, monkeypatch):
    reads = []
    monkeypatch.setattr(runs, "read_best", lambda folder: reads.append(folder) or read_best(folder))
    watch = RunWatch(run)
    for _ in range(5):
        watch.look()
    assert (len(reads), watch.status.score) == (1, 0.9)
    write_json(BestValidation(30, "dice", 0.95, {}), run / VALIDATION_FILE)
    watch.look()
    assert (len(reads), watch.status.score) == (2, 0.95)


def test_requests_are_written_and_nobody_waits(run):
    tell(run, {"event": "started", "time": 1, "step": 20})
    with owned(run):
        assert run_status(run).state == "running"
        pause_run(run)
        assert request_to(run) == "pause"
        tell(run, {"event": "paused", "time": 2, "step": 20, "reason": "asked to pause"})
        assert run_status(run).state == "paused"
        assert resume_run(run, this_interpreter()) is None
        assert request_to(run) is None
        stop_run(run)
        assert request_to(run) == "stop"
    with pytest.raises(InputError, match="nothing to pause"):
        pause_run(run)


def test_a_finished_run_is_not_resumed(run):
    with pytest.raises(InputError, match="is finished: there is nothing to resume"):
        resume_run(run, this_interpreter())


def test_without_the_package_for_locks_there_is_a_sentence(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "filelock", None)
    assert run_status(run).state == MISSING
    assert "install PyTorch first" in run_status(run).reason
    with pytest.raises(InputError, match="install PyTorch first"):
        stop_run(run)


def test_a_start_that_fails_is_told_with_what_was_printed(run, tmp_path):
    script = tmp_path / "python.py"
    script.write_text("import sys\nprint('first line')\nsys.exit('No torch here.')", encoding="utf-8")
    interpreter = Interpreter((sys.executable, str(script)), {})
    starting = ended(start_run(run / JOB_FILE, tmp_path / "new", interpreter), 20)
    assert starting.failed and starting.sentence == "No torch here."
    assert list(starting.lines) == ["first line", "No torch here."]
    with pytest.raises(InputError, match="not empty"):
        start_run(run / JOB_FILE, run, interpreter)


def test_starting_takes_no_time_and_may_be_cancelled(run, tmp_path):
    script = tmp_path / "python.py"
    script.write_text("import time\ntime.sleep(30)", encoding="utf-8")
    before = time.monotonic()
    starting = start_run(run / JOB_FILE, tmp_path / "new", Interpreter((sys.executable, str(script)), {}))
    starting.poll()
    assert time.monotonic() - before < 1
    assert not starting.ended
    starting.cancel()
    assert starting.ended and not starting.failed
    assert starting._launched.process.wait(10) != 0


def test_cancelling_a_start_ends_the_python_behind_the_launcher_too(run, tmp_path):
    script = tmp_path / "python.py"
    script.write_text("import time\ntime.sleep(30)", encoding="utf-8")
    starting = start_run(run / JOB_FILE, tmp_path / "new", Interpreter((*LAUNCHER, sys.executable, str(script)), {}))
    until = time.monotonic() + 10
    while len(living(str(script))) < 2 and time.monotonic() < until:  # the launcher, and what it has started
        time.sleep(0.01)
    assert len(living(str(script))) == 2
    starting.cancel()
    assert none_lives(str(script))


def test_the_job_of_a_run_names_its_cases_wherever_it_is_read_from(run, tmp_path):
    assert Path(job_of(run).cases) == tmp_path / "cases"


def test_a_run_trains_in_a_process_of_its_own_until_it_is_asked_to_stop(tmp_path, run):
    document = json.loads((run / JOB_FILE).read_text(encoding="utf-8"))
    document["optimisation"] |= {"epochs": 10_000, "steps_per_epoch": 10}
    document["start_from"] = ""
    (tmp_path / "long.json").write_text(json.dumps(document), encoding="utf-8")
    starting = ended(start_run(tmp_path / "long.json", tmp_path / "long", this_interpreter(), "cpu"))
    assert starting.sentence == "" and known_runs()[0] == tmp_path / "long"
    watch = RunWatch(tmp_path / "long")
    until = time.monotonic() + 60
    while not watch.history.loss.points and time.monotonic() < until:
        watch.poll()
        time.sleep(0.05)
    assert watch.history.loss.points
    watch.look()
    assert watch.status.state == "running"
    stop_run(tmp_path / "long")
    while watch.status.state == "running" and time.monotonic() < until:
        watch.poll()
        time.sleep(0.05)
    assert watch.status.state == "stopped"
    assert runs._device(tmp_path / "long") == "cpu"
