"""What a run cannot be begun with, and what ends it, is said in a sentence."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from MedSegDLLib.errors import DeviceError, InputError, ModelError, OutputError
from MedSegDLLib.files import read_labelmap, write_labelmap
from MedSegDLTrainLib import train as train_module
from MedSegDLTrainLib.job import read_job
from MedSegDLTrainLib.run_folder import status_of
from MedSegDLTrainLib.train import Surroundings, too_large, train
from Testing.training.watched_runs import change_job


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

    change_job(job_file, "optimisation", minutes=minutes)
    monkeypatch.setattr(train_module.Stepper, "step", fail)
    with pytest.raises(kind, match=said):
        train(job_file, tmp_path / "run")


def test_a_loss_that_is_not_finite_stops_with_step_and_cases_and_keeps_the_last_good_state(job_file, tmp_path):
    change_job(job_file, "optimisation", learning_rate=1e30, epochs=20, clip_norm=None)
    with pytest.raises(InputError, match=r"not finite at step \d+ \(cases a\)"):
        train(job_file, tmp_path / "run", around=Surroundings(checkpoint_seconds=1000))
    assert "not finite" in status_of(tmp_path / "run").reason
    assert status_of(tmp_path / "run").state == "failed"


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
    change_job(job_file, section, **{field: "guess"})
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
    change_job(job_file, "network", **network)
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
    change_job(job_file, **values)
    with pytest.raises(InputError, match=said):
        train(job_file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_cases_without_any_label_leave_no_run_folder(job_file, case_folder, tmp_path):
    path = case_folder / "labelsTr" / "a.nii.gz"
    labels = read_labelmap(path)
    write_labelmap(replace(labels, array=np.zeros_like(labels.array)), path)
    with pytest.raises(InputError, match="holds no training case with a label"):
        train(job_file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("left_out", [{"patients": ["nobody of this name"]}, {"train_patients": ["B"]}])
def test_a_job_that_trains_on_nobody_leaves_no_run_folder(left_out, job_file, tmp_path):
    change_job(job_file, "validation", **left_out)
    with pytest.raises(InputError, match=r"whom the case folder does not have|no case to train on"):
        train(job_file, tmp_path / "run")
    assert not (tmp_path / "run").exists()
