"""Which number format and memory order runs a model fastest on this machine without changing its labels."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import torch
from torch import nn

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.device import Execution, device_name, free_cached_memory, synchronise
from MedSegDLLib.errors import OutputError
from MedSegDLLib.folders import cache_folder
from MedSegDLLib.model_card import Inference
from MedSegDLLib.patch_network import PatchNetwork

# Labels of the trial patch must be those of float32 in these shares: of all voxels, and of those that are foreground in
# either. Reduced precision moves a boundary by single voxels; a network that it harms loses far more.
SAME_VOXELS, SAME_FOREGROUND = 0.999, 0.99
# What is not faster than this share of plain float32's time is not worth leaving plain float32 for.
WORTHWHILE = 0.95
_LONG_ENOUGH = 1.0  # seconds: a first run that takes longer is timed well enough
_CACHE_FILE = "precision.json"


def chosen_execution(
    network: nn.Module, patch: torch.Tensor, device: torch.device, inference: Inference, model: str
) -> Execution:
    """How to run `network` on `device`: the fastest way that gives float32's labels on `patch` (1, C, Z, Y, X).

    Tried are float32, float32 with channels last, and bfloat16 (float16 where there is none) with channels last. The
    choice is kept in the user's cache folder for this device, PyTorch, number of threads, `model` (SHA-256 of its
    weights) and patch size. A patch without foreground proves nothing: plain float32 then, and nothing is kept.
    """
    parts = (device_name(device), torch.__version__, f"{torch.get_num_threads()} threads", model, tuple(patch.shape[2:]))
    key = " | ".join(map(str, parts))
    path = cache_folder() / _CACHE_FILE
    choices = _read(path)
    if key in choices:
        return _from_entry(choices[key], device)
    execution = _tried(network, patch, device, inference)
    if execution is None:
        return Execution(device)
    _keep(path, choices | {key: {"precision": execution.precision, "channels_last": execution.channels_last}})
    return execution


def _tried(network: nn.Module, patch: torch.Tensor, device: torch.device, inference: Inference) -> Execution | None:
    """The best of the candidates; None if the patch holds nothing to compare, or cannot be run."""
    plain = Execution(device)
    expected, fastest = _attempt(network, patch, plain, inference)
    if expected is None or not expected.any():
        return None
    best, fastest = plain, fastest * WORTHWHILE
    for candidate in (Execution(device, "float32", True), Execution(device, _short_format(device), True)):
        labels, seconds = _attempt(network, patch, candidate, inference)
        if seconds < fastest and _same(labels, expected):
            best, fastest = candidate, seconds
    return best


def _attempt(
    network: nn.Module, patch: torch.Tensor, execution: Execution, inference: Inference
) -> tuple[torch.Tensor | None, float]:
    """A trial; no labels and infinite time for a format that device or network do not have, or no room to try it."""
    try:
        return _trial(network, patch, execution, inference)
    except (RuntimeError, MemoryError):
        free_cached_memory(execution.device)
        return None, math.inf


def _trial(network: nn.Module, patch: torch.Tensor, execution: Execution, inference: Inference) -> tuple[torch.Tensor, float]:
    """Labels (Z, Y, X) of the patch and seconds of one run."""
    with torch.inference_mode():
        runner = PatchNetwork(network, execution, inference.activation, inference.threshold, "")
        seconds = _seconds(runner, patch, execution.device)
        if seconds < _LONG_ENOUGH:  # the first run also sets things up
            seconds = min(_seconds(runner, patch, execution.device) for _ in range(2))
        features = runner(patch)[0].float()
        return torch.stack([torch.from_numpy(runner.head.labels_of(plane)) for plane in features.unbind(1)]), seconds


def _seconds(runner: PatchNetwork, patch: torch.Tensor, device: torch.device) -> float:
    start = time.perf_counter()
    runner(patch)
    synchronise(device)
    return time.perf_counter() - start


def _same(labels: torch.Tensor, expected: torch.Tensor) -> bool:
    same, foreground = labels == expected, (labels > 0) | (expected > 0)
    return same.float().mean() >= SAME_VOXELS and same[foreground].float().mean() >= SAME_FOREGROUND


def _short_format(device: torch.device) -> str:
    if device.type == "cpu" or (device.type == "cuda" and torch.cuda.is_bf16_supported()):
        return "bfloat16"
    return "float16"


def _read(path: Path) -> dict:
    """What was kept; nothing if the file is absent or not what was written, for it can be made again."""
    try:
        choices = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: entry for key, entry in choices.items() if _is_entry(entry)} if isinstance(choices, dict) else {}


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and entry.get("precision") in ("float32", "bfloat16", "float16")
        and isinstance(entry.get("channels_last"), bool)
    )


def _from_entry(entry: dict, device: torch.device) -> Execution:
    return Execution(device, entry["precision"], entry["channels_last"])


def _keep(path: Path, choices: dict) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(path) as beside:
            beside.write_text(json.dumps(choices, indent=1), encoding="utf-8")
    except (OSError, OutputError):
        pass  # a read-only or full cache folder only costs another trial next time
