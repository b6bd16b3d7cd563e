"""Curves for TensorBoard: with a writer that only remembers, and where TensorBoard is not installed."""

import sys
from types import SimpleNamespace

import pytest

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.tensorboard_log import TensorBoardLog


def test_loss_rate_and_validation_become_curves(tmp_path, monkeypatch):
    opened, written = [], []

    def writer(folder):
        opened.append(folder)
        return SimpleNamespace(add_scalar=lambda *what: written.append(what))

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=writer))
    log = TensorBoardLog(tmp_path)
    log({"event": "started", "steps": 2})
    assert opened == []  # a run must find its folder empty when it begins
    log({"event": "step", "step": 1, "loss": 0.5, "rate": 0.01})
    log({"event": "validation", "step": 1, "metric": "dice", "score": 0.8, "patients": {"A": 0.8}, "blend": None})
    log({"event": "validation", "step": 2, "metric": "dice", "score": None, "patients": {}, "blend": None})
    assert opened == [str(tmp_path / "tensorboard")]
    assert written == [
        ("loss", 0.5, 1),
        ("learning rate", 0.01, 1),
        ("dice", 0.8, 1),
        ("dice of a patient/A", 0.8, 1),
    ]


def test_without_tensorboard_there_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="TensorBoard is not installed"):
        TensorBoardLog(tmp_path)
