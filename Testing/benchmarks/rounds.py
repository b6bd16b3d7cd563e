"""Rounds of runs: every approach once a round, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar, Protocol

import numpy as np

from Testing.benchmarks.results import Result


class MeasuredRun(Protocol):
    """What a run of any kind of benchmark says: `text` in words, and under `figures` the names of its further numbers.

    README.md's table has columns for network_seconds, outside_seconds, above_base_mib and peak_mib; runs.json has them all.
    """

    figures: ClassVar[tuple[str, ...]]
    approach: str
    seconds: float
    text: str


class BenchmarkSetting(Protocol):
    """What is the same for every approach; `text` is the setting in words."""

    text: str


@dataclass(frozen=True)
class Measured:
    """The runs of each approach, and the array that its last one gave (labels, a gradient) if any."""

    runs: dict[str, list[MeasuredRun]]
    arrays: dict[str, np.ndarray | None]

    def median(self, approach: str, figure: str) -> float:
        return median(getattr(run, figure) for run in self.runs[approach])


Measure = Callable[[str, BenchmarkSetting], tuple[MeasuredRun, np.ndarray | None]]


@dataclass(frozen=True)
class Benchmark:
    """Which approaches are run how often in which setting, and what is to be learned from them.

    `measure` runs one approach once, in a fresh process. Benchmarks with the same measure and setting share their runs.
    """

    measure: Measure
    setting: BenchmarkSetting
    approaches: tuple[str, ...]
    repeats: int
    results: Callable[[Measured], dict[str, Result]]


def rounds(measure: Measure, setting: BenchmarkSetting, approaches: Sequence[str], repeats: int) -> Measured:
    """Every approach once a round, so that whatever else the machine does hits all alike."""
    measured = Measured({approach: [] for approach in approaches}, {})
    for number in range(repeats):
        for approach in approaches:
            run, measured.arrays[approach] = measure(approach, setting)
            measured.runs[approach].append(run)
            print(f"round {number + 1} of {repeats}: {approach}: {run.text}", flush=True)
    return measured


def run_figures(setting: BenchmarkSetting, measured: Measured) -> dict[str, dict]:
    """Medians of each approach's runs for runs.json."""
    return {
        f"{setting.text}: {approach}": {
            "runs": len(runs),
            "seconds": measured.median(approach, "seconds"),
            "seconds_lowest": min(run.seconds for run in runs),
            "seconds_highest": max(run.seconds for run in runs),
        }
        | {figure: measured.median(approach, figure) for figure in runs[0].figures}
        for approach, runs in measured.runs.items()
    }
