"""The devices that networks can run on, in words."""

from __future__ import annotations

from pathlib import Path

import torch

from MedSegDLLib.device import device_name
from MedSegDLLib.protocol import Device

_GIB = 2**30
# Processors that multiply bfloat16 themselves; others emulate it, which is slower than float32.
_FAST_BFLOAT16 = {"avx512_bf16", "amx_bf16"}


def device_list() -> tuple[Device, ...]:
    """Every device of this computer, the one that "auto" takes first."""
    return (*_gpus(), *_apple_gpu(), Device("cpu", "CPU, bfloat16" if _has_fast_bfloat16() else "CPU"))


def _gpus() -> list[Device]:
    if not torch.cuda.is_available():
        return []
    return [_gpu(torch.device("cuda", index)) for index in range(torch.cuda.device_count())]


def _gpu(device: torch.device) -> Device:
    free, _ = torch.cuda.mem_get_info(device)
    return Device(str(device), f"{device_name(device)}, {free / _GIB:.0f} GB free")


def _apple_gpu() -> list[Device]:
    return [Device("mps", "Apple GPU")] if torch.backends.mps.is_available() else []


def _has_fast_bfloat16() -> bool:
    """As Linux tells; elsewhere the trial of precision.py finds out when a model is run first."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return not _FAST_BFLOAT16.isdisjoint(flags)
