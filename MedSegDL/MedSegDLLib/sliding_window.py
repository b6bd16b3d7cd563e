"""A volume through a network in overlapping patches, straight to labels: memory grows with a slab, never with the classes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from itertools import product

import numpy as np
import torch
from torch import nn

from MedSegDLLib.device import (
    Execution,
    free_cached_memory,
    is_device_failure,
    is_out_of_memory,
    memory_text,
    synchronise,
)
from MedSegDLLib.errors import DeviceError
from MedSegDLLib.labelling import InterpolatingLabeller, VoxelLabeller
from MedSegDLLib.patch_network import PatchNetwork
from MedSegDLLib.progress import CancelToken, Progress, StepClock, no_progress
from MedSegDLLib.stitching import Stitcher
from MedSegDLLib.stopwatch import Stopwatch
from MedSegDLLib.target_grid import TargetGrid
from MedSegDLLib.uncertainty import Uncertainty
from MedSegDLLib.windows import padded_to_patch, patch_starts

# Patches at a time. A CPU gains nothing from more; a GPU does, most with small patches.
_GPU_BATCH = {2: 16, 3: 2}


def segment_array(
    array: np.ndarray,
    network: nn.Module,
    patch_size_zyx: tuple[int, int, int],
    overlap: float = 0.5,
    activation: str = "softmax",
    threshold: float = 0.5,
    mirror_axes: str = "",
    device: torch.device | str = "cpu",
    precision: str = "float32",
    channels_last: bool = False,
    batch_size: int | None = None,
    target_grid: TargetGrid | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    stopwatch: Stopwatch | None = None,
    uncertainty: Uncertainty | None = None,
) -> np.ndarray:
    """Labels (Z, Y, X), uint8 (uint16 above 256 classes), of network input `array` (C, Z, Y, X) float32.

    Equals stitching logits with Gaussian weights (see windows.py) and taking the arg max, or sigmoid > threshold, but
    stitches the features before the last linear layer and classifies each part once it is finished. `network` has
    `dimensions`, `features` and `classifier` (networks/blocks.py); one of slices needs patches of one slice.
    With `target_grid` the labels are those on other voxels of the same space, interpolated linearly before the decision.

    Too little memory makes the batch smaller, then moves the sums to the host. Raises DeviceError if that does not help,
    Cancelled if `cancel` was set. `stopwatch` gets the stages "network" and "stitch", `uncertainty` all voxels of the
    result.
    """
    execution = Execution(torch.device(device), precision, channels_last)
    target = target_grid or TargetGrid(array.shape[1:])
    try:
        with torch.inference_mode(), _repeatable():
            runner = PatchNetwork(network, execution, activation, threshold, mirror_axes)
            volume = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
            window = _SlidingWindow(volume, runner, patch_size_zyx, overlap, execution.device, batch_size, target, uncertainty)
            return window.labels(progress, cancel or CancelToken(), stopwatch or Stopwatch())
    except (RuntimeError, MemoryError) as reason:
        if is_out_of_memory(reason):
            raise DeviceError(_out_of_memory_text(execution.device, patch_size_zyx)) from reason
        if is_device_failure(reason):
            raise DeviceError(
                f"The device {execution.device} failed ({_first_line(reason)}): try again, or choose cpu."
            ) from reason
        raise


class _SlidingWindow:
    """One volume on its way through the network."""

    def __init__(
        self,
        volume: torch.Tensor,
        runner: PatchNetwork,
        patch_size: tuple[int, int, int],
        overlap: float,
        device: torch.device,
        batch_size: int | None,
        target: TargetGrid,
        uncertainty: Uncertainty | None,
    ) -> None:
        self._volume, before = padded_to_patch(volume, patch_size)
        self._runner, self._patch_size, self._device = runner, patch_size, device
        self._batch_size = batch_size or (1 if device.type == "cpu" else _GPU_BATCH[runner.dimensions])
        starts = [
            patch_starts(length, patch, overlap) for length, patch in zip(self._volume.shape[1:], patch_size, strict=True)
        ]
        self._positions = list(product(*starts))
        self._stitcher = Stitcher(starts, patch_size, device)
        shape, padded = volume.shape[1:], self._volume.shape[1:]
        if target.lies_on_voxels_of(shape):
            self._labeller = VoxelLabeller(runner.head, target, before, uncertainty)
        else:
            self._labeller = InterpolatingLabeller(runner.head, target, shape, padded, before, uncertainty)

    def labels(self, progress: Progress, cancel: CancelToken, stopwatch: Stopwatch) -> np.ndarray:
        clock = StepClock("network", len(self._positions), progress)
        done = 0
        while done < len(self._positions):
            cancel.check()
            positions = self._positions[done : done + self._batch_size]
            with stopwatch.stage("network"):
                features = self._features(positions)
            if features is None:
                self._save_memory()
                continue
            with stopwatch.stage("stitch"):
                self._stitch(positions, features)
            features = None  # or it would be alive beside the next batch's
            done += len(positions)
            clock.done(done)
        return self._labeller.labels

    def _features(self, positions: list[tuple[int, int, int]]) -> torch.Tensor | None:
        """What is stitched of the patches at `positions`, (N, F, *patch_size); None if there was too little memory."""
        try:
            features = self._runner(torch.stack([self._patch(start) for start in positions]))
            synchronise(self._device)
            return features
        except (RuntimeError, MemoryError) as reason:
            if not is_out_of_memory(reason):
                raise
            return None  # outside of this clause, where the error no longer holds on to memory, less is tried

    def _patch(self, start: tuple[int, int, int]) -> torch.Tensor:
        box = (slice(first, first + length) for first, length in zip(start, self._patch_size, strict=True))
        return self._volume[(slice(None), *box)]

    def _stitch(self, positions: list[tuple[int, int, int]], features: torch.Tensor) -> None:
        for start, patch in zip(positions, features, strict=True):
            for block in self._stitcher.add(start, patch):
                self._labeller.take(block)

    def _save_memory(self) -> None:
        """A smaller batch, then the sums in host memory; raises MemoryError if both have been tried."""
        if self._batch_size > 1:
            self._batch_size //= 2
        elif not self._stitcher.move_to_host():
            raise MemoryError
        free_cached_memory(self._device)


def _repeatable() -> AbstractContextManager:
    """cuDNN with the same sums in every run, and float32 that is not rounded to TF32."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def _out_of_memory_text(device: torch.device, patch_size: tuple[int, ...]) -> str:
    size = "×".join(str(length) for length in reversed(patch_size))
    memory = memory_text(device)
    where = "This computer" if device.type == "cpu" else f"The device {device}"
    advice = "close other programs" if device.type == "cpu" else "choose the device cpu"
    return (
        f"{where} has too little memory{f' ({memory})' if memory else ''} even for one patch of {size} voxels "
        f"at a time: segment a smaller region, or {advice}."
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
