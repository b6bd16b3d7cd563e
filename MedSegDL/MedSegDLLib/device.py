"""Where and in which number format a network runs, and what its failures mean."""

from __future__ import annotations

import copy
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from MedSegDLLib.errors import DeviceError, InputError

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")
_FAILED = ("cuda error", "cudnn", "cublas", "mps", "hip error")
_MIB = 2**20
_GUESSED_FREE_BYTES = 2**32


@dataclass(frozen=True)
class Execution:
    """How a network is run: on `device`, with weights and activations of `precision`, and its tensors' memory order."""

    device: torch.device = torch.device("cpu")  # noqa: RUF009 (immutable)
    precision: str = "float32"
    channels_last: bool = False

    @property
    def dtype(self) -> torch.dtype:
        return _DTYPES[self.precision]

    def memory_format(self, dimensions: int) -> torch.memory_format:
        """The memory order of batches of a 2D or 3D network."""
        return _CHANNELS_LAST[dimensions] if self.channels_last else torch.contiguous_format

    def prepared(self, network: nn.Module) -> nn.Module:
        """`network` itself if it can run like this as it is, else a copy that can; always in evaluation mode."""
        weights = next(network.parameters())
        if not network.training and not self.channels_last and weights.device == self.device and weights.dtype == self.dtype:
            return network
        own = copy.deepcopy(network).eval()
        return own.to(device=self.device, dtype=self.dtype, memory_format=self.memory_format(network.dimensions))


def find_device(name: str) -> torch.device:
    """The device called auto, cpu, cuda, cuda:N or mps; auto is the first GPU, else the CPU.

    Raises InputError for any other name, DeviceError for a device that this computer does not have.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError("This computer has no Apple GPU (mps) that PyTorch can use: choose cpu or auto.")
        return torch.device("mps")
    if not re.fullmatch(r"cuda(:\d+)?", name):
        raise InputError(f"The device is one of auto, cpu, cuda, cuda:N (N = 0, 1, …) or mps, not '{name}'.")
    return _cuda_device(int(name.partition(":")[2] or 0))


def _cuda_device(index: int) -> torch.device:
    if not torch.cuda.is_available():
        raise DeviceError(
            "No NVIDIA GPU (cuda) can be used: there is none, its driver is missing, "
            "or PyTorch was installed without CUDA. Choose cpu or auto."
        )
    if index >= torch.cuda.device_count():
        raise DeviceError(
            f"There is no GPU cuda:{index}: this computer's {torch.cuda.device_count()} are counted from cuda:0 on."
        )
    return torch.device("cuda", index)


def device_name(device: torch.device) -> str:
    """The product name of a GPU, or of the processor as far as the system tells it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    if device.type == "cpu" and cpuinfo.exists():
        names = re.findall(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        if names:
            return names[0].strip()
    return platform.processor() or platform.machine()


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished, so that times are those of the work and not of its being queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def free_cached_memory(device: torch.device) -> None:
    """Give memory that PyTorch keeps for later back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that the host or the device has too little memory."""
    told = str(error).lower()
    return isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or any(words in told for words in _OUT_OF_MEMORY)


def is_device_failure(error: BaseException) -> bool:
    """Whether `error` comes from the device's driver or libraries rather than from the program."""
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _FAILED)


def memory_text(device: torch.device) -> str:
    """Free and whole memory of a device in words, for error messages; empty if the system does not tell."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return f"{free // _MIB} of {total // _MIB} MiB free"
    if device.type == "cpu" and (sizes := _host_memory()):
        return f"{sizes['MemAvailable'] // _MIB} of {sizes['MemTotal'] // _MIB} MiB free"
    return ""


def free_host_bytes() -> int:
    """Memory that programs can still get; a guess where the system does not tell (macOS, Windows)."""
    return _host_memory().get("MemAvailable", _GUESSED_FREE_BYTES)


def _host_memory() -> dict[str, int]:
    """Sizes in bytes by the names in /proc/meminfo; nothing where there is none."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return {}
    lines = re.findall(r"^(\w+):\s+(\d+) kB", meminfo.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: int(kib) * 1024 for name, kib in lines}


def start_peak_memory(device: torch.device) -> None:
    """Begin a new measurement where the device allows that (GPU); a process has one peak for its whole life."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_mib(device: torch.device) -> float:
    """Most memory held, MiB: on a GPU by tensors since `start_peak_memory`, else resident by this process since its start.

    0 where the system does not tell (Windows).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / _MIB
    if sys.platform == "win32":
        return 0.0
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MIB if sys.platform == "darwin" else peak / 1024
