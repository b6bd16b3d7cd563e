"""What takes minutes: `make soak`."""

import json

import pytest
import torch

from MedSegDLTrainLib.checkpoints import new_state, read_checkpoint
from MedSegDLTrainLib.job import read_job
from MedSegDLTrainLib.train import Surroundings, train
from Testing.training.killing import losses_of, train_with_kills

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


def test_after_a_hundred_kills_losses_and_weights_are_those_of_a_run_that_was_never_killed(job_file, tmp_path):
    document = json.loads(job_file.read_text(encoding="utf-8"))
    document["optimisation"]["epochs"] = 2000
    document["validation"]["share"] = 0.05
    job_file.write_text(json.dumps(document), encoding="utf-8")
    straight = train(job_file, tmp_path / "straight", around=Surroundings(device="cpu"))
    steps = train_with_kills(job_file, tmp_path / "killed", kills=100, seed=1)
    print(f"killed after steps {steps}")
    assert losses_of(tmp_path / "straight") == losses_of(tmp_path / "killed")
    saved = read_checkpoint(tmp_path / "killed" / "last.checkpoint")
    assert saved["tally"]["step"] == straight.tally.step == 4000
    assert all(torch.equal(saved["network"][name], value) for name, value in straight.network.state_dict().items())
    assert all(torch.equal(saved["average"][name], value) for name, value in straight.average.state_dict().items())
    fresh = new_state(read_job(job_file)).network.state_dict()
    assert any(not torch.equal(fresh[name], value) for name, value in straight.network.state_dict().items())
