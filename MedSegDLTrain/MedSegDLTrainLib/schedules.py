"""Learning-rate schedules that a job can name (standard library only)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from MedSegDLTrainLib.tables import entry

if TYPE_CHECKING:  # job.py imports this module through job_checks.py
    from MedSegDLTrainLib.job import Optimisation

_WARM_UP, _FIRST, _LAST = 0.05, 0.05, 1e-3


def learning_rate(optimisation: Optimisation, step: int, steps: int) -> float:
    """The learning rate of `step` (0 … steps − 1) in a run of `steps`; never below the job's lowest_rate.

    Raises InputError for a schedule that is not in SCHEDULES.
    """
    factor = entry(SCHEDULES, optimisation.schedule, "schedule")(optimisation, step, steps)
    return max(optimisation.learning_rate * factor, optimisation.lowest_rate)


def _constant(optimisation: Optimisation, step: int, steps: int) -> float:
    return 1.0


def _exponential(optimisation: Optimisation, step: int, steps: int) -> float:
    """× decay_factor after each epoch (Desai: 0.8, lowest_rate 1e-8)."""
    return optimisation.decay_factor ** (step // optimisation.steps_per_epoch)


def _steps(optimisation: Optimisation, step: int, steps: int) -> float:
    """× decay_factor after every decay_every steps (Zeng: halved every 3,000 of 14,000)."""
    return optimisation.decay_factor ** (step // optimisation.decay_every)


def _polynomial(optimisation: Optimisation, step: int, steps: int) -> float:
    """(1 − t)^0.9, t = step / steps (Chen et al. 2018; nnU-Net)."""
    return (1 - step / steps) ** 0.9


def _one_cycle(optimisation: Optimisation, step: int, steps: int) -> float:
    """Up linearly over the first 5 % of the steps, then down along a cosine to nearly 0 (Smith & Topin 2018)."""
    done = step / steps
    if done < _WARM_UP:
        return _FIRST + (1 - _FIRST) * done / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))) + _LAST


# Each returns a factor on the job's learning rate.
SCHEDULES: dict[str, Callable[[Optimisation, int, int], float]] = {
    "constant": _constant,
    "exponential": _exponential,
    "steps": _steps,
    "polynomial": _polynomial,
    "one_cycle": _one_cycle,
}
