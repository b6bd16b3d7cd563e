"""A run: it learns, never touches held-out cases, resumes to the bit, and says why it stops."""

import json
import math
import re
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from MedSegDLLib.checkpoint import load_model
from MedSegDLLib.errors import Cancelled, DeviceError, InputError, ModelError, OutputError
from MedSegDLLib.files import read_labelmap, write_labelmap
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.progress import CancelToken
from MedSegDLTrainLib import loop
from MedSegDLTrainLib import train as train_module
from MedSegDLTrainLib.checkpoints import new_state
from MedSegDLTrainLib.job import read_job
from MedSegDLTrainLib.loop import Loop
from MedSegDLTrainLib.progress import read_events
from MedSegDLTrainLib.reporting.facts import start_model
from MedSegDLTrainLib.run_folder import ask, is_owned, read_best, read_plan, status_of, withdraw_request
from MedSegDLTrainLib.run_model import model_of_run
from MedSegDLTrainLib.run_plan import fitting
from MedSegDLTrainLib.steps import Stepper
from MedSegDLTrainLib.train import Surroundings, too_large, train
from MedSegDLTrainLib.validate import Validated
from Testing.models import write_bright_model
from Testing.training.killing import losses_of, train_with_kills


def _change(job_file, section=None, **values):
    document = json.loads(job_file.read_text(encoding="utf-8"))
    (document[section] if section else document).update(values)
    job_file.write_text(json.dumps(document), encoding="utf-8")


def _events(run, kind):
    return [event for event in read_events(run / "events.jsonl") if event["event"] == kind]


def _tensors(state):
    return [*state.network.state_dict().values(), *state.average.state_dict().values()]


def _same(state, other):
    return all(torch.equal(a, b) for a, b in zip(_tensors(state), _tensors(other), strict=True))


def test_it_learns_squares(job_file, tmp_path):
    _change(job_file, "optimisation", epochs=60)
    train(job_file, tmp_path / "run")
    losses = [event["loss"] for event in _events(tmp_path / "run", "step")]
    assert len(losses) == 120
    assert losses[-1] < 0.6 * losses[0]
    last = _events(tmp_path / "run", "validation")[-1]
    assert set(last["patients"]) == {"B"}
    assert last["score"] > 0.85
    assert status_of(tmp_path / "run").state == "finished"


def test_the_best_validation_is_kept_with_its_rows_and_its_weights(job_file, tmp_path):
    train(job_file, tmp_path / "run")
    best = read_best(tmp_path / "run")
    told = [event for event in _events(tmp_path / "run", "validation") if event["best"]][-1]
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
    started = _events(tmp_path / "run", "started")[0]
    assert (started["steps"], started["training"], started["validation"], started["held_out"]) == (
        8,
        {"patients": 1, "cases": 1},
        {"patients": 1, "cases": 1},
        {"patients": 1, "cases": 1},
    )
    steps = _events(tmp_path / "run", "step")
    assert all(step["patches_per_second"] > 0 and step["seconds_left"] >= 0 for step in steps)
    assert len(_events(tmp_path / "run", "epoch")) == 4


def test_held_out_cases_are_not_even_read(job_file, case_folder, tmp_path):
    (case_folder / "imagesTr" / "c_0000.nii.gz").write_bytes(b"not an image")
    train(job_file, tmp_path / "run")


def test_without_validation_cases_the_last_weights_are_the_best(job_file, tmp_path):
    _change(job_file, "validation", patients=[])
    state = train(job_file, tmp_path / "run")
    found = model_of_run(tmp_path / "run").network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in state.average.state_dict().items())
    assert _events(tmp_path / "run", "validation") == []


def test_stopping_and_resuming_gives_the_same_weights_to_the_bit(job_file, tmp_path):
    straight = train(job_file, tmp_path / "straight")
    token = CancelToken()
    around = Surroundings(listeners=[lambda event: token.cancel() if event.get("step") == 3 else None], cancel=token)
    with pytest.raises(Cancelled, match="at step 3"):
        train(job_file, tmp_path / "stopped", around=around)
    assert status_of(tmp_path / "stopped").state == "stopped"
    resumed = train(job_file, tmp_path / "stopped", resume=True)
    assert resumed.tally.step == straight.tally.step == 8
    assert _same(straight, resumed)
    assert losses_of(tmp_path / "straight") == losses_of(tmp_path / "stopped")
    epochs = [
        [(event["epoch"], event["loss"]) for event in _events(tmp_path / run, "epoch")] for run in ("straight", "stopped")
    ]
    assert epochs[0] == epochs[1]


