"""A run that starts from a model: what it takes over, what it blends with, and when the model may go."""

import shutil

import pytest
import torch

from MedSegDLLib.checkpoint import load_model
from MedSegDLLib.errors import Cancelled, ModelError
from MedSegDLLib.progress import CancelToken
from MedSegDLTrainLib.job import read_job
from MedSegDLTrainLib.reporting.facts import start_model
from MedSegDLTrainLib.run_folder import read_best
from MedSegDLTrainLib.run_model import model_of_run
from MedSegDLTrainLib.train import Surroundings, train
from Testing.models import write_bright_model
from Testing.training.watched_runs import change_job, events_of, same_weights, start_from_bright


def test_a_run_that_starts_from_a_model_begins_with_its_weights_and_says_what_it_took(job_file, tmp_path):
    folder = write_bright_model(tmp_path / "zoo")
    change_job(job_file, start_from="zoo/bright")
    change_job(job_file, "network", numbers={"features_per_stage": [1]})
    change_job(job_file, "optimisation", learning_rate=1e-12, average_decay=None)
    state = train(job_file, tmp_path / "run")
    told = events_of(tmp_path / "run", "taken_over")[0]
    assert told["model"] == "bright"
    assert "last layer, new: square" in told["text"]
    first = state.network.encoder[0][0].weight
    assert torch.allclose(first, load_model(folder).network.encoder[0][0].weight, atol=1e-6)


def test_blends_of_old_and_new_weights_are_validated_at_the_end_and_may_be_the_best(job_file, tmp_path):
    start_from_bright(job_file, tmp_path, "square")
    state = train(job_file, tmp_path / "run")
    validations = events_of(tmp_path / "run", "validation")
    assert [event["blend"] for event in validations[-3:]] == [None, 0.25, 0.5]
    best, kept = read_best(tmp_path / "run"), model_of_run(tmp_path / "run").network.state_dict()
    assert best.score == max(event["score"] for event in validations)
    if best.blend is not None:
        old = load_model(tmp_path / "zoo" / "bright").network.state_dict()
        new = state.average.state_dict()
        name = "encoder.0.0.weight"
        torch.testing.assert_close(kept[name], old[name].lerp(new[name], best.blend))


def test_a_run_needs_the_model_that_it_started_from_no_more(job_file, tmp_path):
    start_from_bright(job_file, tmp_path, "square")
    straight = train(job_file, tmp_path / "straight")
    token = CancelToken()
    around = Surroundings(listeners=[lambda event: token.cancel() if event.get("step") == 3 else None], cancel=token)
    with pytest.raises(Cancelled):
        train(job_file, tmp_path / "stopped", around=around)
    shutil.rmtree(tmp_path / "zoo" / "bright")
    assert same_weights(straight, train(job_file, tmp_path / "stopped", resume=True))
    scores = [[event["score"] for event in events_of(tmp_path / run, "validation")[-3:]] for run in ("straight", "stopped")]
    assert scores[0] == scores[1]
    assert len(events_of(tmp_path / "stopped", "taken_over")) == 1


def test_a_folder_that_is_called_like_the_model_is_not_taken_for_it(job_file, tmp_path, monkeypatch):
    """Neither beside the job nor where the program was started; here a run folder of the model's name."""
    write_bright_model(tmp_path / "zoo")
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "zoo"))
    change_job(job_file, start_from="bright")
    change_job(job_file, "network", numbers={"features_per_stage": [1]})
    monkeypatch.chdir(tmp_path)
    train(job_file, tmp_path / "bright")
    assert train(job_file, tmp_path / "bright", resume=True).tally.step == 8
    assert start_model(read_job(tmp_path / "bright" / "job.json")).card.id == "bright"


def test_with_a_new_label_there_is_nothing_to_blend(job_file, tmp_path):
    start_from_bright(job_file, tmp_path, "another")
    train(job_file, tmp_path / "run")
    assert {event["blend"] for event in events_of(tmp_path / "run", "validation")} == {None}


@pytest.mark.parametrize(
    ("start", "said"),
    [("elsewhere", "There is no model 'elsewhere'"), ("zoo/bright", "has no weights of the sizes of 'bright'")],
)
def test_a_model_that_a_run_cannot_start_from_leaves_no_run_folder(start, said, job_file, tmp_path):
    folder = write_bright_model(tmp_path / "zoo")
    change_job(job_file, start_from=start)
    assert folder.is_dir()
    with pytest.raises(ModelError, match=said):
        train(job_file, tmp_path / "run")
    assert not (tmp_path / "run").exists()
