"""Several trainings with one table: resumable at any moment, never repeated, never mixed up."""

import csv
import json
import shutil
from dataclasses import replace

import pytest

from MedSegDLLib.errors import Cancelled, InputError
from MedSegDLTrainLib.campaigns.campaign import (
    Campaign,
    Outcome,
    Training,
    division_of,
    in_steps,
    open_campaign,
    placeless,
    row_of,
    run_trainings,
    write_results,
)
from MedSegDLTrainLib.cases import Case
from MedSegDLTrainLib.job import read_job
from Testing.training.campaigning import FakeTrainer, place_for, write_job_of_patients


@pytest.fixture
def job(tmp_path):
    return placeless(write_job_of_patients(tmp_path))


def _campaign(job, folder, trainer, told=None, count=4):
    """Trainings that differ in their seed; what is saved is the number of outcomes each time."""
    saved = []
    open_campaign(folder, Campaign("test", job))
    outcomes = run_trainings(
        place_for(folder, trainer, told),
        count,
        lambda before: Training(f"run_{len(before)}", replace(job, seed=len(before))),
        lambda outcomes: saved.append(len(outcomes)),
    )
    return outcomes, saved


def _by_seed(job):
    return 0.5 + job.seed / 10


def test_each_job_is_trained_in_its_own_folder_and_its_best_validation_is_the_outcome(job, tmp_path):
    outcomes, saved = _campaign(job, tmp_path / "out", FakeTrainer(_by_seed))
    assert [outcome.score for outcome in outcomes] == [0.5, 0.6, 0.7, 0.8]
    assert [outcome.step for outcome in outcomes] == [90] * 4
    assert saved == [1, 2, 3, 4]
    assert read_job(tmp_path / "out" / "run_2" / "job.json").seed == 2


def test_after_a_kill_finished_trainings_are_not_repeated_and_the_unfinished_one_is_resumed(job, tmp_path):
    trainer = FakeTrainer(_by_seed, kills=(3, 4))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            _campaign(job, tmp_path / "out", trainer)
    outcomes, saved = _campaign(job, tmp_path / "out", trainer)
    assert trainer.calls == [
        ("run_0", False),
        ("run_1", False),
        ("run_2", False),
        ("run_2", True),
        ("run_2", True),
        ("run_3", False),
    ]
    assert outcomes == _campaign(job, tmp_path / "other", FakeTrainer(_by_seed))[0]
    assert saved == [3, 4], "the table never loses rows that it had"


def test_progress_names_the_training_and_the_time_left_from_those_that_ended(job, tmp_path):
    told = []
    _campaign(job, tmp_path / "out", FakeTrainer(_by_seed), told)
    assert told == [
        "training 1 of 4, run_0",
        "training 2 of 4, run_1, about 12 min left",
        "training 3 of 4, run_2, about 8 min left",
        "training 4 of 4, run_3, about 4 min left",
    ]


@pytest.mark.parametrize(
    ("seconds", "left"), [(7.0, "less than a minute"), (60.0, "about 2 min"), (5000.0, "about 2 h 47 min")]
)
def test_the_time_left_is_said_as_exactly_as_it_is_known(job, tmp_path, seconds, left):
    told, trainer = [], FakeTrainer(_by_seed, seconds=seconds)
    _campaign(job, tmp_path / "out", trainer, told, count=3)
    assert told[1] == f"training 2 of 3, run_1, {left} left"


def test_finished_trainings_are_not_told_of_again(job, tmp_path):
    _campaign(job, tmp_path / "out", FakeTrainer(_by_seed))
    told = []
    _, saved = _campaign(job, tmp_path / "out", FakeTrainer(_by_seed), told)
    assert told == []
    assert saved == [4]


def test_a_training_that_fails_ends_the_campaign_and_is_tried_again_by_the_next_one(job, tmp_path):
    with pytest.raises(InputError, match="not finite"):
        _campaign(job, tmp_path / "out", FakeTrainer(lambda job: None if job.seed == 1 else 0.5))
    outcomes, _ = _campaign(job, tmp_path / "out", trainer := FakeTrainer(_by_seed))
    assert trainer.calls[0] == ("run_1", True)
    assert len(outcomes) == 4


def test_a_training_that_somebody_stopped_stops_the_campaign(job, tmp_path):
    def stopped(job_path, run, resume):
        run.mkdir()

    with pytest.raises(Cancelled, match="run_0 was stopped"):
        _campaign(job, tmp_path / "out", stopped)