def _saved(job_file, run):
    state = new_state(read_job(job_file))
    train_module.load_checkpoint(state, run, pytest.fail)
    return state.tally


def test_a_stop_while_validating_costs_no_step(job_file, tmp_path, monkeypatch):
    _change(job_file, "validation", share=0.1)

    def stopped(self, weights, cancel):
        raise Cancelled("Stopped as asked.")

    monkeypatch.setattr(train_module.Validator, "__call__", stopped)
    with pytest.raises(Cancelled):
        train(job_file, tmp_path / "run", around=Surroundings(checkpoint_seconds=1000))
    assert _saved(job_file, tmp_path / "run").step == _events(tmp_path / "run", "step")[-1]["step"] == 2
    assert (status_of(tmp_path / "run").state, status_of(tmp_path / "run").step) == ("stopped", 2)


def test_after_a_kill_the_best_validation_so_far_is_known(job_file, tmp_path):
    _change(job_file, "validation", share=0.1)

    def kill(event):
        if event["event"] == "step" and event["step"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(job_file, tmp_path / "run", around=Surroundings(listeners=[kill], checkpoint_seconds=1000))
    best, saved = read_best(tmp_path / "run"), _saved(job_file, tmp_path / "run")
    assert (best.step, best.score) == (saved.best_step, saved.best_score) == (2, best.score)


def test_a_stop_while_steps_are_timed_comes_within_one_of_them(job_file, tmp_path):
    _change(job_file, "optimisation", minutes=1.0)
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
    _change(job_file, cases="elsewhere")
    shutil.copytree(case_folder, tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"another job \(it differs in cases\)"):
        train(job_file, tmp_path / "run", resume=True)
    shutil.rmtree(case_folder)
    with pytest.raises(InputError, match=r"There is no case folder .*cases: put it back, or say where it is now in `cases`"):
        train(tmp_path / "run" / "job.json", tmp_path / "run", resume=True)
    assert train(job_file, tmp_path / "run", resume=True).tally.step == 8
    assert read_job(tmp_path / "run" / "job.json").cases == str((tmp_path / "elsewhere").resolve())


def test_what_differs_in_a_changed_job_is_named(job_file, tmp_path):
    train(job_file, tmp_path / "run")
    _change(job_file, "optimisation", learning_rate=0.02)
    _change(job_file, "network", numbers={"features_per_stage": [4, 8]})
    said = "another job (it differs in network.numbers.features_per_stage, optimisation.learning_rate)"
    with pytest.raises(InputError, match=re.escape(said)):
        train(job_file, tmp_path / "run", resume=True)


def test_a_file_is_no_run_folder(job_file):
    with pytest.raises(InputError, match="is a file: name a folder for the run"):
        train(job_file, job_file)


def test_a_run_folder_that_disappears_ends_the_run_with_a_sentence(job_file, tmp_path):
    def remove(event):
        if event.get("step") == 3:
            shutil.rmtree(tmp_path / "run")

    with pytest.raises(OutputError, match=r"events.jsonl cannot be written"):
        train(job_file, tmp_path / "run", around=Surroundings(listeners=[remove]))


def test_a_run_folder_that_cannot_be_made_is_told(job_file, tmp_path):
    with pytest.raises(OutputError, match="cannot be made"):
        train(job_file, job_file / "run")
    with pytest.raises(InputError, match="-1 processes"):
        Surroundings(processes=-1)


@pytest.mark.parametrize("minutes", [None, 0.5])
@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("DataLoader worker (pid 7) is killed by signal: Killed. ", DeviceError, "fewer --processes"),
        (
            "CUDA error: unspecified launch failure\nfurther lines",
            DeviceError,
            r"The device cpu failed \(CUDA error: .*failure\)",
        ),
        ("something else", RuntimeError, "something else"),
    ],
)
def test_failures_of_device_and_loader_are_sentences(job_file, tmp_path, monkeypatch, minutes, text, kind, said):
    """While steps are timed as well as in the run itself."""

    def fail(self, batch, step, steps):
        raise RuntimeError(text)

    _change(job_file, "optimisation", minutes=minutes)
    monkeypatch.setattr(train_module.Stepper, "step", fail)
    with pytest.raises(kind, match=said):
        train(job_file, tmp_path / "run")


