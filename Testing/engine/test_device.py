"""Finding devices, preparing networks for them, and reading their failures."""

import re

import pytest
import torch

from MedSegDLLib import device
from MedSegDLLib.device import (
    Execution,
    device_name,
    find_device,
    is_device_failure,
    is_out_of_memory,
    memory_text,
    peak_memory_mib,
)
from MedSegDLLib.errors import DeviceError, InputError
from Testing.engine.tiny_networks import TinyNetwork

CPU = torch.device("cpu")


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_without_a_gpu_auto_is_the_cpu_and_others_are_refused(no_gpu):
    assert find_device("auto") == find_device("cpu") == CPU
    for name, told in (("cuda", "No NVIDIA GPU"), ("cuda:1", "No NVIDIA GPU"), ("mps", "no Apple GPU")):
        with pytest.raises(DeviceError, match=told):
            find_device(name)


def test_gpus_are_counted(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert str(find_device("auto")) == str(find_device("cuda")) == "cuda:0"
    assert str(find_device("cuda:1")) == "cuda:1"
    with pytest.raises(DeviceError, match="no GPU cuda:2: this computer's 2"):
        find_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "", "cpu:0"])
def test_names_that_are_none(name):
    with pytest.raises(InputError, match="one of auto, cpu, cuda"):
        find_device(name)


def test_a_network_that_can_run_as_it_is_is_not_copied():
    network = TinyNetwork(3, classes=2)
    assert Execution(CPU).prepared(network) is network
    short = Execution(CPU, "bfloat16", channels_last=True).prepared(network)
    assert short.classifier.weight.dtype == torch.bfloat16
    assert short.body[0].weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert network.classifier.weight.dtype == torch.float32
    network.train()
    assert not Execution(CPU).prepared(network).training
    assert network.training


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.cuda.OutOfMemoryError("anything"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
        ),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    ],
)
def test_what_says_too_little_memory(error):
    assert is_out_of_memory(error)


def test_a_real_allocation_that_is_too_large():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_other_errors_are_neither():
    mistake = RuntimeError("size mismatch")
    assert not is_out_of_memory(mistake)
    assert not is_device_failure(mistake)
    assert is_device_failure(RuntimeError("CUDA error: device-side assert triggered"))
    assert not is_device_failure(ValueError("CUDA error"))


def test_what_the_system_tells_of_itself():
    assert device_name(CPU)
    assert re.fullmatch(r"(\d+ of \d+ MiB free)?", memory_text(CPU))
    assert peak_memory_mib(CPU) > 50 or device.sys.platform == "win32"
