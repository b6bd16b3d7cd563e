"""Sampler, loss, augmentation and optimiser for a new job, out of what the cases are like."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from MedSegDLLib.commands.text_table import plural
from MedSegDLTrainLib.job import Augmentation, Optimisation, Sampling
from MedSegDLTrainLib.planning.fingerprint import Fingerprint

_FEW_LABELS = 5
_MOST_EMPTY_SLICES = 0.25
_SHORT_RUN = 25_000  # steps; nnU-Net's polynomial schedule is made for ten times as many
_HEART = re.compile(r"ventric|atri(um|al)", re.IGNORECASE)  # whose chambers differ in more than their side
_SIDE = re.compile(r"(?<![a-z])(left|right)|(?<![a-z0-9])[lr](?![a-z0-9])", re.IGNORECASE)


def planned_loss(labels: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """The loss for so many labels."""
    if len(labels) <= _FEW_LABELS:
        return "dice_and_cross_entropy", {"loss": "overlap and certainty of each voxel together, as nnU-Net does"}
    why = f"as Schnider et al. 2020 for many labels ({len(labels)}): the background is one of the classes of the overlap"
    return "dice_of_all_classes_and_cross_entropy", {"loss": why}


def planned_sampling(
    found: Fingerprint, patch_size: tuple[int, int, int], batch_size: int, spacing: tuple[float | None, ...]
) -> tuple[Sampling, dict[str, str]]:
    """Where patches lie. `spacing` in mm along x, y, z (null: the images' own)."""
    if patch_size[2] == 1:
        return _slice_sampling(found, patch_size, batch_size, spacing)
    if len(found.labels) > _FEW_LABELS:
        why = f"each of {len(found.labels)} labels as often as any other, however small it is"
        return Sampling(patch_size, batch_size, "balanced"), {"sampling.sampler": why + _partly(found)}
    why = f"labels fill {_share_of_labels(found):.2g} of the voxels: half of the patches lie round them, the rest anywhere"
    return Sampling(patch_size, batch_size, "foreground", 0.5), {"sampling.sampler": why + _partly(found)}


def _slice_sampling(
    found: Fingerprint, patch_size: tuple[int, int, int], batch_size: int, spacing: tuple[float | None, ...]
) -> tuple[Sampling, dict[str, str]]:
    step = spacing[0] or float(np.median([case.spacing[0] for case in found.cases]))
    jitter = float(round(0.3 * step * min(patch_size[:2])))
    empty, why_empty = empty_slices(found)
    reasons = {
        "sampling.sampler": "a network of slices" + _partly(found),
        "sampling.foreground_fraction": "the rest teaches what lies beside the labels",
        "sampling.jitter_mm": "the labels' centre stays in the patch, but not in its middle",
        "sampling.empty_slice_fraction": why_empty,
    }
    return Sampling(patch_size, batch_size, "slices", 0.8, jitter, empty), reasons


def empty_slices(found: Fingerprint) -> tuple[float, str]:
    """The share of slices without a label that a network should see, and why."""
    annotated = sum(case.annotated_slices for case in found.training)
    empty = sum(case.empty_slices for case in found.training)
    if not empty:
        return 0.0, f"none of {annotated} annotated slices is without a label: it cannot learn where there is nothing"
    share = min(round(empty / annotated, 2) or 0.01, _MOST_EMPTY_SLICES)
    return share, f"{empty} of {annotated} annotated slices have no label"


def _partly(found: Fingerprint) -> str:
    """What to say of cases of which only some slices are annotated."""
    count = sum(case.annotated_slices < case.size[2] for case in found.training)
    return f"; only the annotated slices of {plural(count, 'partly annotated case')}" if count else ""


def _share_of_labels(found: Fingerprint) -> float:
    return sum(sum(case.voxels) for case in found.training) / sum(case.annotated_voxels for case in found.training)


def side_names(labels: tuple[str, ...]) -> list[str]:
    """Labels whose name says left or right, without the chambers of the heart, of which each has a shape of its own."""
    return [label for label in labels if _SIDE.search(label) and not _HEART.search(label)]


def planned_augmentation(
    found: Fingerprint, dimensions: int, labels: tuple[str, ...], mild: bool = False
) -> tuple[Augmentation, dict[str, str]]:
    """Random changes that suit the modality; `mild` for weights that are trained already. No mirror images if one of
    `labels` says left or right."""
    extent = np.median([case.extent_mm for case in found.training if case.extent_mm], axis=0)
    shape = Augmentation(
        scale=(0.7, 1.4),
        stretch=0.1,
        rotation_degrees=30.0,
        tilt_degrees=15.0 if dimensions == 3 else 0.0,
        shear=0.1,
        elastic_mm=min(round(0.04 * float(extent[:dimensions].min()), 1), 4.0),
        blur_pixels=1.0,
        low_resolution=2.0,
        noise=0.1,
        probability=0.3,
    )
    augmentation, why = _intensities(shape, found.modality.upper())
    if mild:
        augmentation, why = _milder(augmentation), f"{why}; milder than from scratch, for the weights are trained"
    augmentation, reasons = _with_flips(augmentation, labels, dimensions)
    return augmentation, {"augmentation": why} | reasons


def _intensities(shape: Augmentation, modality: str) -> tuple[Augmentation, str]:
    if modality == "CT":
        why = "CT numbers have a unit: little change of intensities, more of shape"
        return replace(shape, gamma=(0.9, 1.1), contrast=(0.9, 1.1), brightness=0.05, noise=0.05), why
    change = replace(shape, gamma=(0.7, 1.5), curve=0.4, contrast=(0.7, 1.4), brightness=0.3)
    if modality == "MR":
        return replace(change, bias_field=0.3), "MR intensities depend on scanner and coil: gamma, curve and bias field"
    return change, f"intensities of {modality or 'these images'} have no fixed unit: gamma and curve"


def _milder(augmentation: Augmentation) -> Augmentation:
    halved = ("stretch", "rotation_degrees", "tilt_degrees", "shear", "curve", "brightness", "bias_field", "noise")
    changes = {name: round(getattr(augmentation, name) / 2, 3) for name in halved}
    ranges = {name: _nearer_one(getattr(augmentation, name)) for name in ("scale", "gamma", "contrast")}
    return replace(augmentation, **changes, **ranges, probability=0.2)


def _nearer_one(factors: tuple[float, float]) -> tuple[float, float]:
    return tuple(round(factor**0.5, 2) for factor in factors)


def _with_flips(augmentation: Augmentation, labels: tuple[str, ...], dimensions: int) -> tuple[Augmentation, dict[str, str]]:
    if sided := side_names(labels):
        why = f"off: '{sided[0]}' tells left from right, and a mirror image would swap them"
        return augmentation, {"augmentation.flips": why, "augmentation.right_angles": why}
    if dimensions == 3:
        return replace(augmentation, flips="xyz"), {"augmentation.flips": "no label tells left from right"}
    why = "no label tells left from right, and slices may lie any way round"
    return replace(augmentation, right_angles=True), {"augmentation.right_angles": why}


def mirror_axes(augmentation: Augmentation) -> tuple[str, dict[str, str]]:
    """Axes along which patches are also segmented mirrored: those of the flips that were trained; and why."""
    axes = "xy" if augmentation.right_angles else augmentation.flips
    why = "trained with mirror images; their mean is steadier" if axes else "not trained with mirror images"
    return axes, {"inference.mirror_axes": why}


def planned_optimisation(steps: int, dimensions: int) -> tuple[Optimisation, dict[str, str]]:
    """Optimiser and schedule for fresh weights and about so many steps; epochs are still to be set."""
    decay = min(max(round(1 - 10 / steps, 3), 0.9), 0.999)
    reasons = {"optimisation.average_decay": "the mean of the last steps' weights is steadier than the last ones"}
    if steps < _SHORT_RUN:
        rate = 2e-3 if dimensions == 2 else 1e-3
        why = f"AdamW with one rise and fall of the learning rate gets furthest in a short run ({steps:,} steps)"
        chosen = Optimisation(rate, 1, optimizer="adamw", schedule="one_cycle", weight_decay=0.01)
    else:
        why = f"as nnU-Net for a long run ({steps:,} steps): SGD with momentum, polynomial decay"
        chosen = Optimisation(0.01, 1, optimizer="sgd", momentum=0.99, nesterov=True, schedule="polynomial", weight_decay=3e-5)
    reasons |= {"optimisation.optimizer": why, "optimisation.clip_norm": "a single odd batch cannot throw the weights off"}
    return replace(chosen, clip_norm=1.0, average_decay=decay), reasons
