"""Which values of a training job make no sense, alone and together (standard library only).

What a card has, too, is checked as a card's. Loss and optimiser are looked up when a run starts: their tables need torch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from MedSegDLLib.model_card import setting_problems
from MedSegDLLib.networks import NETWORKS
from MedSegDLTrainLib.schedules import SCHEDULES

_LARGEST_SEED = 2**63 - 1  # what torch and numpy both take
_LARGEST_PATCH, _LARGEST_FACTOR = 4096, 20
_LARGEST_SHOWN = sys.float_info.max  # JSON has whole numbers beyond it
_SMALLEST_SPACING_MM, _LARGEST_SPACING_MM = 0.01, 100
_LONGEST_PATH, _LONGEST_NAME = 4096, 255  # in bytes, as file systems count
_LARGEST = (
    ("sampling", "batch_size", 4096),
    ("sampling", "jitter_mm", 10**4),
    ("optimisation", "epochs", 10**6),
    ("optimisation", "steps_per_epoch", 10**6),
    ("optimisation", "minutes", 60 * 24 * 366),
    ("augmentation", "rotation_degrees", 180),
    ("augmentation", "tilt_degrees", 180),
    ("augmentation", "brightness", 100),
    ("augmentation", "bias_field", 10),
    ("augmentation", "noise", 100),
    ("augmentation", "shear", 2),
    ("augmentation", "elastic_mm", 100),
    ("augmentation", "blur_pixels", 32),
    ("augmentation", "motion_blur_pixels", 256),
    ("augmentation", "low_resolution", 16),
)

if TYPE_CHECKING:  # job.py calls problems_of
    from MedSegDLTrainLib.job import Augmentation, Optimisation, Sampling, TrainingJob, Validation


def problems_of(job: TrainingJob) -> Iterator[str]:
    """One clause for each value that cannot be used."""
    yield from setting_problems(job.network, job.preprocessing, job.inference, job.postprocessing)
    yield from _job(job)
    yield from _labels(job)
    yield from _sampling(job.sampling)
    yield from _augmentation(job.augmentation)
    yield from _optimisation(job.optimisation)
    yield from _decay(job.optimisation)
    yield from _validation(job.validation)
    yield from _limits(job)
    yield from _blends(job)


def _job(job: TrainingJob) -> Iterator[str]:
    if not job.cases.strip():
        yield "cases must name a case folder"
    for name in ("cases", "start_from"):
        if not _can_be_a_path(text := getattr(job, name)):
            yield f"{name} {text[:40]!r} cannot be the name of a folder"
    if job.network.key not in NETWORKS:
        yield f"network: key {job.network.key!r} must be one of {', '.join(NETWORKS)}"
    if job.network.in_channels != 1:
        yield f"network: in_channels {job.network.in_channels} must be 1: a case has one image"
    if not 0 <= job.seed <= _LARGEST_SEED:
        yield f"seed {job.seed} must be within 0…{_LARGEST_SEED}"
    if (job.sampling.patch_size[2] == 1) != (job.inference.patch_size[2] == 1):
        yield "sampling and inference: patch_size must have z = 1 in both (a network of slices) or in neither"
    if (parts := job.optimisation.accumulation) > job.sampling.batch_size:
        yield f"optimisation: accumulation {parts} must not exceed the batch_size {job.sampling.batch_size}"


def _can_be_a_path(text: str) -> bool:
    longest = max(len(part.encode(errors="replace")) for part in text.split("/"))
    return "\0" not in text and longest <= _LONGEST_NAME and len(text.encode(errors="replace")) <= _LONGEST_PATH


def _limits(job: TrainingJob) -> Iterator[str]:
    """Numbers so large that they can only be slips, and would hang a computer."""
    for part, name, largest in _LARGEST:
        value = getattr(getattr(job, part), name)
        if value is not None and value > largest:
            yield f"{part}: {name} {min(value, _LARGEST_SHOWN):g} must not exceed {largest:,}"
    for part in ("sampling", "inference"):
        if max(size := getattr(job, part).patch_size) > _LARGEST_PATCH:
            yield f"{part}: patch_size {size} must not exceed {_LARGEST_PATCH} along an axis"
    spacing = job.preprocessing.spacing
    given = [edge for edge in spacing if edge is not None and edge > 0]  # others are told as a card's are
    if any(not _SMALLEST_SPACING_MM <= edge <= _LARGEST_SPACING_MM for edge in given):
        yield f"preprocessing: spacing {spacing} must lie within {_SMALLEST_SPACING_MM}…{_LARGEST_SPACING_MM} mm"
    for name in ("scale", "gamma", "contrast"):
        low, high = getattr(job.augmentation, name)
        if high > _LARGEST_FACTOR or low < 1 / _LARGEST_FACTOR:
            yield f"augmentation: {name} ({low:g}, {high:g}) must lie within 1/{_LARGEST_FACTOR}…{_LARGEST_FACTOR}"


def _labels(job: TrainingJob) -> Iterator[str]:
    classes = max(job.network.out_channels - 1, 1)
    if job.labels and len(job.labels) != classes:
        yield f"labels names {len(job.labels)} label(s), but the network tells {classes} apart"
    if len(set(job.labels)) != len(job.labels):
        yield "labels names a label twice"
    named = {*job.postprocessing.largest_component, *job.postprocessing.fill_holes}
    if job.labels and (unknown := sorted(named - {*job.labels})):
        yield f"postprocessing names {', '.join(map(repr, unknown))}, which is not among the labels"


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
    if not 0 <= augmentation.stretch < 1:
        yield f"augmentation: stretch {augmentation.stretch} must be within 0…1, without 1"
    for name in ("curve", "probability"):
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
    for name in ("learning_rate", "steps_per_epoch", "accumulation", "decay_every", "epsilon"):
        if getattr(optimisation, name) <= 0:
            yield f"optimisation: {name} {getattr(optimisation, name)} must be positive"
    for name in ("minutes", "clip_norm", "clip_value"):
        value = getattr(optimisation, name)
        if value is not None and value <= 0:
            yield f"optimisation: {name} {value} must be positive or null"
    for name in ("epochs", "weight_decay"):
        if getattr(optimisation, name) < 0:
            yield f"optimisation: {name} {getattr(optimisation, name)} must not be negative"
    if optimisation.nesterov and optimisation.momentum == 0:
        yield "optimisation: nesterov needs a momentum above 0"
    shares = (("momentum", optimisation.momentum), *(("betas", beta) for beta in optimisation.betas))
    for name, value in (*shares, ("average_decay", optimisation.average_decay or 0.0)):
        if not 0 <= value < 1:
            yield f"optimisation: {name} {value} must be within 0…1, without 1"


def _blends(job: TrainingJob) -> Iterator[str]:
    blends = job.optimisation.blends
    if any(not 0 < share < 1 for share in blends):
        yield f"optimisation: blends {blends} must lie between 0 and 1"
    if blends and not job.start_from:
        yield "optimisation: blends are means with the weights of start_from, which is empty"


def _decay(optimisation: Optimisation) -> Iterator[str]:
    """What is said about the learning rate as it changes."""
    if optimisation.schedule not in SCHEDULES:
        yield f"optimisation: schedule {optimisation.schedule!r} must be one of {', '.join(SCHEDULES)}"
    if not 0 < optimisation.decay_factor <= 1:
        yield f"optimisation: decay_factor {optimisation.decay_factor} must be within 0…1, without 0"
    if not 0 <= optimisation.lowest_rate <= optimisation.learning_rate:
        yield f"optimisation: lowest_rate {optimisation.lowest_rate} must be within 0…learning_rate"


def _validation(validation: Validation) -> Iterator[str]:
    if validation.folds < 2:
        yield f"validation: folds {validation.folds} must be at least 2"
    if validation.fold is not None and not 0 <= validation.fold < validation.folds:
        yield f"validation: fold {validation.fold} must be within 0…{validation.folds - 1}"
    if not 0 < validation.share <= 1:
        yield f"validation: share {validation.share} must be within 0…1, without 0"
