"""A run: it learns, never touches held-out cases, keeps its best validation and keeps to its time."""

import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib import loop
from MedSegDLTrainLib import train as train_module
from MedSegDLTrainLib.job import read_job
from MedSegDLTrainLib.loop import Loop
from MedSegDLTrainLib.progress import read_events
from MedSegDLTrainLib.run_folder import Plan, read_best, read_plan, status_of
from MedSegDLTrainLib.run_model import model_of_run
from MedSegDLTrainLib.run_plan import fitting
from MedSegDLTrainLib.train import Surroundings, train
from MedSegDLTrainLib.validate import Validated
from Testing.training.killing import losses_of
from Testing.training.watched_runs import change_job, events_of, start_from_bright


def test_it_learns_squares(job_file, tmp_path):
    change_job(job_file, "optimisation", epochs=60)
    train(job_file, tmp_path / "run")
    losses = [event["loss"] for event in events_of(tmp_path / "run", "step")]
    assert len(losses) == 120
    assert losses[-1] < 0.6 * losses[0]
    last = events_of(tmp_path / "run", "validation")[-1]
    assert set(last["patients"]) == {"B"}
    assert last["score"] > 0.85
    assert status_of(tmp_path / "run").state == "finished"


def test_the_best_validation_is_kept_with_its_rows_and_its_weights(job_file, tmp_path):
    train(job_file, tmp_path / "run")
    best = read_best(tmp_path / "run")
    told = [event for event in events_of(tmp_path / "run", "validation") if event["best"]][-1]
    assert (best.step, best.score, best.metric) == (told["step"], told["score"], "dice")
    assert best.cases["b"].patient == "B"
    assert [row["name"] for row in best.cases["b"].labels] == ["square"]
    model = model_of_run(tmp_path / "run")
    assert [label.name for label in model.labels.labels] == ["square"]
    assert not model.network.training


def test_events_tell_pace_and_time_left(job_file, tmp_path):
    told = []
    train(job_file, tmp_path / "run", around=Surroundings(listeners=[told.append]))
    assert told == read_events(tmp_path / "run" / "events.jsonl")
    started = events_of(tmp_path / "run", "started")[0]
    assert (started["steps"], started["training"], started["validation"], started["held_out"]) == (
        8,
        {"patients": 1, "cases": 1},
        {"patients": 1, "cases": 1},
        {"patients": 1, "cases": 1},
    )
    steps = events_of(tmp_path / "run", "step")
    assert all(step["patches_per_second"] > 0 and step["seconds_left"] >= 0 for step in steps)
    assert len(events_of(tmp_path / "run", "epoch")) == 4


def test_held_out_cases_are_not_even_read(job_file, case_folder, tmp_path):
    (case_folder / "imagesTr" / "c_0000.nii.gz").write_bytes(b"not an image")
    train(job_file, tmp_path / "run")


def test_without_validation_cases_the_last_weights_are_the_best(job_file, tmp_path):
    change_job(job_file, "validation", patients=[])
    state = train(job_file, tmp_path / "run")
    found = model_of_run(tmp_path / "run").network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in state.average.state_dict().items())
    assert events_of(tmp_path / "run", "validation") == []


def test_minutes_become_a_number_of_steps_that_is_kept(job_file, tmp_path):
    """12 s, of which 2 are spent, at a hundredth of a second a step: 1,000 steps without validations. With one of 1 s at the

    end and a tenth of what is left for those before, 810; of validations that take longer, half of the minutes remain.
    """
    change_job(job_file, "optimisation", minutes=0.2)
    change_job(job_file, "validation", share=0.1)
    job = read_job(job_file)
    assert fitting(job, step=0.01, validation=0.0, judged=1, spent=2.0).steps == 1000
    assert fitting(job, step=0.01, validation=1.0, judged=1, spent=2.0).steps == 810
    assert fitting(job, step=0.01, validation=100.0, judged=3, spent=2.0).steps == 360
    assert fitting(job, step=100.0, validation=1.0, judged=1, spent=2.0).steps == 2
    change_job(job_file, "optimisation", minutes=0.02)
    began = time.monotonic()
    train(job_file, tmp_path / "run")
    assert time.monotonic() - began < 20
    plan = read_plan(tmp_path / "run")
    assert plan.seconds_per_step > 0
    assert plan.validation_seconds > 0
    assert len(losses_of(tmp_path / "run")) == plan.steps
    assert train(job_file, tmp_path / "run", resume=True).tally.step == plan.steps


