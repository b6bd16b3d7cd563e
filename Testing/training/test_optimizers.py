"""Optimisers: first steps computed by hand, what weight decay acts on, and clipping."""

import pytest
import torch
from torch import nn

from MedSegDLLib.errors import InputError
from MedSegDLLib.model_card import NetworkSpec
from MedSegDLLib.networks import build_network
from MedSegDLTrainLib.job import Optimisation
from MedSegDLTrainLib.optimizers import OPTIMIZERS, build_optimizer, clip


class Line(nn.Module):
    """One weight; its gradient is what `stepped` says."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([start], dtype=torch.float64))


def stepped(gradients, start=1.0, **numbers):
    """The weight after steps with these gradients."""
    line = Line(start)
    optimizer = build_optimizer(line, Optimisation(0.1, 1, **numbers))
    for gradient in gradients:
        line.weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
    return line.weight.item()


def test_momentum_by_hand():
    """v₁ = 2, v₂ = 0.5 · 2 + 3 = 4: 1 − 0.1 · 2 − 0.1 · 4."""
    assert stepped([2, 3], optimizer="sgd", momentum=0.5) == pytest.approx(0.4)


def test_nesterov_by_hand():
    """Steps along g + 0.5 v: 2 + 0.5 · 2 = 3, then 3 + 0.5 · 4 = 5."""
    assert stepped([2, 3], optimizer="sgd", momentum=0.5, nesterov=True) == pytest.approx(1 - 0.3 - 0.5)


def test_weight_decay_of_sgd_is_part_of_the_gradient():
    """2 + 0.005 · 1 with Zeng's weight decay."""
    assert stepped([2], optimizer="sgd", momentum=0.9, weight_decay=0.005) == pytest.approx(1 - 0.1 * 2.005)


def test_adam_by_hand():
    """Without memory (betas 0) a step is g / (|g| + ε): 2 / (2 + 2)."""
    assert stepped([2], optimizer="adam", betas=(0.0, 0.0), epsilon=2.0) == pytest.approx(1 - 0.1 * 0.5)


def test_betas_are_those_of_the_job():
    """m = 0.5 · (0.5 · 2) + 0.5 · 4 = 2.5, corrected by 1 − 0.25; v = 0.25 · 0.75 · 4 + 0.75 · 16, by 1 − 0.0625."""
    first, second = 0.1 * 2 / 2, 0.1 * (2.5 / 0.75) / (12.75 / 0.9375) ** 0.5
    assert stepped([2, 4], optimizer="adam", betas=(0.5, 0.25), epsilon=1e-30) == pytest.approx(1 - first - second)


def test_weight_decay_of_adam_is_coupled_and_of_adamw_is_not():
    """Gradient 0: Adam steps along the sign of the decay, a whole 0.1; AdamW shrinks the weight by 0.1 · 0.5."""
    assert stepped([0], optimizer="adam", weight_decay=0.5) == pytest.approx(0.9)
    assert stepped([0], optimizer="adamw", weight_decay=0.5) == pytest.approx(0.95)


def test_l2_in_the_loss_is_adams_weight_decay():
    """Avetisian: λ/2 ‖w‖² in the loss adds λ w to the gradient."""
    line, decay = Line(2.0), 0.3
    optimizer = build_optimizer(line, Optimisation(0.1, 1, optimizer="adam"))
    for _ in range(3):
        optimizer.zero_grad()
        (line.weight.sin() + decay / 2 * line.weight.square()).sum().backward()
        optimizer.step()
    other = Line(2.0)
    optimizer = build_optimizer(other, Optimisation(0.1, 1, optimizer="adam", weight_decay=decay))
    for _ in range(3):
        optimizer.zero_grad()
        other.weight.sin().sum().backward()
        optimizer.step()
    assert other.weight.item() == pytest.approx(line.weight.item(), rel=1e-12)


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_every_optimiser_finds_the_minimum_of_a_parabola(key):
    line = Line(1.0)
    optimizer = build_optimizer(line, Optimisation(0.05, 1, optimizer=key))
    for _ in range(200):
        optimizer.zero_grad()
        line.weight.square().sum().backward()
        optimizer.step()
    assert abs(line.weight.item()) < 0.05


@pytest.mark.parametrize("key", OPTIMIZERS)
@pytest.mark.parametrize("decayed", ["all", "convolution_kernels"])
def test_weight_decay_acts_on_what_the_job_says(key, decayed):
    network = build_network(NetworkSpec("unet_2d", 1, 2, {"features_per_stage": (2, 3), "block": "conv_norm_relu"}))
    optimizer = build_optimizer(network, Optimisation(0.1, 1, optimizer=key, weight_decay=0.5, decayed=decayed))
    decay_of = {id(one): group["weight_decay"] for group in optimizer.param_groups for one in group["params"]}
    names = {name: decay_of[id(one)] for name, one in network.named_parameters()}
    assert len(decay_of) == len(names)
    kernels = [name for name in names if name.endswith("weight") and dict(network.named_parameters())[name].dim() == 4]
    assert {"encoder.0.0.weight", "up.0.weight", "classifier.weight"} < set(kernels)
    assert "encoder.0.1.weight" not in kernels  # batch norm
    assert names == {name: 0.5 if decayed == "all" or name in kernels else 0.0 for name in names}


def test_what_needs_no_gradient_is_left_out():
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1))
    network[0].requires_grad_(False)
    for decayed in ("all", "convolution_kernels"):
        optimizer = build_optimizer(network, Optimisation(0.1, 1, decayed=decayed))
        found = [id(one) for group in optimizer.param_groups for one in group["params"]]
        assert found == [id(network[1].weight), id(network[1].bias)]


def test_a_network_of_kernels_alone_can_be_optimised():
    network = nn.Conv2d(1, 1, 1, bias=False)
    optimizer = build_optimizer(network, Optimisation(0.1, 1, decayed="convolution_kernels", weight_decay=0.5))
    network(torch.ones(1, 1, 1, 1)).sum().backward()
    before = network.weight.item()
    optimizer.step()
    assert network.weight.item() != before


def test_an_unknown_optimiser_is_refused_with_those_that_there_are():
    with pytest.raises(InputError, match="There is no optimiser 'lion'; known are adam, adamw, sgd"):
        build_optimizer(nn.Linear(1, 1), Optimisation(0.1, 1, optimizer="lion"))


def clipped(**numbers):
    """Gradients (3, 0) and (−4), whose norm is 5, after clipping; a third parameter has none."""
    parameters = [nn.Parameter(torch.zeros(size)) for size in (2, 1, 1)]
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([-4.0])
    clip(iter(parameters), Optimisation(0.1, 1, **numbers))
    assert parameters[2].grad is None
    return torch.cat([one.grad for one in parameters[:2]]).tolist()


def test_clipping_by_hand():
    assert clipped() == [3, 0, -4]
    assert clipped(clip_norm=2.5) == pytest.approx([1.5, 0, -2], rel=1e-5)
    assert clipped(clip_norm=6.0) == [3, 0, -4]
    assert clipped(clip_value=1.0) == [1, 0, -1]
    assert clipped(clip_norm=2.5, clip_value=1.8) == pytest.approx([1.5, 0, -1.8], rel=1e-5)
