"""A run that is stopped, paused or killed goes on to the bit; what has changed in between is told."""

import json
import math
import re
import shutil
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from MedSegDLLib.errors import Cancelled, InputError
from MedSegDLLib.files import read_labelmap, write_labelmap
from MedSegDLLib.progress import CancelToken
from MedSegDLTrainLib import loop
from MedSegDLTrainLib import train as train_module
from MedSegDLTrainLib.checkpoints import new_state
from MedSegDLTrainLib.job import read_job
from MedSegDLTrainLib.run_folder import ask, is_owned, read_best, read_plan, status_of, withdraw_request
from MedSegDLTrainLib.steps import Stepper
from MedSegDLTrainLib.train import Surroundings, train
from MedSegDLTrainLib.validate import Validated
from Testing.training.killing import losses_of, train_with_kills
from Testing.training.watched_runs import change_job, events_of, same_weights, saved_tally


def test_stopping_and_resuming_gives_the_same_weights_to_the_bit(job_file, tmp_path):
    straight = train(job_file, tmp_path / "straight")
    token = CancelToken()
    around = Surroundings(listeners=[lambda event: token.cancel() if event.get("step") == 3 else None], cancel=token)
    with pytest.raises(Cancelled, match="at step 3"):
        train(job_file, tmp_path / "stopped", around=around)
    assert status_of(tmp_path / "stopped").state == "stopped"
    resumed = train(job_file, tmp_path / "stopped", resume=True)
    assert resumed.tally.step == straight.tally.step == 8
    assert same_weights(straight, resumed)
    assert losses_of(tmp_path / "straight") == losses_of(tmp_path / "stopped")
    epochs = [
        [(event["epoch"], event["loss"]) for event in events_of(tmp_path / run, "epoch")] for run in ("straight", "stopped")
    ]
    assert epochs[0] == epochs[1]


def test_a_stop_while_validating_costs_no_step(job_file, tmp_path, monkeypatch):
    change_job(job_file, "validation", share=0.1)

    def stopped(self, weights, cancel):
        raise Cancelled("Stopped as asked.")

    monkeypatch.setattr(train_module.Validator, "__call__", stopped)
    with pytest.raises(Cancelled):
        train(job_file, tmp_path / "run", around=Surroundings(checkpoint_seconds=1000))
    assert saved_tally(job_file, tmp_path / "run").step == events_of(tmp_path / "run", "step")[-1]["step"] == 2
    assert (status_of(tmp_path / "run").state, status_of(tmp_path / "run").step) == ("stopped", 2)