def test_a_pause_counts_as_no_training(job_file, tmp_path, monkeypatch):
    """A pause of a hundred seconds by the clock, before step 3: neither the time left nor what was worked knows of it."""
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=time.sleep)
    monkeypatch.setattr(loop, "time", clock)
    heed = Loop._heed

    def paused(self):
        if self._tally.step == 2:
            ahead = clock.monotonic
            clock.monotonic = lambda: ahead() + 100
        heed(self)

    monkeypatch.setattr(Loop, "_heed", paused)
    state = train(job_file, tmp_path / "run")
    assert state.tally.training_seconds < 50
    assert all(event["seconds_left"] < 50 for event in events_of(tmp_path / "run", "step"))


def test_the_time_left_knows_of_every_validation_at_the_end(job_file, tmp_path, monkeypatch):
    """Of ten seconds each: the trained weights', and two blends'; before them none that the share has no room for."""
    start_from_bright(job_file, tmp_path, "square")
    change_job(job_file, "validation", share=0.01)
    monkeypatch.setattr(train_module.Validator, "__call__", lambda self, *_: Validated(0.5, {}, {}, 10.0))
    state = train(job_file, tmp_path / "run")
    first_validation = events_of(tmp_path / "run", "validation")[0]["step"]
    last = events_of(tmp_path / "run", "step")[-1]
    assert first_validation < 8
    assert 30 <= last["seconds_left"] < 31
    assert events_of(tmp_path / "run", "finished")[0]["seconds"] >= 40 == state.tally.validation_seconds


def test_nobody_is_trained_or_judged_by_a_mere_prediction(job_file, case_folder, tmp_path):
    document = json.loads((case_folder / "cases.json").read_text(encoding="utf-8"))
    document["cases"][1]["status"] = "predicted"
    (case_folder / "cases.json").write_text(json.dumps(document), encoding="utf-8")
    (case_folder / "labelsTr" / "b.nii.gz").write_bytes(b"never read")
    train(job_file, tmp_path / "run")
    assert events_of(tmp_path / "run", "validation") == []
    document["cases"][0]["status"] = "predicted"
    (case_folder / "cases.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match="no case to train on: correct some of those that are only predicted"):
        train(job_file, tmp_path / "another")


def test_validating_takes_its_share_of_the_time_at_most(job_file, tmp_path):
    """With a share of a tenth, a validation comes only once ten times as much time has been spent."""
    change_job(job_file, "validation", share=0.1)
    change_job(job_file, "optimisation", epochs=150)
    state = train(job_file, tmp_path / "run")
    tally = state.tally
    spent = tally.validation_seconds - tally.last_validation_seconds  # all but the one at the end
    assert len(events_of(tmp_path / "run", "validation")) >= 2
    assert spent <= 0.2 * (tally.training_seconds + spent)


def test_a_first_validation_that_is_known_to_take_long_waits_for_its_share(job_file, tmp_path, monkeypatch):
    """A run with minutes has tried how long one takes: of a thousand seconds, none fits in before the end."""
    change_job(job_file, "validation", share=0.1)
    monkeypatch.setattr(train_module, "plan_of", lambda *_, **__: Plan(8, validation_seconds=1000.0))
    train(job_file, tmp_path / "run")
    assert [event["step"] for event in events_of(tmp_path / "run", "validation")] == [8]


def test_paths_of_a_job_are_relative_to_its_file(job_file, tmp_path):
    train(job_file, tmp_path / "run")
    assert Path(read_job(tmp_path / "run" / "job.json").cases) == (tmp_path / "cases").resolve()