def test_after_five_kills_losses_and_weights_are_those_of_a_run_that_was_never_killed(job_file, tmp_path):
    _change(job_file, "optimisation", epochs=200)
    straight = train(job_file, tmp_path / "straight", around=Surroundings(device="cpu"))
    steps = train_with_kills(job_file, tmp_path / "killed", kills=5, seed=0)
    assert steps[-1] > 0
    assert losses_of(tmp_path / "straight") == losses_of(tmp_path / "killed")
    resumed = new_state(read_job(job_file))
    train_module.load_checkpoint(resumed, tmp_path / "killed", pytest.fail)
    assert resumed.tally.step == straight.tally.step == 400
    assert _same(straight, resumed)


def test_another_process_can_pause_resume_and_stop_a_run(job_file, tmp_path):
    _change(job_file, "optimisation", epochs=100_000)
    run, ended = tmp_path / "run", []

    def work():
        try:
            train(job_file, run)
        except Cancelled as reason:
            ended.append(str(reason))

    thread = threading.Thread(target=work)
    thread.start()
    _until(lambda: _events(run, "step"))
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
    first, again = _events(run, "started")
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
    _change(job_file, "optimisation", epochs=9)
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
    assert _same(straight, resumed)
    assert "is damaged" in _events(tmp_path / "run", "warning")[0]["text"]


def test_a_loss_that_is_not_finite_stops_with_step_and_cases_and_keeps_the_last_good_state(job_file, tmp_path):
    _change(job_file, "optimisation", learning_rate=1e30, epochs=20, clip_norm=None)
    with pytest.raises(InputError, match=r"not finite at step \d+ \(cases a\)"):
        train(job_file, tmp_path / "run", around=Surroundings(checkpoint_seconds=1000))
    assert "not finite" in status_of(tmp_path / "run").reason
    assert status_of(tmp_path / "run").state == "failed"


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
    assert "disk is full" in _events(tmp_path / "run", "paused")[0]["reason"]
    assert "room on the disk again" in _events(tmp_path / "run", "warning")[0]["text"]
    assert status_of(tmp_path / "run").state == "finished"


def test_too_little_memory_is_a_proposal_with_numbers(job_file, tmp_path, monkeypatch):
    def no_room(self, batch, step, steps):
        raise MemoryError

    monkeypatch.setattr(train_module.Stepper, "step", no_room)
    with pytest.raises(DeviceError, match=r"4 patches of 16×16×1 voxels at a time .* set accumulation to 2 \(2 at a time"):
        train(job_file, tmp_path / "run")
    one = read_job(job_file)
    object.__setattr__(one.sampling, "batch_size", 1)
    object.__setattr__(one.sampling, "patch_size", (96, 96, 64))
    assert too_large(one, torch.device("cpu")).endswith("set patch_size to 64×64×48.")