def test_after_a_kill_the_best_validation_so_far_is_known(job_file, tmp_path):
    change_job(job_file, "validation", share=0.1)

    def kill(event):
        if event["event"] == "step" and event["step"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(job_file, tmp_path / "run", around=Surroundings(listeners=[kill], checkpoint_seconds=1000))
    best, saved = read_best(tmp_path / "run"), saved_tally(job_file, tmp_path / "run")
    assert (best.step, best.score) == (saved.best_step, saved.best_score) == (2, best.score)


def test_a_stop_while_steps_are_timed_comes_within_one_of_them(job_file, tmp_path):
    change_job(job_file, "optimisation", minutes=1.0)
    token = CancelToken()
    around = Surroundings(listeners=[lambda event: token.cancel() if event.get("done") == 1 else None], cancel=token)
    with pytest.raises(Cancelled, match="--resume goes on"):
        train(job_file, tmp_path / "run", around=around)
    assert not (tmp_path / "run" / "plan.json").exists()
    assert status_of(tmp_path / "run").state == "stopped"


def test_a_case_folder_may_move_between_stop_and_resume_but_not_become_another(job_file, case_folder, tmp_path):
    token = CancelToken()
    around = Surroundings(listeners=[lambda event: token.cancel() if event.get("step") == 3 else None], cancel=token)
    with pytest.raises(Cancelled):
        train(job_file, tmp_path / "run", around=around)
    change_job(job_file, cases="elsewhere")
    shutil.copytree(case_folder, tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"another job \(it differs in cases\)"):
        train(job_file, tmp_path / "run", resume=True)
    shutil.rmtree(case_folder)
    with pytest.raises(InputError, match=r"There is no case folder .*cases: put it back, or say where it is now in `cases`"):
        train(tmp_path / "run" / "job.json", tmp_path / "run", resume=True)
    assert train(job_file, tmp_path / "run", resume=True).tally.step == 8
    assert read_job(tmp_path / "run" / "job.json").cases == str((tmp_path / "elsewhere").resolve())


def test_a_run_of_an_earlier_version_whose_plan_knows_its_steps_only_goes_on_to_the_bit(job_file, tmp_path):
    straight = train(job_file, tmp_path / "straight")
    token = CancelToken()
    around = Surroundings(listeners=[lambda event: token.cancel() if event.get("step") == 3 else None], cancel=token)
    with pytest.raises(Cancelled):
        train(job_file, tmp_path / "run", around=around)
    (tmp_path / "run" / "plan.json").write_text('{"steps": 8}', encoding="utf-8")
    assert same_weights(straight, train(job_file, tmp_path / "run", resume=True))
    assert events_of(tmp_path / "run", "warning") == []


def test_minutes_are_counted_once_and_a_run_that_is_killed_keeps_its_steps(job_file, tmp_path, monkeypatch):
    change_job(job_file, "optimisation", minutes=0.02)

    def kill(event):
        if event["event"] == "step":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(job_file, tmp_path / "run", around=Surroundings(listeners=[kill]))
    steps = read_plan(tmp_path / "run").steps
    monkeypatch.setattr(train_module, "_seconds_per_step", lambda *_: pytest.fail("timed again"))
    assert train(job_file, tmp_path / "run", resume=True).tally.step == read_plan(tmp_path / "run").steps == steps


def test_what_differs_in_a_changed_job_is_named(job_file, tmp_path):
    train(job_file, tmp_path / "run")
    change_job(job_file, "optimisation", learning_rate=0.02)
    change_job(job_file, "network", numbers={"features_per_stage": [4, 8]})
    said = "another job (it differs in network.numbers.features_per_stage, optimisation.learning_rate)"
    with pytest.raises(InputError, match=re.escape(said)):
        train(job_file, tmp_path / "run", resume=True)


def test_after_five_kills_losses_and_weights_are_those_of_a_run_that_was_never_killed(job_file, tmp_path):
    change_job(job_file, "optimisation", epochs=200)
    straight = train(job_file, tmp_path / "straight", around=Surroundings(device="cpu"))
    steps = train_with_kills(job_file, tmp_path / "killed", kills=5, seed=0)
    assert steps[-1] > 0
    assert losses_of(tmp_path / "straight") == losses_of(tmp_path / "killed")
    resumed = new_state(read_job(job_file))
    train_module.load_checkpoint(resumed, tmp_path / "killed", pytest.fail)
    assert resumed.tally.step == straight.tally.step == 400
    assert same_weights(straight, resumed)


def test_another_process_can_pause_resume_and_stop_a_run(job_file, tmp_path):
    change_job(job_file, "optimisation", epochs=100_000)
    run, ended = tmp_path / "run", []

    def work():
        try:
            train(job_file, run)
        except Cancelled as reason:
            ended.append(str(reason))

    thread = threading.Thread(target=work)
    thread.start()
    _until(lambda: events_of(run, "step"))
    ask(run, "pause")
    _until(lambda: status_of(run).state == "paused")
    step = status_of(run).step
    time.sleep(0.3)
    assert status_of(run).step == step
    withdraw_request(run)
    _until(lambda: status_of(run).step > step)
    ask(run, "stop")
    thread.join(timeout=20)
    assert "--resume goes on" in ended[0]
    assert status_of(run).state == "stopped"
    assert not is_owned(run)
    first, again = events_of(run, "started")
    assert again == first | {"time": again["time"], "step": step, "resumed": True}


def _until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_a_run_folder_in_use_is_not_overwritten(job_file, tmp_path):
    train(job_file, tmp_path / "run")
    before = (tmp_path / "run" / "last.checkpoint").read_bytes()
    with pytest.raises(InputError, match="is not empty"):
        train(job_file, tmp_path / "run")
    change_job(job_file, "optimisation", epochs=9)
    with pytest.raises(InputError, match="another job"):
        train(job_file, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "last.checkpoint").read_bytes() == before
    with pytest.raises(InputError, match="no run to go on with"):
        train(job_file, tmp_path / "other", resume=True)
    assert not (tmp_path / "other").exists()


def test_a_damaged_checkpoint_falls_back_and_a_warning_says_so(job_file, tmp_path):
    straight = train(job_file, tmp_path / "run", around=Surroundings(checkpoint_seconds=0.0))
    (tmp_path / "run" / "last.checkpoint").write_bytes(b"damaged")
    resumed = train(job_file, tmp_path / "run", resume=True)
    assert same_weights(straight, resumed)
    assert "is damaged" in events_of(tmp_path / "run", "warning")[0]["text"]


def test_a_full_disk_pauses_the_run_which_goes_on_when_there_is_room(job_file, tmp_path, monkeypatch):
    full = iter([True, True, False])
    save = loop.save_checkpoint

    def limited(state, run):
        if next(full, False):
            raise OSError(28, "No space left on device")
        save(state, run)

    monkeypatch.setattr(loop, "save_checkpoint", limited)
    monkeypatch.setattr("MedSegDLTrainLib.disk._SECONDS_BETWEEN", 0.01)
    train(job_file, tmp_path / "run")
    assert "disk is full" in events_of(tmp_path / "run", "paused")[0]["reason"]
    assert "room on the disk again" in events_of(tmp_path / "run", "warning")[0]["text"]
    assert status_of(tmp_path / "run").state == "finished"


def test_cases_that_changed_between_stop_and_resume_are_told(job_file, case_folder, tmp_path):
    train(job_file, tmp_path / "run")
    document = json.loads((case_folder / "cases.json").read_text(encoding="utf-8"))
    document["cases"][0]["version"] = 2
    (case_folder / "cases.json").write_text(json.dumps(document), encoding="utf-8")
    for _ in range(2):
        train(job_file, tmp_path / "run", resume=True)
    warnings = [event["text"] for event in events_of(tmp_path / "run", "warning")]
    assert warnings == ["Cases have changed since the run began (a): it goes on with them as they are now."]


def test_the_best_weights_are_validated_anew_where_the_validation_is_another(job_file, case_folder, tmp_path):
    """Patient B's labels are changed after the run: little of what the best weights mark is right any more.

    That is remembered also if the run is killed before its next checkpoint, which alone would know the score of before.
    """

    def kill(event):
        if event["event"] == "started":
            raise KeyboardInterrupt

    train(job_file, tmp_path / "run")
    before = read_best(tmp_path / "run")
    assert before.score > 0
    labels = read_labelmap(case_folder / "labelsTr" / "b.nii.gz")
    voxel = np.zeros_like(labels.array)
    voxel[0, 0, 0] = 1
    write_labelmap(replace(labels, array=voxel), case_folder / "labelsTr" / "b.nii.gz")
    document = json.loads((case_folder / "cases.json").read_text(encoding="utf-8"))
    document["cases"][1]["version"] = 2
    (case_folder / "cases.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        train(job_file, tmp_path / "run", resume=True, around=Surroundings(listeners=[kill]))
    resumed = train(job_file, tmp_path / "run", resume=True)
    after = read_best(tmp_path / "run")
    (warning,) = (event["text"] for event in events_of(tmp_path / "run", "warning"))
    assert warning.startswith("Cases to validate on have changed since the run began (b): the best weights so far, of step ")
    assert after.score < before.score
    assert (resumed.tally.best_step, resumed.tally.best_score) == (after.step, after.score)


def test_a_best_score_of_patients_who_are_gone_is_forgotten(job_file, case_folder, tmp_path):
    train(job_file, tmp_path / "run")
    document = json.loads((case_folder / "cases.json").read_text(encoding="utf-8"))
    document["cases"] = [document["cases"][0], document["cases"][2]]
    (case_folder / "cases.json").write_text(json.dumps(document), encoding="utf-8")
    _keep_patient(case_folder, "B")
    train(job_file, tmp_path / "run", resume=True)
    assert status_of(tmp_path / "run").score is None


def _keep_patient(folder, key):
    """A patient stays written down when the last case has gone."""
    document = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    document["patients"] = [*document["patients"], {"key": key, "split": "train", "fold": 1}]
    (folder / "cases.json").write_text(json.dumps(document), encoding="utf-8")


def test_a_kill_between_the_best_weights_and_the_checkpoint_does_not_let_worse_ones_replace_them(
    job_file, tmp_path, monkeypatch
):
    change_job(job_file, "validation", share=0.1)

    def killed(event):
        if event["event"] == "validation":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(job_file, tmp_path / "run", around=Surroundings(listeners=[killed], checkpoint_seconds=1000))
    assert saved_tally(job_file, tmp_path / "run").best_score is None
    best = read_best(tmp_path / "run")
    poor = Validated(best.score / 2, {}, {}, 0.1)
    monkeypatch.setattr(train_module.Validator, "__call__", lambda *_: poor)
    assert train(job_file, tmp_path / "run", resume=True).tally.best_score == best.score
    assert read_best(tmp_path / "run") == best


def test_a_run_that_never_took_a_step_is_begun_anew_in_its_folder(job_file, tmp_path, monkeypatch):
    run, steps = tmp_path / "run", iter([math.nan])
    backward = Stepper._backward
    monkeypatch.setattr(Stepper, "_backward", lambda *given: backward(*given) * next(steps, 1.0))
    with pytest.raises(InputError, match="not finite at step 0"):
        train(job_file, run)
    assert status_of(run).state == "failed"
    change_job(job_file, seed=4)
    with pytest.raises(InputError, match="another job"):
        train(job_file, run, resume=True)
    assert train(job_file, run).tally.step == 8
    assert len(events_of(run, "started")) == 1
    assert read_job(run / "job.json").seed == 4
    with pytest.raises(InputError, match="is not empty"):
        train(job_file, run)
