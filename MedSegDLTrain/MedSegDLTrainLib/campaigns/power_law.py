"""The power law Dice = α·n^β over the number of cases (Desai et al. 2019, §3.6), and what it says to an annotator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

TARGET = 0.9
MOST_CASES = 10_000
"""A number of cases beyond which nobody will go."""

_BOLD = 4  # times as many cases as were tried: what is said beyond is a guess
_HIGH = 0.95


@dataclass(frozen=True)
class Point:
    """One training: on how many cases, and the Dice that it reached; `repeat` tells trainings on as many apart."""

    count: int
    repeat: int
    dice: float


@dataclass(frozen=True)
class PowerLaw:
    """Dice = alpha · n^beta. `r_squared` is None where it says nothing: two points only, or all Dice equal."""

    alpha: float
    beta: float
    r_squared: float | None

    def at(self, count: float) -> float:
        """The law's Dice for `count` cases, at most 1."""
        return min(self.alpha * count**self.beta, 1.0)

    def reaches(self, dice: float) -> float | None:
        """How many cases it takes for a Dice; None if more cases do not help, or more than MOST_CASES are needed."""
        if self.beta <= 0:
            return None
        logarithm = np.log(dice / self.alpha) / self.beta
        return float(np.exp(logarithm)) if logarithm <= np.log(MOST_CASES) else None


def fitted(points: Sequence[Point]) -> PowerLaw | None:
    """The law through the points with cases, by least squares of Dice; None for fewer than two different counts.

    In Dice and not in its logarithm: what matters is how far off a prediction is in Dice, and a training that ends at 0,
    which has no logarithm, counts like the others.
    """
    points = [point for point in points if point.count]
    logarithms = np.log([point.count for point in points])
    dice = np.array([point.dice for point in points])
    if len(set(logarithms)) < 2 or not dice.any():
        return None
    found = least_squares(lambda law: law[0] * np.exp(law[1] * logarithms) - dice, (dice.mean(), 0.0), x_scale=(1.0, 0.1))
    alpha, beta = (float(value) for value in found.x)
    total, left = float(((dice - dice.mean()) ** 2).sum()), float((found.fun**2).sum())
    if total < 1e-12:  # equal but for rounding, which would otherwise be taken for a trend
        return PowerLaw(float(dice.mean()), 0.0, None)
    return PowerLaw(alpha, beta, 1 - left / total if len(points) > 2 else None)


def advice(points: Sequence[Point], law: PowerLaw | None, what: str) -> str:
    """One sentence for an annotator: what more cases would bring. `what` is what they are called, in the plural."""
    if law is None:
        return f"Train on two different numbers of {what} at least: then it can be said what more {what} would bring."
    least, most = (pick(point.count for point in points if point.count) for pick in (min, max))
    start = max((point.dice for point in points if not point.count), default=0.0)
    if start >= law.at(most):
        return (
            f"The start model as it is has a Dice of {start:.2f}, and training on {most} {what} did not make it better "
            f"({law.at(most):.2f}): train longer, or with a lower learning rate."
        )
    if law.beta <= 0:
        reached = law.at(most) >= TARGET
        then = f"where the Dice is {law.at(most):.2f} already" if reached else f"so {TARGET} will not be reached that way"
        return f"More {what} did not help between {least} and {most}, {then}: look at the worst cases, or train longer."
    return f"{_gain_text(law, most, what)}; {_target_text(law.reaches(TARGET), most, what)}."


def _gain_text(law: PowerLaw, most: int, what: str) -> str:
    """What twice as many would bring. Near 1 the law, which has no upper end, promises too much: nothing exact is said."""
    now, then = law.at(most), law.at(2 * most)
    if now >= _HIGH:
        return f"With {most} {what} the Dice is {now:.2f} already, and more would bring little"
    expected = f"of about {then:.2f}" if then < _HIGH else f"above {_HIGH}"
    return f"With {most} more {what} ({2 * most} in all) expect a Dice {expected} instead of {now:.2f}"


def _target_text(needed: float | None, most: int, what: str) -> str:
    if needed is None:
        return f"{TARGET} will not be reached by more {what} alone"
    if needed <= most:
        return f"{TARGET} takes about {max(round(needed), 1)}"
    if needed > _BOLD * most:
        return f"{TARGET} would take some {float(f'{needed:.2g}'):,.0f} in all, a guess so far beyond what was tried"
    in_all = max(round(needed), most + 1)
    return f"{TARGET} would take about {in_all - most} more ({in_all} in all)"