def test_a_stopped_campaign_does_not_speak_of_the_options_of_a_run(job, tmp_path):
    def stopped(job_path, run, resume):
        raise Cancelled("Stopped as asked at step 3; --resume goes on from there.")

    with pytest.raises(Cancelled, match=r"^run_0 was stopped before its end; the same command goes on with it.$"):
        _campaign(job, tmp_path / "out", stopped)


def test_a_run_without_a_validation_result_is_no_result(job, tmp_path):
    _campaign(job, tmp_path / "out", FakeTrainer(_by_seed))
    (tmp_path / "out" / "run_1" / "validation.json").unlink()
    with pytest.raises(InputError, match="run_1 ended without a validation result"):
        _campaign(job, tmp_path / "out", FakeTrainer(_by_seed))


def test_another_campaign_in_the_same_folder_is_refused(job, tmp_path):
    open_campaign(tmp_path / "out", Campaign("search", job, {"steps": 5, "searched": ("a", "b")}))
    open_campaign(tmp_path / "out", Campaign("search", job, {"steps": 5, "searched": ("a", "b")}))
    with pytest.raises(InputError, match="another campaign \\(steps differs\\)"):
        open_campaign(tmp_path / "out", Campaign("search", job, {"steps": 6, "searched": ("a", "b")}))
    with pytest.raises(InputError, match="seed differs"):
        open_campaign(tmp_path / "out", Campaign("search", replace(job, seed=9), {"steps": 5, "searched": ("a", "b")}))
    with pytest.raises(InputError, match="a search, not a crossval"):
        open_campaign(tmp_path / "out", Campaign("crossval", job, {"steps": 5}))


def test_a_run_of_somebody_else_is_not_taken_for_a_result(job, tmp_path):
    _campaign(job, tmp_path / "out", FakeTrainer(_by_seed))
    shutil.rmtree(tmp_path / "out" / "jobs")
    (tmp_path / "out" / "jobs").mkdir()
    with pytest.raises(InputError, match="run_0 is in the way"):
        _campaign(job, tmp_path / "out", FakeTrainer(_by_seed))


def test_a_job_that_was_changed_in_between_is_noticed(job, tmp_path):
    _campaign(job, tmp_path / "out", FakeTrainer(_by_seed))
    shutil.copyfile(tmp_path / "out" / "jobs" / "run_1.json", tmp_path / "out" / "jobs" / "run_0.json")
    with pytest.raises(InputError, match=r"run_0\.json is not the job that belongs there"):
        _campaign(job, tmp_path / "out", FakeTrainer(_by_seed))


def test_a_job_s_cases_are_found_from_anywhere(job, tmp_path):
    _campaign(job, tmp_path / "far" / "away", FakeTrainer(_by_seed))
    assert read_job(tmp_path / "far" / "away" / "jobs" / "run_0.json").cases == str((tmp_path / "cases").resolve())


def test_the_table_has_a_row_for_each_training_and_every_column(job, tmp_path):
    good = Outcome(Training("a", job), 0.5, 90, 90.0)
    failed = Outcome(Training("b", job), None, 0, 0.0, failure="The loss, alas, is not finite.")
    write_results(tmp_path, [row_of(good) | {"rate": 0.1}, row_of(failed)], {"metric": "dice"})
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"training": "a", "score": "0.5", "step": "90", "minutes": "1.5", "failure": "", "rate": "0.1"}
    assert rows[1]["failure"] == failed.failure
    assert (rows[1]["score"], rows[1]["rate"]) == ("", "")
    document = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert document["metric"] == "dice"
    assert document["trainings"][1]["score"] is None


@pytest.mark.parametrize(("steps", "epochs", "an_epoch"), [(100, 4, 25), (101, 5, 25), (10, 1, 10)])
def test_steps_are_rounded_up_to_whole_epochs(job, steps, epochs, an_epoch):
    job = replace(job, optimisation=replace(job.optimisation, minutes=5.0))
    optimisation = in_steps(job, steps).optimisation
    assert (optimisation.epochs, optimisation.steps_per_epoch, optimisation.minutes) == (epochs, an_epoch, None)


def test_without_a_patient_to_validate_on_nothing_is_started(tmp_path):
    job = placeless(write_job_of_patients(tmp_path, [Case("a", "A", "train"), Case("t", "T", "test")]))
    with pytest.raises(InputError, match="nobody is left to validate on"):
        division_of(job)
