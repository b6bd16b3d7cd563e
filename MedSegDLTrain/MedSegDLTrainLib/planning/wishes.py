"""What a person asks of a plan, and how long the training then is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from MedSegDLLib.errors import InputError, OutputError
from MedSegDLTrainLib.job import Optimisation
from MedSegDLTrainLib.planning.cost import Machine
from MedSegDLTrainLib.planning.fit import USABLE_TIME, Budget, Fit, time_text

_STEPS_PER_EPOCH = 250
_SHORTEST_EPOCH, _FEWEST_EPOCHS = 10, 10


@dataclass(frozen=True)
class Wishes:
    """What a person asks for: a model to begin from (`like`) or the key of a `network`, and None where the plan decides."""

    like: str | None = None
    network: str | None = None
    epochs: int | None = None
    steps_per_epoch: int | None = None
    minutes: float | None = None
    seed: int = 1

    @property
    def timed(self) -> bool:
        """Whether the minutes decide how many steps there are; epochs win."""
        return self.minutes is not None and self.epochs is None


@dataclass(frozen=True)
class Usual:
    """What is aimed at where a person does not say: `epochs` of 250 steps, which may take `minutes`; within minutes given by
    a person at least `least_steps`."""

    epochs: int
    least_steps: int
    minutes: float


def check_wishes(wishes: Wishes, output: Path) -> None:
    """Raise InputError for numbers that make no sense, OutputError if there is a file already."""
    for name in ("epochs", "steps_per_epoch", "minutes"):
        value = getattr(wishes, name)
        if value is not None and not value > 0:
            raise InputError(f"--{name.replace('_', '-')} {value} must be more than 0.")
    if output.exists():
        raise OutputError(f"{output} is there already: choose another name, or remove it.")


def budget_of(wishes: Wishes, usual: Usual) -> Budget:
    """How many steps must fit into how many minutes when network and batch are chosen; more steps may take longer."""
    if wishes.timed:
        return Budget(usual.least_steps, wishes.minutes)
    steps = (wishes.epochs or usual.epochs) * (wishes.steps_per_epoch or _STEPS_PER_EPOCH)
    return Budget(steps, wishes.minutes or usual.minutes * steps / (usual.epochs * _STEPS_PER_EPOCH))


def steps_of(wishes: Wishes, usual: Usual, fit: Fit) -> int:
    """About how many steps the run will have."""
    if wishes.timed:
        return max(int(USABLE_TIME * wishes.minutes * 60 / fit.seconds), 1)
    return budget_of(wishes, usual).steps


def lasting(
    chosen: Optimisation, wishes: Wishes, usual: Usual, fit: Fit, machine: Machine
) -> tuple[Optimisation, dict[str, str]]:
    """The optimisation with epochs, steps per epoch, minutes and precision, and how long that takes."""
    steps, step = steps_of(wishes, usual, fit), f"a step took {time_text(fit.seconds)} on {machine.name}"
    per_epoch = wishes.steps_per_epoch or _STEPS_PER_EPOCH
    minutes = float(wishes.minutes) if wishes.timed else None
    why = f"{steps:,} steps, about {time_text(steps * fit.seconds / USABLE_TIME)} with validation: {step}"
    if wishes.timed:
        per_epoch = wishes.steps_per_epoch or min(max(steps // _FEWEST_EPOCHS, _SHORTEST_EPOCH), _STEPS_PER_EPOCH)
        why = f"a first guess of what fits into {time_text(60 * minutes)} ({step}); the run times itself and decides"
    reasons = {"optimisation.epochs": why, "optimisation.precision": fit.precision_why}
    reasons |= {"optimisation.minutes": "asked for"} if wishes.timed else {}
    epochs, precision = max(steps // per_epoch, 1), fit.trial.precision
    return replace(chosen, epochs=epochs, steps_per_epoch=per_epoch, minutes=minutes, precision=precision), reasons
