"""Schedules at the points that their formulas fix, and optimisers that a job can name."""

import pytest
import torch

from MedSegDLTrainLib.job import Optimisation
from MedSegDLTrainLib.optimizers import OPTIMIZERS, SCHEDULES


@pytest.mark.parametrize(
    ("key", "done", "factor"),
    [
        ("constant", 0.7, 1.0),
        ("polynomial", 0.0, 1.0),
        ("polynomial", 0.5, 0.5**0.9),
        ("one_cycle", 0.0, 0.05),
        ("one_cycle", 0.025, 0.525),
        ("one_cycle", 0.05, 1.001),
        ("one_cycle", 0.525, 0.501),
        ("one_cycle", 1.0, 0.001),
    ],
)
def test_schedules(key, done, factor):
    assert SCHEDULES[key](done) == pytest.approx(factor)


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_every_optimiser_finds_the_minimum_of_a_parabola(key):
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = OPTIMIZERS[key]([weight], Optimisation(steps=1, learning_rate=0.05, optimizer=key))
    for _ in range(200):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    assert abs(weight.item()) < 0.05
