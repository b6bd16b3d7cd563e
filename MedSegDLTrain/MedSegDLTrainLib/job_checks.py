"""Which values of a training job make no sense, alone and together (standard library only)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # job.py calls problems_of
    from MedSegDLTrainLib.job import Augmentation, Optimisation, Sampling, TrainingJob, Validation


def problems_of(job: TrainingJob) -> Iterator[str]:
    """One clause for each value that cannot be used."""
    yield from _network(job)
    yield from _sampling(job.sampling)
    yield from _augmentation(job.augmentation)
    yield from _optimisation(job.optimisation)
    yield from _validation(job.validation)
    if job.seed < 0:
        yield f"seed {job.seed} must not be negative"


def _network(job: TrainingJob) -> Iterator[str]:
    outputs, activation = job.network.out_channels, job.inference.activation
    if (activation == "sigmoid") != (outputs == 1):
        yield f"network: out_channels {outputs} does not fit the activation {activation} (1 with sigmoid, else background and labels)"
    labels = 1 if outputs == 1 else outputs - 1
    if job.labels and len(job.labels) != labels:
        yield f"labels names {len(job.labels)} labels, but the network tells {labels} apart"
    if len(set(job.labels)) != len(job.labels):
        yield "labels names a label twice"


def _sampling(sampling: Sampling) -> Iterator[str]:
    if min(sampling.patch_size) < 1:
        yield f"sampling: patch_size {sampling.patch_size} must be positive"
    if sampling.sampler == "slices" and sampling.patch_size[2] != 1:
        yield "sampling: the sampler slices needs a patch_size with z = 1"
    if sampling.batch_size < 1:
        yield f"sampling: batch_size {sampling.batch_size} must be at least 1"
    if sampling.jitter_mm < 0:
        yield f"sampling: jitter_mm {sampling.jitter_mm} must not be negative"
    for name in ("foreground_fraction", "empty_slice_fraction"):
        if not 0 <= getattr(sampling, name) <= 1:
            yield f"sampling: {name} {getattr(sampling, name)} must be within 0…1"


def _augmentation(augmentation: Augmentation) -> Iterator[str]:
    for name in ("scale", "gamma", "contrast"):
        low, high = getattr(augmentation, name)
        if not 0 < low <= high:
            yield f"augmentation: {name} ({low}, {high}) must be positive, smallest first"
    for name in ("stretch", "curve", "probability"):
        if not 0 <= getattr(augmentation, name) <= 1:
            yield f"augmentation: {name} {getattr(augmentation, name)} must be within 0…1"
    amounts = ("rotation_degrees", "tilt_degrees", "shear", "elastic_mm", "brightness", "bias_field", "noise")
    for name in (*amounts, "blur_pixels", "motion_blur_pixels"):
        if getattr(augmentation, name) < 0:
            yield f"augmentation: {name} {getattr(augmentation, name)} must not be negative"
    if augmentation.low_resolution < 1:
        yield f"augmentation: low_resolution {augmentation.low_resolution} must be at least 1"
    if set(augmentation.flips) - set("xyz"):
        yield f"augmentation: flips {augmentation.flips!r} must be some of xyz"


def _optimisation(optimisation: Optimisation) -> Iterator[str]:
    for name in ("learning_rate", "epochs", "steps_per_epoch", "accumulation", "decay_every", "epsilon"):
        if getattr(optimisation, name) <= 0:
            yield f"optimisation: {name} {getattr(optimisation, name)} must be positive"
    for name in ("minutes", "clip_norm", "clip_value"):
        value = getattr(optimisation, name)
        if value is not None and value <= 0:
            yield f"optimisation: {name} {value} must be positive or null"
    for name in ("weight_decay", "lowest_rate"):
        if getattr(optimisation, name) < 0:
            yield f"optimisation: {name} {getattr(optimisation, name)} must not be negative"
    if not 0 < optimisation.decay_factor <= 1:
        yield f"optimisation: decay_factor {optimisation.decay_factor} must be within 0…1, without 0"
    shares = (("momentum", optimisation.momentum), *(("betas", beta) for beta in optimisation.betas))
    for name, value in (*shares, ("average_decay", optimisation.average_decay or 0.0)):
        if not 0 <= value < 1:
            yield f"optimisation: {name} {value} must be within 0…1, without 1"


def _validation(validation: Validation) -> Iterator[str]:
    if validation.folds < 2:
        yield f"validation: folds {validation.folds} must be at least 2"
    if validation.fold is not None and not 0 <= validation.fold < validation.folds:
        yield f"validation: fold {validation.fold} must be within 0…{validation.folds - 1}"
    if not 0 < validation.share <= 1:
        yield f"validation: share {validation.share} must be within 0…1, without 0"
