"""A checkpoint gives everything back, is either whole or known to be damaged, and never replaces a good one by a bad one."""

import errno
import json

import pytest
import torch

from MedSegDLLib.errors import InputError, ModelError, OutputError
from MedSegDLTrainLib import checkpoints
from MedSegDLTrainLib.checkpoints import (
    BEFORE_FILE,
    LAST_FILE,
    load_checkpoint,
    new_state,
    read_checkpoint,
    save_best,
    save_checkpoint,
)
from MedSegDLTrainLib.disk import is_full
from MedSegDLTrainLib.job import read_job


@pytest.fixture
def job(job_file):
    return read_job(job_file)


def _moved(job, steps):
    """A state after some optimiser steps on a made-up loss."""
    state = new_state(job)
    for _ in range(steps):
        state.optimizer.zero_grad()
        sum((parameter**2).sum() for parameter in state.network.parameters()).backward()
        state.optimizer.step()
        state.tally.step += 1
    return state


def _same(state, other):
    pairs = zip(state.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs) and state.tally == other.tally


def _unheard(text):
    raise AssertionError(text)


def test_the_same_job_begins_with_the_same_weights(job):
    assert _same(new_state(job), new_state(job))


def test_a_state_comes_back_with_its_optimiser(job, tmp_path):
    state = _moved(job, 3)
    state.tally.best_score = 0.5
    save_checkpoint(state, tmp_path)
    other = new_state(job)
    load_checkpoint(other, tmp_path, _unheard)
    assert _same(state, other)
    key = next(iter(state.optimizer.state_dict()["state"]))
    moments = [item.optimizer.state_dict()["state"][key]["exp_avg"] for item in (state, other)]
    assert torch.equal(*moments)
    assert moments[0].abs().sum() > 0


def test_without_a_checkpoint_a_state_stays_as_it_is(job, tmp_path):
    state = new_state(job)
    load_checkpoint(state, tmp_path, _unheard)
    assert state.tally.step == 0


@pytest.mark.parametrize("damage", [b"", b"0" * 40, b"0" * 500])
def test_a_damaged_last_checkpoint_falls_back_to_the_one_before_and_says_so(job, tmp_path, damage):
    early, late = _moved(job, 1), _moved(job, 2)
    save_checkpoint(early, tmp_path)
    save_checkpoint(late, tmp_path)
    (tmp_path / LAST_FILE).write_bytes(damage)
    state, told = new_state(job), []
    load_checkpoint(state, tmp_path, told.append)
    assert _same(state, early)
    assert "is damaged" in told[0]
    assert told[0].endswith("The run goes on from the one before it, step 1.")


def test_one_flipped_bit_is_noticed(job, tmp_path):
    save_checkpoint(_moved(job, 1), tmp_path)
    data = bytearray((tmp_path / LAST_FILE).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / LAST_FILE).write_bytes(data)
    with pytest.raises(InputError, match="its SHA-256 is not what it was written with"):
        read_checkpoint(tmp_path / LAST_FILE)


def test_with_both_damaged_there_is_a_sentence(job, tmp_path):
    for name in (LAST_FILE, BEFORE_FILE):
        (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(InputError, match="Start a new run"):
        load_checkpoint(new_state(job), tmp_path, _unheard)


def test_killed_between_the_two_renames_the_run_goes_on_from_the_one_before(job, tmp_path):
    save_checkpoint(_moved(job, 1), tmp_path)
    (tmp_path / LAST_FILE).replace(tmp_path / BEFORE_FILE)
    state = new_state(job)
    load_checkpoint(state, tmp_path, _unheard)
    assert state.tally.step == 1


def test_the_checkpoint_of_another_network_is_a_sentence(job, job_file, tmp_path):
    save_checkpoint(_moved(job, 1), tmp_path)
    document = json.loads(job_file.read_text(encoding="utf-8"))
    document["network"]["numbers"]["features_per_stage"] = [4, 8]
    job_file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match="belongs to another job"):
        load_checkpoint(new_state(read_job(job_file)), tmp_path, _unheard)


def test_weights_that_are_not_finite_are_not_kept(job, tmp_path):
    save_checkpoint(_moved(job, 1), tmp_path)
    before = (tmp_path / LAST_FILE).read_bytes()
    state = _moved(job, 2)
    with torch.no_grad():
        next(state.network.parameters()).view(-1)[0] = float("nan")
    with pytest.raises(ModelError, match="no longer finite"):
        save_checkpoint(state, tmp_path)
    assert (tmp_path / LAST_FILE).read_bytes() == before
    assert not (tmp_path / BEFORE_FILE).exists()


def test_the_best_weights_are_the_averaged_ones(job, tmp_path):
    state = _moved(job, 2)
    save_best(state.published.state_dict(), state.tally, tmp_path)
    saved = read_checkpoint(tmp_path / "best.checkpoint")["weights"]
    assert all(torch.equal(saved[name], value) for name, value in state.average.state_dict().items())
    assert any(not torch.equal(saved[name], value) for name, value in state.network.state_dict().items())


@pytest.mark.parametrize("room", [0, 100, 3000])
def test_a_disk_that_gets_full_in_the_middle_of_a_checkpoint_is_told_as_full(job, tmp_path, monkeypatch, room):
    save_checkpoint(_moved(job, 1), tmp_path)
    whole = (tmp_path / LAST_FILE).read_bytes()
    monkeypatch.setattr(checkpoints, "_Hashing", lambda file: _hashing(_FullAfter(file, room)))
    with pytest.raises(OutputError, match="the disk is full") as caught:
        save_checkpoint(_moved(job, 2), tmp_path)
    assert is_full(caught.value)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".checkpoint"] == [LAST_FILE]
    assert (tmp_path / LAST_FILE).read_bytes() == whole


_hashing = checkpoints._Hashing


class _FullAfter:
    """A file that takes so many bytes; torch.save tells of what comes then in words of its own."""

    def __init__(self, file, room):
        self._file, self._room = file, room

    def write(self, data):
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, "no")
        return self._file.write(data)

    def flush(self):
        self._file.flush()
