"""`medsegdl train new` as somebody types it, and its table."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from MedSegDLLib.__main__ import main
from MedSegDLTrainLib.commands.train_new import reasons_table
from MedSegDLTrainLib.job import Augmentation, read_job
from MedSegDLTrainLib.job_reasons import shown
from MedSegDLTrainLib.planning.job import planned_job
from MedSegDLTrainLib.planning.wishes import Wishes
from Testing.training.killing import PACKAGES
from Testing.training.plan_examples import machine


@pytest.fixture(autouse=True)
def _made_up_times(monkeypatch):
    monkeypatch.setattr("MedSegDLTrainLib.planning.cost.machine_of", lambda device: machine(0.1))


def test_a_job_is_written_and_every_value_is_told_with_its_reason(case_folder, tmp_path, capsys):
    output = tmp_path / "job.json"
    arguments = ["--network", "unet_2d", "--epochs", "2", "--steps-per-epoch", "30", "--seed", "4"]
    assert main(["train", "new", str(case_folder), *arguments, "--output", str(output)]) == 0
    job, told = read_job(output), capsys.readouterr().out
    assert (job.optimisation.epochs, job.optimisation.steps_per_epoch, job.seed, job.cases) == (2, 30, 4, "cases")
    assert all(name in told for name in job.reasons) and "60 steps" in told
    assert f"medsegdl train {output} --run FOLDER" in told
    assert json.loads(output.read_text(encoding="utf-8"))["reasons"] == job.reasons


def test_minutes_are_kept(case_folder, tmp_path):
    output = tmp_path / "job.json"
    assert main(["train", "new", str(case_folder), "--network", "unet_2d", "--minutes", "5", "--output", str(output)]) == 0
    assert read_job(output).optimisation.minutes == 5


def test_what_is_wrong_is_a_sentence_and_nothing_is_written(case_folder, tmp_path, capsys):
    output = tmp_path / "job.json"
    assert main(["train", "new", str(case_folder), "--like", "nothing", "--output", str(output)]) == 2
    assert "There is no model 'nothing'" in capsys.readouterr().err and not output.exists()
    output.write_text("mine", encoding="utf-8")
    assert main(["train", "new", str(case_folder), "--network", "unet_2d", "--output", str(output)]) == 2
    assert "is there already" in capsys.readouterr().err and output.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("begin", [[], ["--like", "a", "--network", "unet_2d"]])
def test_one_of_model_and_network_is_asked_for(case_folder, tmp_path, begin):
    assert main(["train", "new", str(case_folder), *begin, "--output", str(tmp_path / "job.json")]) == 2


def test_long_values_and_reasons_are_wrapped(case_folder, tmp_path):
    job = planned_job(case_folder, tmp_path / "job.json", Wishes(network="unet_2d"), machine(0.1))
    lines = reasons_table(job, 120).splitlines()
    assert lines[0].split() == ["SETTING", "VALUE", "WHY"] and max(map(len, lines)) <= 120
    starts = [line.split()[0] for line in lines[1:] if not line.startswith(" ")]
    assert starts == list(job.reasons) and len(lines) > len(starts) + 1


def test_values_are_readable():
    assert shown((1.4, 1.4, None)) == "1.4 1.4 –"
    assert shown({"features_per_stage": (4, 8), "block": "desai"}) == "features_per_stage 4 8, block desai"
    assert shown(Augmentation(scale=(0.5, 2.0), right_angles=True)) == "scale 0.5 2, right_angles yes"
    assert [shown(value) for value in (Augmentation(), "", (), False)] == ["as usual", "none", "none", "no"]


class _Swallows:
    """Somebody interrupts while `module` is imported, which, as parts of torch do, loses what is raised meanwhile."""

    def __init__(self, module):
        self._module = module

    def find_spec(self, name, path, target=None):
        if name == self._module:
            with suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("action", "module"), [("new", "planning.wishes"), ("run", "train_display")])
def test_an_interrupt_while_torch_is_imported_is_not_lost(case_folder, job_file, tmp_path, monkeypatch, capsys, action, module):
    output, run = tmp_path / "new.json", tmp_path / "run"
    arguments = {
        "new": [str(case_folder), "--network", "unet_2d", "--epochs", "1", "--output", str(output)],
        "run": [str(job_file), "--run", str(run)],
    }
    monkeypatch.delitem(sys.modules, f"MedSegDLTrainLib.{module}", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Swallows(f"MedSegDLTrainLib.{module}"), *sys.meta_path])
    assert main(["train", action, *arguments[action]]) == 130
    assert capsys.readouterr().err == "Stopped as asked; nothing was written.\n"
    assert not output.exists() and not run.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signal to one process")
def test_an_interrupt_while_planning_is_told_in_a_sentence_and_leaves_nothing(case_folder, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    command = [sys.executable, "-m", "MedSegDLLib", "train", "new", case_folder, "--network", "no_new_net"]
    command += ["--output", tmp_path / "job.json"]
    environment = os.environ | {"PYTHONPATH": PACKAGES}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stderr.readline().startswith("Reading the cases")
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    assert (process.returncode, told) == (130, "Stopped as asked.\n")
    assert sorted(tmp_path.rglob("*")) == before
