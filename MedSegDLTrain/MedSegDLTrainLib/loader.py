"""Batches in the order of the steps, made in this process or ahead of it in others."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from MedSegDLTrainLib.job import TrainingJob
from MedSegDLTrainLib.patches import Batch, DrawnPatch, PatchSource, rendered, rendered_parts

_AHEAD = 2  # batches that each process makes before they are asked for


def batches(
    source: PatchSource, job: TrainingJob, first_step: int, steps: int, device: torch.device, processes: int
) -> Iterator[Batch]:
    """The batches of steps first_step … steps − 1 on `device`, the same whatever the number of loader processes.

    With 0 processes each batch is made here when it is asked for. Otherwise that many processes work ahead: they make whole
    batches for a CPU; for another device they only draw patches, which are rendered on the device. They end with this
    process, also when it is killed, and when the iterator is closed. What goes wrong in one of them is raised here as it
    was raised there; if one is killed, a RuntimeError (`is_loader_failure`) is raised here within seconds, and nowhere else.
    """
    if processes == 0:
        for step in range(first_step, steps):
            yield rendered(_drawn(source, job, step), job, device)
        return
    on_cpu = device.type == "cpu"
    dataset = _Steps(source, job, on_cpu)
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=range(first_step, steps),
        collate_fn=_as_it_is,
        num_workers=processes,
        prefetch_factor=_AHEAD,
        pin_memory=device.type == "cuda",
        worker_init_fn=_ignore_interrupts,
    )
    for made in _begun(loader):
        if isinstance(made, _Failure):
            raise made.error from RuntimeError(made.where)
        if on_cpu:
            images, labels, cases = made
            yield Batch(images, labels.long(), cases)
        else:
            yield rendered(made, job, device)


def is_loader_failure(error: BaseException) -> bool:
    """Whether a loader process was killed, or got no shared memory to hand its batches over in."""
    return isinstance(error, RuntimeError) and "DataLoader worker" in str(error)


@dataclass(frozen=True)
class _Failure:
    """An error of a loader process, and its traceback there. Raised in that process, PyTorch would put both into one text."""

    error: Exception
    where: str


class _Steps(Dataset):
    """What a loader process makes of a step: a rendered batch, its labels uint8, or a list of drawn patches; or a failure.

    PyTorch lets loader processes compute with one thread each.
    """

    def __init__(self, source: PatchSource, job: TrainingJob, whole: bool) -> None:
        self._source, self._job, self._whole = source, job, whole

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor, tuple[str, ...]] | list[DrawnPatch] | _Failure:
        try:
            return self._made(step)
        except Exception as error:
            return _Failure(error, traceback.format_exc())

    def _made(self, step: int) -> tuple[Tensor, Tensor, tuple[str, ...]] | list[DrawnPatch]:
        patches = _drawn(self._source, self._job, step)
        if not self._whole:
            return patches
        images, labels = rendered_parts(patches, self._job, torch.device("cpu"))
        return images, labels, tuple(patch.case for patch in patches)


def _begun(loader: DataLoader) -> Iterator:
    """The loader's iterator, its processes started, and this process's answer to ended ones (SIGCHLD) as it was before.

    PyTorch's own answer raises wherever the main thread is, also while that writes why the run failed. It would only be
    faster: whoever waits for a batch looks every five seconds whether the processes live.
    """
    if not hasattr(signal, "SIGCHLD"):  # Windows
        return iter(loader)
    before = signal.getsignal(signal.SIGCHLD)
    made = iter(loader)
    if signal.getsignal(signal.SIGCHLD) is not before:
        signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)
    return made


def _ignore_interrupts(number: int) -> None:
    """Ctrl-C reaches every process of a terminal: this one is ended by the one that trains."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _as_it_is(made: object) -> object:
    return made


def _drawn(source: PatchSource, job: TrainingJob, step: int) -> list[DrawnPatch]:
    return [source.drawn(step, index) for index in range(job.sampling.batch_size)]
