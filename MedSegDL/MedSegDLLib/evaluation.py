"""Figures over many cases: what `metrics.evaluate` says of one case, put together for a group of labels or of patients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# Metrics of which a larger value is better; of all others the largest value is the worst.
LARGER_IS_BETTER = {"dice", "jaccard", "precision", "recall"}


@dataclass(frozen=True)
class Spread:
    """Mean, sample standard deviation (0 for one value), median, 16th and 84th percentile and worst of `count` values.

    `undefined` counts the values that were None: they are in none of the figures.
    """

    count: int
    undefined: int
    mean: float
    standard_deviation: float
    median: float
    percentile_16: float
    percentile_84: float
    worst: float


def spread(values: Iterable[float | None], metric: str) -> Spread | None:
    """The spread of one metric's values over cases; None if all of them are undefined."""
    values = list(values)
    defined = np.array([value for value in values if value is not None], float)
    if not len(defined):
        return None
    low, median, high = np.percentile(defined, (16, 50, 84))
    return Spread(
        count=len(defined),
        undefined=len(values) - len(defined),
        mean=float(defined.mean()),
        standard_deviation=float(defined.std(ddof=1)) if len(defined) > 1 else 0.0,
        median=float(median),
        percentile_16=float(low),
        percentile_84=float(high),
        worst=float(defined.min() if metric in LARGER_IS_BETTER else defined.max()),
    )


def root_mean_square(values: Iterable[float | None]) -> float | None:
    """Root mean square of the defined values: how coefficients of variation are put together over cases."""
    defined = [value for value in values if value is not None]
    return math.sqrt(math.fsum(value * value for value in defined) / len(defined)) if defined else None


def detection_ratio(rows: Sequence[Mapping]) -> float | None:
    """Labels with Dice above 0 ÷ labels in the reference (Schnider et al. 2020, §3.2), over rows of `metrics.evaluate`.

    Rows of several cases count each label once a case. None if no row has the label in the reference.
    """
    present = [row for row in rows if row["reference_voxels"]]
    return sum(row["dice"] > 0 for row in present) / len(present) if present else None


def group_figures(rows: Sequence[Mapping], groups: Mapping[str, Sequence[str]]) -> dict[str, dict]:
    """For each group of label names: its detection ratio and the spread of Dice over the detected labels (Schnider).

    `rows` are those of `metrics.evaluate`, of one case or of several put one after another.
    """
    figures = {}
    for group, names in groups.items():
        members = [row for row in rows if row["name"] in set(names)]
        detected = [row["dice"] for row in members if row["reference_voxels"] and row["dice"] > 0]
        figures[group] = {"detection_ratio": detection_ratio(members), "dice": spread(detected, "dice")}
    return figures
