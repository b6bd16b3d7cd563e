"""What the tests of a run share: a job changed, what a run told and kept, and whether two runs are the same."""

import json

import pytest
import torch

from MedSegDLLib.labels import Label, LabelTable
from MedSegDLTrainLib import train as train_module
from MedSegDLTrainLib.checkpoints import new_state
from MedSegDLTrainLib.job import read_job
from MedSegDLTrainLib.progress import read_events
from Testing.models import write_bright_model


def change_job(job_file, section=None, **values):
    """Change keys of a job file, or of one of its sections."""
    document = json.loads(job_file.read_text(encoding="utf-8"))
    (document[section] if section else document).update(values)
    job_file.write_text(json.dumps(document), encoding="utf-8")


def events_of(run, kind):
    """The events of one kind that a run has told."""
    return [event for event in read_events(run / "events.jsonl") if event["event"] == kind]


def _tensors(state):
    return [*state.network.state_dict().values(), *state.average.state_dict().values()]


def same_weights(state, other):
    """Whether two states have the same weights and the same average of them, to the bit."""
    return all(torch.equal(a, b) for a, b in zip(_tensors(state), _tensors(other), strict=True))


def saved_tally(job_file, run):
    """The tally in a run's last checkpoint; the test fails if that is damaged."""
    state = new_state(read_job(job_file))
    train_module.load_checkpoint(state, run, pytest.fail)
    return state.tally


def start_from_bright(job_file, tmp_path, label):
    """Let the job start from a model that has one label, and blend the weights of both at the end."""
    write_bright_model(tmp_path / "zoo", labels=LabelTable((Label(1, label, (230, 60, 60)),)))
    change_job(job_file, start_from="zoo/bright")
    change_job(job_file, "network", numbers={"features_per_stage": [1]})
    change_job(job_file, "optimisation", blends=[0.25, 0.5])
