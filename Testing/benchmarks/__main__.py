"""`python -m Testing.benchmarks [NAME …]` runs these benchmarks, or all, and writes what it found beside this file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from Testing.benchmarks.loss_results import LOSS_PEERS, loss_results
from Testing.benchmarks.loss_run import LossSetting, measure_loss
from Testing.benchmarks.patches_run import PATCH_APPROACHES, measure_patches, patch_results
from Testing.benchmarks.patches_setting import PatchSetting
from Testing.benchmarks.results import Result, keep, machine_text
from Testing.benchmarks.rounds import Benchmark, BenchmarkSetting, Measure, rounds, run_figures
from Testing.benchmarks.run import APPROACHES, measure
from Testing.benchmarks.segment_results import PEERS, label_results, large_volume_results, memory_results, time_results
from Testing.benchmarks.setting import LARGE, SMALL
from Testing.benchmarks.training_memory import MemorySetting, measure_memory, training_memory_results
from Testing.benchmarks.training_step import IN_TURNS, StepSetting, measure_step, step_results
from Testing.benchmarks.worker_run import WORKER_APPROACHES, WorkerSetting, measure_worker, worker_results

LOSSES = ("ours", *LOSS_PEERS)
BENCHMARKS = {
    "time": Benchmark(measure, SMALL, tuple(APPROACHES), 3, time_results),
    "memory": Benchmark(measure, SMALL, ("ours", *PEERS), 1, memory_results),
    "labels": Benchmark(measure, SMALL, ("ours", "monai"), 1, label_results),
    "large_volume": Benchmark(measure, LARGE, ("ours",), 1, large_volume_results),
    "loss_64": Benchmark(measure_loss, LossSetting(64, passes=5), LOSSES, 3, partial(loss_results, "loss_64")),
    "loss_96": Benchmark(measure_loss, LossSetting(96, passes=3), LOSSES, 3, partial(loss_results, "loss_96")),
    "patches": Benchmark(measure_patches, PatchSetting(), tuple(PATCH_APPROACHES), 3, patch_results),
    "training_step": Benchmark(measure_step, StepSetting(), (IN_TURNS,), 3, step_results),
    "training_memory": Benchmark(measure_memory, MemorySetting(), ("ours",), 1, training_memory_results),
    "worker": Benchmark(measure_worker, WorkerSetting(), WORKER_APPROACHES, 3, worker_results),
}


def run_benchmarks(names: Sequence[str]) -> None:
    """Benchmarks of the same measure and setting share their runs."""
    chosen = [benchmark for name, benchmark in BENCHMARKS.items() if name in names]
    for shared in dict.fromkeys((benchmark.measure, benchmark.setting) for benchmark in chosen):
        _run_together(*shared, [benchmark for benchmark in chosen if (benchmark.measure, benchmark.setting) == shared])


def _run_together(measure: Measure, setting: BenchmarkSetting, benchmarks: Sequence[Benchmark]) -> None:
    print(setting.text, flush=True)
    approaches = list(dict.fromkeys(approach for benchmark in benchmarks for approach in benchmark.approaches))
    measured = rounds(measure, setting, approaches, max(benchmark.repeats for benchmark in benchmarks))
    results = {name: result for benchmark in benchmarks for name, result in benchmark.results(measured).items()}
    keep(results, run_figures(setting, measured), machine_text())
    for name, result in results.items():
        print(f"{name}: {_result_text(result)}", flush=True)


def _result_text(result: Result) -> str:
    value = f"ratio {result.ratio:.3g}" if result.ratio is not None else f"{result.ours:.3g} {result.unit}"
    return f"{value}, goal at most {result.goal:.3g}: {'met' if result.met else 'missed'}"


def main(arguments: Sequence[str]) -> int:
    unknown = [name for name in arguments if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}; known are {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    run_benchmarks(arguments or list(BENCHMARKS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
