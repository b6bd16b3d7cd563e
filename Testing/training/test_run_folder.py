"""Where a run stands, told from its files; who works on it; what others ask of it."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from MedSegDLLib.errors import InputError, OutputError
from MedSegDLLib.strict_json import write_json
from MedSegDLTrainLib.progress import EventLog, read_events
from MedSegDLTrainLib.run_folder import (
    BestValidation,
    CaseRows,
    Plan,
    RunStatus,
    ask,
    clear,
    is_owned,
    is_unused,
    owned,
    read_best,
    request_to,
    status_of,
    sweep,
    took_no_step,
    withdraw_request,
)

PACKAGES = os.pathsep.join(str(Path(__file__).resolve().parents[2] / folder) for folder in ("MedSegDL", "MedSegDLTrain"))


@pytest.fixture
def run(tmp_path):
    (tmp_path / "job.json").write_text("{}", encoding="utf-8")
    write_json(Plan(100), tmp_path / "plan.json")
    return tmp_path


def _log(run, *events):
    log = EventLog(run / "events.jsonl")
    for event, fields in events:
        log.write(event, **fields)


STEP = ("step", {"step": 7, "loss": 0.5, "seconds_left": 9.0})


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([STEP], "killed"),
        ([STEP, ("checkpoint", {"step": 7})], "killed"),
        ([STEP, ("paused", {"step": 7, "reason": "asked"})], "stopped"),
        ([STEP, ("finished", {"step": 7})], "finished"),
        ([STEP, ("failed", {"reason": "No."}), ("warning", {"step": 7, "text": "late"})], "failed"),
    ],
)
def test_a_run_that_nobody_works_on_is_told_from_its_last_word(run, events, state):
    _log(run, *events)
    assert status_of(run).state == state


@pytest.mark.parametrize(("last", "state"), [([], "running"), ([("paused", {"step": 7, "reason": "asked"})], "paused")])
def test_a_run_that_somebody_works_on_is_running_or_paused(run, last, state):
    _log(run, STEP, *last)
    with owned(run):
        status = status_of(run)
    assert status == RunStatus(state, 7, 100, 0.5, 9.0, None, "asked" if last else "")


def test_the_best_validation_is_part_of_the_status(run):
    rows = ({"name": "heart", "dice": 0.9, "hd95_mm": None},)
    best = BestValidation(5, "dice", 0.9, {"a": CaseRows("A", rows)})
    write_json(best, run / "validation.json")
    assert read_best(run) == best
    assert status_of(run).score == 0.9


def test_a_folder_without_a_job_is_no_run(tmp_path):
    with pytest.raises(InputError, match="holds no training run"):
        status_of(tmp_path)


def test_a_second_owner_is_refused_until_the_first_is_killed(run):
    code = "import sys, time; from pathlib import Path; from MedSegDLTrainLib.run_folder import owned\n"
    code += "with owned(Path(sys.argv[1])): print('mine', flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", code, run], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": PACKAGES}
    )
    assert process.stdout.readline() == b"mine\n"
    assert is_owned(run)
    with pytest.raises(InputError, match="Another process works on the run"), owned(run):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not is_owned(run)
    with owned(run):
        assert is_owned(run)


def test_a_start_that_was_killed_at_once_leaves_a_folder_that_can_be_used(tmp_path):
    run = tmp_path / "run"
    assert is_unused(run)
    run.mkdir()
    for name in (".lock", ".0123456789ab.json", ".0123456789ab", ".vimrc.old"):
        (run / name).touch()
    (run / ".idea.d").mkdir()
    assert is_unused(run)
    sweep(run)
    assert sorted(path.name for path in run.iterdir()) == [".idea.d", ".lock", ".vimrc.old"]  # a person's stay
    (run / "job.json").touch()
    assert not is_unused(run)


@pytest.mark.parametrize("more", [None, "best.checkpoint", "notes.txt"])
def test_only_a_run_that_never_took_a_step_makes_room_for_another(run, more):
    _log(run, ("started", {"step": 0}), ("failed", {"reason": "No."}))
    if more:
        (run / more).touch()
    assert took_no_step(run) == (more is None)
    if more:
        with pytest.raises(InputError, match="is not empty"):
            clear(run)
        return
    clear(run)
    assert [path.name for path in run.iterdir()] == ["job.json"]
    _log(run, STEP)
    assert not took_no_step(run)


def test_a_folder_with_nothing_but_somebodys_job_is_no_run_that_makes_room(tmp_path):
    (tmp_path / "job.json").touch()
    assert not took_no_step(tmp_path)


def test_requests_are_seen_and_can_be_taken_back(run):
    with pytest.raises(InputError, match="nothing to pause"):
        ask(run, "pause")
    with owned(run):
        assert request_to(run) is None
        ask(run, "pause")
        assert request_to(run) == "pause"
        withdraw_request(run)
        assert request_to(run) is None


def test_who_asks_to_pause_and_to_stop_wants_the_run_to_stop(run):
    with owned(run):
        ask(run, "stop")
        ask(run, "pause")
        assert request_to(run) == "stop"
        withdraw_request(run)
        assert request_to(run) is None


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a disk without a byte left, with a run in it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "none", disk], check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        (disk / "job.json").write_text("{}", encoding="utf-8")
        _log(disk, STEP)
        (disk / ".lock").touch()
        with pytest.raises(OSError, match="No space"), (disk / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def test_on_a_full_disk_a_run_is_asked_all_the_same(full_disk):
    with pytest.raises(OSError, match="No space"):
        (full_disk / "more").write_bytes(bytes(1))
    with owned(full_disk):
        for request in ("pause", "stop"):
            ask(full_disk, request)
            assert request_to(full_disk) == request
    assert status_of(full_disk).state == "stopped"
    withdraw_request(full_disk)
    assert status_of(full_disk).state == "killed"


def test_a_request_that_cannot_be_kept_is_told_in_a_sentence(run, monkeypatch):
    def refused(path):
        raise OSError(errno.EROFS, "no")

    with owned(run):
        monkeypatch.setattr(Path, "touch", refused)
        with pytest.raises(OutputError, match="cannot be asked to stop: that disk is read-only"):
            ask(run, "stop")


def test_a_line_cut_short_by_a_kill_is_skipped_and_never_continued(run):
    _log(run, STEP)
    path = run / "events.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + '{"event": "st', encoding="utf-8")
    assert status_of(run).step == 7
    _log(run, ("finished", {"step": 8}))
    assert status_of(run).state == "finished"
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[-1])["step"] == 8


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit of a file's size on Windows")
def test_an_event_for_which_there_is_no_room_leaves_no_half_line(run):
    import resource

    path, before = run / "events.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    log = EventLog(path)
    log.write("step", step=7)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
    try:
        with pytest.raises(OutputError, match="larger than allowed"):
            log.write("step", step=8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.write("step", step=9)
    assert [json.loads(line)["step"] for line in path.read_text(encoding="utf-8").splitlines()] == [7, 9]


def test_listeners_hear_of_an_event_once_though_it_is_written_later(run):
    heard = []
    log = EventLog(run / "events.jsonl", [heard.append])
    told = log.tell("step", step=7)
    assert not (run / "events.jsonl").exists()
    log.append(told)
    assert heard == [told] == read_events(run / "events.jsonl")


def test_a_folder_that_has_gone_is_told_in_a_sentence(run):
    log = EventLog(run / "gone" / "events.jsonl")
    with pytest.raises(OutputError, match="cannot be written"):
        log.write("step", step=1)


def test_asking_for_a_folder_that_is_not_there_makes_none(run):
    assert not is_owned(run / "gone")
    with pytest.raises(InputError, match="nothing to stop"):
        ask(run / "gone", "stop")
    assert not (run / "gone").exists()


def test_a_folder_that_cannot_be_locked_is_told_in_a_sentence(run):
    (run / ".lock").mkdir()
    with pytest.raises(OutputError, match="No run can be kept in"), owned(run):
        pass


def test_the_step_of_a_run_that_ended_is_its_last_one(run):
    """The last word of a run that was stopped while it prepared or validated knows no step."""
    _log(run, STEP, ("paused", {"reason": "Stopped as asked."}))
    assert (status_of(run).state, status_of(run).step) == ("stopped", 7)


def test_the_status_of_a_long_run_needs_only_the_end_of_its_log(run):
    _log(run, *[("step", {"step": n, "loss": 1 / n, "seconds_left": 1.0}) for n in range(1, 1500)])
    assert (run / "events.jsonl").stat().st_size > 2**16
    assert status_of(run).step == 1499
