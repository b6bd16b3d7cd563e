"""The one function that turns an image and a model into a segmentation."""

from __future__ import annotations

import numpy as np
import torch

from MedSegDLLib.checkpoint import Model
from MedSegDLLib.device import Execution, find_device, peak_memory_mib, start_peak_memory
from MedSegDLLib.errors import InputError
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.options import Region, SegmentOptions
from MedSegDLLib.postprocess import only, postprocess
from MedSegDLLib.precision import chosen_execution
from MedSegDLLib.preprocess import Prepared, preprocess
from MedSegDLLib.progress import CancelToken, Progress, no_progress
from MedSegDLLib.report import Result
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.sliding_window import segment_array
from MedSegDLLib.stopwatch import Stopwatch
from MedSegDLLib.uncertainty import Uncertainty
from MedSegDLLib.windows import padded_to_patch

__all__ = ["Region", "Result", "SegmentOptions", "segment"]


def segment(
    image: Image,
    model: Model,
    options: SegmentOptions = SegmentOptions(),  # noqa: B008 (immutable)
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Result:
    """Segment `image` with `model`; the result lies on the image's own grid, voxel for voxel.

    `progress` gets the stages preprocess, trial (of number formats, if the precision is "auto"), network and postprocess;
    `cancel` acts within one batch of patches (one patch on a CPU). Every class competes for each voxel; labels that were not
    asked for are dropped afterwards. `peak_memory_mib` is the most memory that tensors held on the GPU during this call or,
    on a CPU, that the process ever held (resident).

    Raises InputError (wrong number of channels, an image of one value, a region outside of it, an unknown label),
    ModelError, DeviceError (no such device, too little memory) and Cancelled.
    """
    labels = model.labels if options.labels is None else model.labels.named(options.labels)
    device, cancel, stopwatch = find_device(options.device), cancel or CancelToken(), Stopwatch()
    start_peak_memory(device)
    progress("preprocess", 0.0, None)
    with stopwatch.stage("preprocess"):
        _check(image, model)
        prepared = preprocess(image, model.card.preprocessing, options.region, model.card.inference.patch_size)
    progress("preprocess", 1.0, 0.0)
    cancel.check()
    execution = _execution(prepared, model, device, options.precision, progress, stopwatch)
    uncertainty = Uncertainty() if options.uncertainty else None
    classes = _classes(prepared, model, options, execution, progress, cancel, stopwatch, uncertainty)
    cancel.check()
    progress("postprocess", 0.0, None)
    with stopwatch.stage("postprocess"):
        array = prepared.restored(_finished(classes, prepared, model, labels, options.postprocessing))
    progress("postprocess", 1.0, 0.0)
    segmentation = Segmentation(LabelMap(array, image.geometry, image.name), labels)
    entropy = uncertainty.mean_entropy if uncertainty else None
    return Result(segmentation, str(device), execution.precision, stopwatch.seconds, peak_memory_mib(device), entropy)


def _check(image: Image, model: Model) -> None:
    wanted = model.card.network.in_channels
    if image.channels != wanted:
        channels = f"{wanted} image channel{'s' if wanted > 1 else ''}"
        raise InputError(f"The model '{model.card.id}' needs {channels}, but the image has {image.channels}.")
    lowest = image.array.min()
    if lowest == image.array.max():
        raise InputError(f"Every voxel of the image has the value {lowest}: there is nothing to segment; check the file.")


def _execution(
    prepared: Prepared, model: Model, device: torch.device, precision: str, progress: Progress, stopwatch: Stopwatch
) -> Execution:
    """As asked for; "auto" by a trial with the patch in the middle of the image."""
    if precision != "auto":
        return Execution(device, precision, channels_last=precision != "float32")
    progress("trial", 0.0, None)
    with stopwatch.stage("trial"):
        execution = chosen_execution(
            model.network, _middle_patch(prepared.array, model), device, model.card.inference, model.card.weights_sha256
        )
    progress("trial", 1.0, 0.0)
    return execution


def _middle_patch(array: np.ndarray, model: Model) -> torch.Tensor:
    """The (1, C, Z, Y, X) patch in the middle of the network input."""
    patch_size = model.card.inference.patch_size[::-1]
    starts = [max((length - patch) // 2, 0) for length, patch in zip(array.shape[1:], patch_size, strict=True)]
    middle = (slice(start, start + patch) for start, patch in zip(starts, patch_size, strict=True))
    patch = torch.from_numpy(np.ascontiguousarray(array[(slice(None), *middle)]))
    return padded_to_patch(patch, patch_size)[0][None]


def _classes(
    prepared: Prepared,
    model: Model,
    options: SegmentOptions,
    execution: Execution,
    progress: Progress,
    cancel: CancelToken,
    stopwatch: Stopwatch,
    uncertainty: Uncertainty | None,
) -> np.ndarray:
    """The network's classes (Z, Y, X) on the target's voxels."""
    inference = model.card.inference
    return segment_array(
        prepared.array,
        model.network,
        inference.patch_size[::-1],
        inference.overlap if options.overlap is None else options.overlap,
        inference.activation,
        inference.threshold,
        inference.mirror_axes,
        execution.device,
        execution.precision,
        execution.channels_last,
        options.batch_size,
        prepared.target,
        progress,
        cancel,
        stopwatch,
        uncertainty,
    )


def _finished(
    classes: np.ndarray, prepared: Prepared, model: Model, wanted: LabelTable, with_postprocessing: bool
) -> np.ndarray:
    """Label values of the model's table, of the wanted labels only, after the card's postprocessing if that is wanted."""
    values = [0, *(label.value for label in model.labels.labels)]
    labels = classes if values == list(range(len(values))) else np.array(values, np.min_scalar_type(values[-1]))[classes]
    if with_postprocessing:
        ml = float(np.prod(prepared.spacing_zyx)) / 1000
        labels = postprocess(labels, model.card.postprocessing, model.labels, ml)
    return labels if wanted == model.labels else only(labels, {label.value for label in wanted.labels})
