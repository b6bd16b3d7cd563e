"""The loop: it learns, it never touches held-out cases, and it resumes to the bit after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from MedSegDLLib.errors import Cancelled, InputError
from MedSegDLLib.progress import CancelToken
from MedSegDLTrainLib.progress import read_events
from MedSegDLTrainLib.train import train

PACKAGES = [str(Path(__file__).resolve().parents[2] / folder) for folder in ("MedSegDL", "MedSegDLTrain")]


def _change(job_file, **optimisation):
    document = json.loads(job_file.read_text(encoding="utf-8"))
    document["optimisation"] |= optimisation
    job_file.write_text(json.dumps(document), encoding="utf-8")


def _tensors(state):
    return [*state.network.state_dict().values(), *state.average.state_dict().values()]


def test_it_learns_squares(job_file, tmp_path):
    _change(job_file, steps=120)
    train(job_file, tmp_path / "run")
    events = read_events(tmp_path / "run" / "events.jsonl")
    losses = [event["loss"] for event in events if event["event"] == "step"]
    assert losses[-1] < 0.6 * losses[0]
    validations = [event for event in events if event["event"] == "validation"]
    assert validations[-1]["mean"] > 0.85
    assert set(validations[-1]["dice"]) == {"B"}
    assert events[-1]["event"] == "finished"


def test_held_out_cases_are_not_even_read(job_file, case_folder, tmp_path):
    (case_folder / "imagesTr" / "c_0000.nii.gz").write_bytes(b"not an image")
    train(job_file, tmp_path / "run")


def test_stopping_and_resuming_gives_the_same_weights_to_the_bit(job_file, tmp_path):
    straight = train(job_file, tmp_path / "straight")
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        train(job_file, tmp_path / "stopped", cancel=token)
    resumed = train(job_file, tmp_path / "stopped", resume=True)
    assert resumed.step == straight.step == 8
    assert all(torch.equal(a, b) for a, b in zip(_tensors(straight), _tensors(resumed), strict=True))


def test_resuming_after_sigkill_gives_the_same_weights_to_the_bit(job_file, tmp_path):
    _change(job_file, steps=60)
    straight = train(job_file, tmp_path / "straight")
    code = "import sys, torch; from pathlib import Path; from MedSegDLTrainLib.train import train; "
    code += f"torch.set_num_threads({torch.get_num_threads()}); train(Path(sys.argv[1]), Path(sys.argv[2]))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(PACKAGES)}
    process = subprocess.Popen([sys.executable, "-c", code, job_file, tmp_path / "killed"], env=environment)
    while not (tmp_path / "killed" / "last.pt").is_file() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    resumed = train(job_file, tmp_path / "killed", resume=True)
    assert all(torch.equal(a, b) for a, b in zip(_tensors(straight), _tensors(resumed), strict=True))


def test_a_run_folder_in_use_is_not_overwritten(job_file, tmp_path):
    train(job_file, tmp_path / "run")
    before = (tmp_path / "run" / "last.pt").read_bytes()
    with pytest.raises(InputError, match="is not empty"):
        train(job_file, tmp_path / "run")
    _change(job_file, steps=9)
    with pytest.raises(InputError, match="another job"):
        train(job_file, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "last.pt").read_bytes() == before


def test_a_damaged_checkpoint_is_a_sentence(job_file, tmp_path):
    train(job_file, tmp_path / "run")
    (tmp_path / "run" / "last.pt").write_bytes(b"damaged")
    with pytest.raises(InputError, match="cannot be read or belongs to another job"):
        train(job_file, tmp_path / "run", resume=True)


def test_a_loss_that_is_not_finite_stops_with_step_and_cases(job_file, tmp_path):
    _change(job_file, learning_rate=1e30, steps=20, clip_norm=None)
    with pytest.raises(InputError, match=r"not finite at step \d+ \(cases a"):
        train(job_file, tmp_path / "run")


def test_unknown_names_are_sentences(job_file, tmp_path):
    _change(job_file, optimizer="newton")
    with pytest.raises(InputError, match="no optimiser 'newton'; known are"):
        train(job_file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("field", "what"), [("loss", "loss"), ("schedule", "schedule")])
def test_every_name_of_a_job_is_checked_before_anything_starts(job_file, tmp_path, field, what):
    document = json.loads(job_file.read_text(encoding="utf-8"))
    (document if field in document else document["optimisation"])[field] = "guess"
    job_file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match=f"no {what} 'guess'; known are"):
        train(job_file, tmp_path / "run")
    assert not (tmp_path / "run").exists()
