"""`python -m Testing.benchmarks [NAME]` runs one benchmark or all of them and writes what it found beside this file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from Testing.benchmarks.results import Result, keep, machine_text
from Testing.benchmarks.run import APPROACHES, Run, measure
from Testing.benchmarks.setting import LARGE, SMALL, Setting

PEERS = ("monai", "monai_buffered", "nnunet")


@dataclass(frozen=True)
class Measured:
    """The runs of each approach, and the labels of its last one."""

    runs: dict[str, list[Run]]
    labels: dict[str, np.ndarray | None]

    def median(self, approach: str, figure: str) -> float:
        return median(getattr(run, figure) for run in self.runs[approach])


@dataclass(frozen=True)
class Benchmark:
    """Which approaches are run how often in which setting, and what is to be learned from them."""

    setting: Setting
    approaches: tuple[str, ...]
    repeats: int
    results: Callable[[Measured], dict[str, Result]]


def time_results(measured: Measured) -> dict[str, Result]:
    """Seconds outside of the network against each peer's, and the whole run against the bare forward passes."""
    outside = measured.median("ours", "outside_seconds")
    results = {
        f"time_outside_network_{peer}": Result(outside, measured.median(peer, "outside_seconds"), "s", 1 / 8) for peer in PEERS
    }
    whole, bare = (measured.median(approach, "seconds") for approach in ("ours", "bare_forwards"))
    return results | {"whole_run_over_bare_forwards": Result(whole, bare, "s", 1.10)}


def memory_results(measured: Measured) -> dict[str, Result]:
    """Peak of resident memory above what the process held before the run, against each peer's."""
    ours = measured.median("ours", "above_base_mib")
    return {
        f"peak_memory_above_base_{peer}": Result(ours, measured.median(peer, "above_base_mib"), "MiB", 1 / 10) for peer in PEERS
    }


def label_results(measured: Measured) -> dict[str, Result]:
    """The share of voxels that have another label than MONAI gives them, in float32."""
    different = np.mean(measured.labels["ours"] != measured.labels["monai"])
    return {"labels_unlike_monai": Result(float(different), None, "share of voxels", 1e-5)}


def large_volume_results(measured: Measured) -> dict[str, Result]:
    """All host memory of the process at its peak, libraries and input included."""
    return {"large_volume_memory": Result(measured.median("ours", "peak_mib") / 1024, None, "GiB", 4.0)}


BENCHMARKS = {
    "time": Benchmark(SMALL, tuple(APPROACHES), 3, time_results),
    "memory": Benchmark(SMALL, ("ours", *PEERS), 1, memory_results),
    "labels": Benchmark(SMALL, ("ours", "monai"), 1, label_results),
    "large_volume": Benchmark(LARGE, ("ours",), 1, large_volume_results),
}


def rounds(setting: Setting, approaches: Sequence[str], repeats: int) -> Measured:
    """Every approach once a round, each in a fresh process, so that whatever else the machine does hits all alike."""
    measured = Measured({approach: [] for approach in approaches}, {})
    for number in range(repeats):
        for approach in approaches:
            run, measured.labels[approach] = measure(approach, setting)
            measured.runs[approach].append(run)
            print(f"round {number + 1} of {repeats}: {_run_text(run)}", flush=True)
    return measured


def _run_text(run: Run) -> str:
    outside = f"{run.seconds:.1f} s, {run.outside_seconds:.2f} s of it outside of the network"
    return f"{run.approach}: {outside}, {run.above_base_mib:.0f} MiB above base"


def run_figures(setting: Setting, measured: Measured) -> dict[str, dict]:
    """Medians of each approach's runs for runs.json."""
    figures = ("network_seconds", "outside_seconds", "above_base_mib", "peak_mib")
    return {
        f"{setting.text}: {approach}": {
            "runs": len(runs),
            "seconds": measured.median(approach, "seconds"),
            "seconds_lowest": min(run.seconds for run in runs),
            "seconds_highest": max(run.seconds for run in runs),
        }
        | {figure: measured.median(approach, figure) for figure in figures}
        for approach, runs in measured.runs.items()
    }


def run_benchmarks(names: Sequence[str]) -> None:
    """Benchmarks of the same setting share their runs."""
    for setting in (SMALL, LARGE):
        chosen = [benchmark for name, benchmark in BENCHMARKS.items() if name in names and benchmark.setting == setting]
        if not chosen:
            continue
        print(f"{setting.text}, {setting.classes} classes", flush=True)
        wanted = {approach for benchmark in chosen for approach in benchmark.approaches}
        approaches = [approach for approach in APPROACHES if approach in wanted]
        measured = rounds(setting, approaches, max(benchmark.repeats for benchmark in chosen))
        results = {name: result for benchmark in chosen for name, result in benchmark.results(measured).items()}
        keep(results, run_figures(setting, measured), machine_text())
        for name, result in results.items():
            value = f"ratio {result.ratio:.3g}" if result.ratio is not None else f"{result.ours:.3g} {result.unit}"
            print(f"{name}: {value}, goal at most {result.goal:.3g}: {'met' if result.met else 'missed'}", flush=True)


def main(arguments: Sequence[str]) -> int:
    unknown = [name for name in arguments if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}; known are {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    run_benchmarks(arguments or list(BENCHMARKS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
