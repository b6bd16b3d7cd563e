"""Memory and time of a step: counted by hand, and against a count on tensors that have data."""

import math

import pytest
import torch
from torch import nn

from MedSegDLLib.model_card import NetworkSpec
from MedSegDLLib.networks import build_network
from MedSegDLTrainLib.planning.cost import Trial, free_bytes, kept_bytes, machine_of, step_bytes, step_seconds
from MedSegDLTrainLib.planning.network import network_of

CPU = torch.device("cpu")
SMALL = Trial(network_of("unet_2d", 1, 4, 3), (16, 16, 1), 2, "dice_and_cross_entropy")


def test_what_is_kept_is_counted_once_and_without_the_weights():
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 1))
    # the image for the first convolution; the ReLU's result both for its own gradient and for the second convolution
    assert sorted(kept_bytes(network, torch.zeros(1, 1, 8, 8))) == [4 * 64, 4 * 2 * 64]


@pytest.mark.parametrize(
    "spec, shape", [(network_of("unet_2d", 1, 4, 3), (2, 1, 20, 16)), (network_of("no_new_net", 3, 4, 3), (1, 1, 8, 16, 8))]
)
def test_counting_needs_no_data(spec, shape):
    real = kept_bytes(build_network(spec).train(), torch.zeros(shape))
    with torch.device("meta"):
        counted = kept_bytes(build_network(spec).train(), torch.zeros(shape))
    assert sorted(counted) == sorted(real)


def test_memory_is_that_of_activations_logits_and_five_copies_of_the_weights():
    spec = NetworkSpec("unet_2d", 1, 1, {"features_per_stage": (2,), "block": "conv_norm_relu"})
    trial = Trial(spec, (8, 8, 1), 1, "dice")
    kept = kept_bytes(build_network(spec).train(), torch.zeros(1, 1, 8, 8))
    weights = 1 * 2 * 9 + 4 + 2 * 2 * 9 + 4 + 2 + 1
    assert step_bytes(trial) == sum(kept) + 4 * max(kept) + 4 * (2 * 64 + 5 * weights)


def test_a_larger_batch_and_a_larger_patch_need_more():
    double = Trial(SMALL.network, (16, 16, 1), 4, SMALL.loss)
    assert step_bytes(SMALL) < step_bytes(double) < 2 * step_bytes(SMALL)
    assert step_bytes(Trial(SMALL.network, (32, 16, 1), 2, SMALL.loss)) == step_bytes(double)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_step_is_timed_and_leaves_random_numbers_alone(precision):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    assert 0 < step_seconds(Trial(SMALL.network, (16, 16, 1), 2, SMALL.loss, precision), CPU) < math.inf
    assert torch.rand(1) == expected


def test_volumes_and_several_labels_are_timed_too():
    assert step_seconds(Trial(network_of("no_new_net", 3, 4, 3), (8, 8, 16), 1, "dice", "bfloat16"), CPU) < math.inf


def test_what_cannot_be_run_takes_for_ever(monkeypatch):
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: (_ for _ in ()).throw(RuntimeError("out of memory")))
    assert step_seconds(SMALL, CPU) == math.inf


def test_a_loss_that_is_not_finite_takes_for_ever(monkeypatch):
    monkeypatch.setattr(torch, "randn", lambda *shape, generator: torch.full(shape[0], math.nan))
    assert step_seconds(SMALL, CPU) == math.inf


def test_the_machine_is_this_one():
    machine = machine_of(CPU)
    assert machine.name and machine.bytes_needed(SMALL) == step_bytes(SMALL)
    assert machine.free_bytes is None or 2**20 < machine.free_bytes < 2**50
    assert free_bytes(torch.device("mps")) in (None, pytest.approx(machine.free_bytes, rel=0.5))