@pytest.mark.parametrize(
    ("section", "field", "what"),
    [("optimisation", "optimizer", "optimiser"), (None, "loss", "loss"), ("optimisation", "schedule", "schedule")],
)
def test_every_name_of_a_job_is_checked_before_anything_starts(job_file, tmp_path, section, field, what):
    _change(job_file, section, **{field: "guess"})
    with pytest.raises(InputError, match=f"{what} 'guess'(; known are| must be one of)"):
        train(job_file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({"key": "no_new_net", "numbers": {}}, "'no_new_net' has 3 dimensions: patch_size must have z = 1 if these are 2"),
        ({"numbers": {"features_per_stage": [0, 4]}}, r"must be 1 to 9 numbers within 1…4096, but is \[0, 4\]"),
        ({"numbers": {"up_kernel": 0}}, "network: numbers: up_kernel must be 2 or 3, but is 0"),
        ({"numbers": {"block": "x"}}, "network: numbers: block must be desai or conv_norm_relu, but is 'x'"),
        ({"numbers": {"features_per_stage": "a"}}, "^network: numbers: features_per_stage must be a list, but is 'a'.$"),
        ({"numbers": {"features_per_stage": 4}}, "features_per_stage must be a list, but is 4"),
        ({"numbers": {"features_per_stage": [4.5]}}, r"features_per_stage\[0\] must be a whole number, but is 4.5"),
        ({"numbers": {"features_per_stage": ["a"]}}, r"features_per_stage must be true or false, .* but is \['a'\]"),
        ({"numbers": {"features_per_stage": None}}, "features_per_stage must be .* a list of whole numbers .* but is None"),
        ({"numbers": {"block": 3}}, "numbers: block must be a text, but is 3"),
        ({"numbers": {"up_kernel": True}}, "numbers: up_kernel must be a whole number, but is True"),
    ],
)
def test_a_network_that_does_not_fit_is_told_before_anything_starts(job_file, tmp_path, network, said):
    _change(job_file, "network", **network)
    with pytest.raises((InputError, ModelError), match=said):
        train(job_file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"labels": ["circle"]}, "no label 'circle'; its labels are 'square'"),
        ({"cases": "elsewhere"}, "There is no case folder .*elsewhere: put it back"),
        ({"surprise": 1}, "unknown keys: surprise"),
    ],
)
def test_what_a_job_asks_for_must_be_there(job_file, tmp_path, values, said):
    _change(job_file, **values)
    with pytest.raises(InputError, match=said):
        train(job_file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_minutes_become_a_number_of_steps_that_is_kept(job_file, tmp_path):
    """12 s, of which 2 are spent, at a hundredth of a second a step: 1,000 steps without validations. With one of 1 s at the

    end and a tenth of what is left for those before, 810; of validations that take longer, half of the minutes remain.
    """
    _change(job_file, "optimisation", minutes=0.2)
    _change(job_file, "validation", share=0.1)
    job = read_job(job_file)
    assert fitting(job, step=0.01, validation=0.0, judged=1, spent=2.0).steps == 1000
    assert fitting(job, step=0.01, validation=1.0, judged=1, spent=2.0).steps == 810
    assert fitting(job, step=0.01, validation=100.0, judged=3, spent=2.0).steps == 360
    assert fitting(job, step=100.0, validation=1.0, judged=1, spent=2.0).steps == 2
    _change(job_file, "optimisation", minutes=0.02)
    began = time.monotonic()
    train(job_file, tmp_path / "run")
    assert time.monotonic() - began < 20
    plan = read_plan(tmp_path / "run")
    assert plan.seconds_per_step > 0
    assert plan.validation_seconds > 0
    assert len(losses_of(tmp_path / "run")) == plan.steps
    assert train(job_file, tmp_path / "run", resume=True).tally.step == plan.steps


def test_a_run_that_starts_from_a_model_begins_with_its_weights_and_says_what_it_took(job_file, tmp_path):
    folder = write_bright_model(tmp_path / "zoo")
    _change(job_file, start_from="zoo/bright")
    _change(job_file, "network", numbers={"features_per_stage": [1]})
    _change(job_file, "optimisation", learning_rate=1e-12, average_decay=None)
    state = train(job_file, tmp_path / "run")
    told = _events(tmp_path / "run", "taken_over")[0]
    assert told["model"] == "bright"
    assert "last layer, new: square" in told["text"]
    first = state.network.encoder[0][0].weight
    assert torch.allclose(first, load_model(folder).network.encoder[0][0].weight, atol=1e-6)


def _start_from_bright(job_file, tmp_path, label):
    write_bright_model(tmp_path / "zoo", labels=LabelTable((Label(1, label, (230, 60, 60)),)))
    _change(job_file, start_from="zoo/bright")
    _change(job_file, "network", numbers={"features_per_stage": [1]})
    _change(job_file, "optimisation", blends=[0.25, 0.5])


def test_blends_of_old_and_new_weights_are_validated_at_the_end_and_may_be_the_best(job_file, tmp_path):
    _start_from_bright(job_file, tmp_path, "square")
    state = train(job_file, tmp_path / "run")
    validations = _events(tmp_path / "run", "validation")
    assert [event["blend"] for event in validations[-3:]] == [None, 0.25, 0.5]
    best, kept = read_best(tmp_path / "run"), model_of_run(tmp_path / "run").network.state_dict()
    assert best.score == max(event["score"] for event in validations)
    if best.blend is not None:
        old = load_model(tmp_path / "zoo" / "bright").network.state_dict()
        new = state.average.state_dict()
        name = "encoder.0.0.weight"
        torch.testing.assert_close(kept[name], old[name].lerp(new[name], best.blend))


def test_a_run_needs_the_model_that_it_started_from_no_more(job_file, tmp_path):
    _start_from_bright(job_file, tmp_path, "square")
    straight = train(job_file, tmp_path / "straight")
    token = CancelToken()
    around = Surroundings(listeners=[lambda event: token.cancel() if event.get("step") == 3 else None], cancel=token)
    with pytest.raises(Cancelled):
        train(job_file, tmp_path / "stopped", around=around)
    shutil.rmtree(tmp_path / "zoo" / "bright")
    assert _same(straight, train(job_file, tmp_path / "stopped", resume=True))
    scores = [[event["score"] for event in _events(tmp_path / run, "validation")[-3:]] for run in ("straight", "stopped")]
    assert scores[0] == scores[1]
    assert len(_events(tmp_path / "stopped", "taken_over")) == 1


def test_cases_that_changed_between_stop_and_resume_are_told(job_file, case_folder, tmp_path):
    train(job_file, tmp_path / "run")
    document = json.loads((case_folder / "cases.json").read_text(encoding="utf-8"))
    document["cases"][0]["version"] = 2
    (case_folder / "cases.json").write_text(json.dumps(document), encoding="utf-8")
    for _ in range(2):
        train(job_file, tmp_path / "run", resume=True)
    warnings = [event["text"] for event in _events(tmp_path / "run", "warning")]
    assert warnings == ["Cases have changed since the run began (a): it goes on with them as they are now."]


def test_the_best_weights_are_validated_anew_where_the_validation_is_another(job_file, case_folder, tmp_path):
    """Patient B's labels are emptied after the run: nothing of what the best weights mark is right any more."""
    train(job_file, tmp_path / "run")
    before = read_best(tmp_path / "run")
    assert before.score > 0
    labels = read_labelmap(case_folder / "labelsTr" / "b.nii.gz")
    write_labelmap(replace(labels, array=np.roll(np.ones_like(labels.array), 1)), case_folder / "labelsTr" / "b.nii.gz")
    document = json.loads((case_folder / "cases.json").read_text(encoding="utf-8"))
    document["cases"][1]["version"] = 2
    (case_folder / "cases.json").write_text(json.dumps(document), encoding="utf-8")
    resumed = train(job_file, tmp_path / "run", resume=True)
    after = read_best(tmp_path / "run")
    (warning,) = (event["text"] for event in _events(tmp_path / "run", "warning"))
    assert warning.startswith("Cases to validate on have changed since the run began (b): the best weights so far, of step ")
    assert after.cases["b"] != before.cases["b"]
    assert (resumed.tally.best_step, resumed.tally.best_score) == (after.step, after.score)


def test_a_best_score_of_patients_who_are_gone_is_forgotten(job_file, case_folder, tmp_path):
    train(job_file, tmp_path / "run")
    document = json.loads((case_folder / "cases.json").read_text(encoding="utf-8"))
    document["patients"], document["cases"] = document["patients"], [document["cases"][0], document["cases"][2]]
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
    _change(job_file, "validation", share=0.1)

    def killed(event):
        if event["event"] == "validation":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(job_file, tmp_path / "run", around=Surroundings(listeners=[killed], checkpoint_seconds=1000))
    assert _saved(job_file, tmp_path / "run").best_score is None
    best = read_best(tmp_path / "run")
    poor = Validated(best.score / 2, {}, {}, 0.1)
    monkeypatch.setattr(train_module.Validator, "__call__", lambda *_: poor)
    assert train(job_file, tmp_path / "run", resume=True).tally.best_score == best.score
    assert read_best(tmp_path / "run") == best


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
    assert all(event["seconds_left"] < 50 for event in _events(tmp_path / "run", "step"))


def test_the_time_left_knows_of_every_validation_at_the_end(job_file, tmp_path, monkeypatch):
    """Of ten seconds each: the trained weights', and two blends'; before them none that the share has no room for."""
    _start_from_bright(job_file, tmp_path, "square")
    _change(job_file, "validation", share=0.01)
    monkeypatch.setattr(train_module.Validator, "__call__", lambda self, *_: Validated(0.5, {}, {}, 10.0))
    state = train(job_file, tmp_path / "run")
    first_validation = _events(tmp_path / "run", "validation")[0]["step"]
    last = _events(tmp_path / "run", "step")[-1]
    assert first_validation < 8
    assert 30 <= last["seconds_left"] < 31
    assert _events(tmp_path / "run", "finished")[0]["seconds"] >= 40 == state.tally.validation_seconds


def test_a_folder_that_is_called_like_the_model_is_not_taken_for_it(job_file, tmp_path, monkeypatch):
    """Neither beside the job nor where the program was started; here a run folder of the model's name."""
    write_bright_model(tmp_path / "zoo")
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "zoo"))
    _change(job_file, start_from="bright")
    _change(job_file, "network", numbers={"features_per_stage": [1]})
    monkeypatch.chdir(tmp_path)
    train(job_file, tmp_path / "bright")
    assert train(job_file, tmp_path / "bright", resume=True).tally.step == 8
    assert start_model(read_job(tmp_path / "bright" / "job.json")).card.id == "bright"


