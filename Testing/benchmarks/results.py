"""What a benchmark found, and the files it is kept in: results.json, runs.json and the table in README.md."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
RESULTS, RUNS, README = "results.json", "runs.json", "README.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class Result:
    """One number against its goal, a largest value: of `ratio` (ours ÷ peer), or of `ours` where there is no peer.

    Where more is better (patches a second), give seconds instead, so that every goal is a largest value.
    """

    ours: float
    peer: float | None
    unit: str
    goal: float

    @property
    def ratio(self) -> float | None:
        return None if self.peer is None else self.ours / self.peer

    @property
    def met(self) -> bool:
        return (self.ours if self.ratio is None else self.ratio) <= self.goal

    def to_json(self, machine: str) -> dict:
        """As results.json has it."""
        names = ("ours", "peer", "unit", "ratio", "goal", "met")
        return {name: getattr(self, name) for name in names} | {"machine": machine}


def machine_text() -> str:
    """Processor, cores that may be used, torch and Python: what the numbers depend on."""
    import torch

    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    flags = next(line.split() for line in lines if line.startswith("flags"))
    widest = next((name for name in ("avx512f", "avx2") if name in flags), "no AVX2")
    cores = len(os.sched_getaffinity(0))
    return f"{model} ({widest}), {cores} cores, torch {torch.__version__}, Python {platform.python_version()}"


def keep(results: dict[str, Result], runs: dict[str, dict], machine: str, folder: Path = FOLDER) -> None:
    """Put new results and runs in the place of those of the same name, and write the table anew."""
    kept = _merge(folder / RESULTS, {name: result.to_json(machine) for name, result in results.items()})
    kept_runs = _merge(folder / RUNS, {name: figures | {"machine": machine} for name, figures in runs.items()})
    readme = folder / README
    before, _, rest = readme.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    readme.write_text(f"{before}{_BEGIN}\n{tables(kept, kept_runs)}\n{_END}{after}", encoding="utf-8")


def tables(results: dict[str, dict], runs: dict[str, dict]) -> str:
    """Both tables in Markdown, with the machines that they were measured on."""
    machines = sorted({entry["machine"] for entry in (*results.values(), *runs.values())})
    parts = [
        _table(
            ["benchmark", "ours", "peer", "unit", "ratio", "goal", "met"], [_result_cells(*item) for item in results.items()]
        ),
        _table(
            ["setting: approach", "runs", "seconds", "in network", "outside", "peak above base, MiB", "peak, MiB"],
            [_run_cells(*item) for item in runs.items()],
        ),
        "Seconds: median (lowest – highest). Measured on: " + "; ".join(machines) + ".",
    ]
    return "\n\n".join(parts)


def _result_cells(name: str, entry: dict) -> list[str]:
    values = [_cell(entry[key]) for key in ("ours", "peer", "unit", "ratio")]
    return [name, *values, f"≤ {_cell(entry['goal'])}", "yes" if entry["met"] else "**no**"]


def _run_cells(name: str, entry: dict) -> list[str]:
    seconds = f"{_cell(entry['seconds'])} ({_cell(entry['seconds_lowest'])} – {_cell(entry['seconds_highest'])})"
    values = (entry.get(key) for key in ("network_seconds", "outside_seconds", "above_base_mib", "peak_mib"))
    return [name, str(entry["runs"]), seconds, *map(_cell, values)]


def _merge(path: Path, new: dict[str, dict]) -> dict[str, dict]:
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    merged = old | new
    path.write_text(json.dumps(merged, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return merged


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: float | str | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
