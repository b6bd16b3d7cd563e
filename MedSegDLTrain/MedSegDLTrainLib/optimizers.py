"""Optimisers and learning-rate schedules that a job can name."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

from MedSegDLTrainLib.job import Optimisation


def _adam(parameters: Iterable, optimisation: Optimisation) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, optimisation.learning_rate, weight_decay=optimisation.weight_decay)


def _adamw(parameters: Iterable, optimisation: Optimisation) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, optimisation.learning_rate, weight_decay=optimisation.weight_decay)


def _sgd(parameters: Iterable, optimisation: Optimisation) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        parameters, optimisation.learning_rate, momentum=0.9, nesterov=True, weight_decay=optimisation.weight_decay
    )


OPTIMIZERS = {"adam": _adam, "adamw": _adamw, "sgd": _sgd}


def _constant(done: float) -> float:
    return 1.0


def _polynomial(done: float) -> float:
    """(1 − t)^0.9."""
    return (1 - done) ** 0.9


def _one_cycle(done: float) -> float:
    """Up linearly over the first 5 %, then down along a cosine to nearly 0."""
    warm_up = 0.05
    if done < warm_up:
        return 0.05 + 0.95 * done / warm_up
    return 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up))) + 1e-3


# Each takes the share of all steps that is done (0…1) and returns a factor on the job's learning rate.
SCHEDULES = {"constant": _constant, "polynomial": _polynomial, "one_cycle": _one_cycle}