def test_nobody_is_trained_or_judged_by_a_mere_prediction(job_file, case_folder, tmp_path):
    document = json.loads((case_folder / "cases.json").read_text(encoding="utf-8"))
    document["cases"][1]["status"] = "predicted"
    (case_folder / "cases.json").write_text(json.dumps(document), encoding="utf-8")
    (case_folder / "labelsTr" / "b.nii.gz").write_bytes(b"never read")
    train(job_file, tmp_path / "run")
    assert _events(tmp_path / "run", "validation") == []
    document["cases"][0]["status"] = "predicted"
    (case_folder / "cases.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match="no case to train on: correct some of those that are only predicted"):
        train(job_file, tmp_path / "another")


def test_with_a_new_label_there_is_nothing_to_blend(job_file, tmp_path):
    _start_from_bright(job_file, tmp_path, "another")
    train(job_file, tmp_path / "run")
    assert {event["blend"] for event in _events(tmp_path / "run", "validation")} == {None}


def test_validating_takes_its_share_of_the_time_at_most(job_file, tmp_path):
    """With a share of a tenth, a validation comes only once ten times as much time has been spent."""
    _change(job_file, "validation", share=0.1)
    _change(job_file, "optimisation", epochs=150)
    state = train(job_file, tmp_path / "run")
    tally = state.tally
    spent = tally.validation_seconds - tally.last_validation_seconds  # all but the one at the end
    assert len(_events(tmp_path / "run", "validation")) >= 2
    assert spent <= 0.2 * (tally.training_seconds + spent)


def test_paths_of_a_job_are_relative_to_its_file(job_file, tmp_path):
    train(job_file, tmp_path / "run")
    assert Path(read_job(tmp_path / "run" / "job.json").cases) == (tmp_path / "cases").resolve()


@pytest.mark.parametrize(
    ("start", "said"),
    [("elsewhere", "There is no model 'elsewhere'"), ("zoo/bright", "has no weights of the sizes of 'bright'")],
)
def test_a_model_that_a_run_cannot_start_from_leaves_no_run_folder(start, said, job_file, tmp_path):
    folder = write_bright_model(tmp_path / "zoo")
    _change(job_file, start_from=start)
    assert folder.is_dir()
    with pytest.raises(ModelError, match=said):
        train(job_file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_cases_without_any_label_leave_no_run_folder(job_file, case_folder, tmp_path):
    path = case_folder / "labelsTr" / "a.nii.gz"
    labels = read_labelmap(path)
    write_labelmap(replace(labels, array=np.zeros_like(labels.array)), path)
    with pytest.raises(InputError, match="holds no training case with a label"):
        train(job_file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_never_took_a_step_is_begun_anew_in_its_folder(job_file, tmp_path, monkeypatch):
    run, steps = tmp_path / "run", iter([math.nan])
    backward = Stepper._backward
    monkeypatch.setattr(Stepper, "_backward", lambda *given: backward(*given) * next(steps, 1.0))
    with pytest.raises(InputError, match="not finite at step 0"):
        train(job_file, run)
    assert status_of(run).state == "failed"
    _change(job_file, seed=4)
    with pytest.raises(InputError, match="another job"):
        train(job_file, run, resume=True)
    assert train(job_file, run).tally.step == 8
    assert len(_events(run, "started")) == 1
    assert read_job(run / "job.json").seed == 4
    with pytest.raises(InputError, match="is not empty"):
        train(job_file, run)


@pytest.mark.parametrize("left_out", [{"patients": ["nobody of this name"]}, {"train_patients": ["B"]}])
def test_a_job_that_trains_on_nobody_leaves_no_run_folder(left_out, job_file, tmp_path):
    _change(job_file, "validation", **left_out)
    with pytest.raises(InputError, match=r"whom the case folder does not have|no case to train on"):
        train(job_file, tmp_path / "run")
    assert not (tmp_path / "run").exists()
