"""The training job: one JSON file that says everything that a run depends on (standard library only)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from MedSegDLLib.errors import InputError
from MedSegDLLib.model_card import NetworkSpec, Preprocessing
from MedSegDLLib.strict_json import read_json, to_json


def _help(text: str, choices: tuple | None = None) -> dict:
    return {"help": text} | ({"choices": choices} if choices else {})


@dataclass(frozen=True)
class Sampling:
    """Which pieces of the cases the network sees."""

    patch_size: tuple[int, int] = field(metadata=_help("Pixels along x and y of a training patch."))
    batch_size: int = field(metadata=_help("Patches in the whole batch."))
    foreground_fraction: float = field(metadata=_help("Share of patches centred near the foreground; the rest lies anywhere."))
    jitter_mm: float = field(metadata=_help("How far from the foreground's centre such a patch may be centred."))
    empty_slice_fraction: float = field(default=0.0, metadata=_help("Share of patches taken from slices without foreground."))


@dataclass(frozen=True)
class Augmentation:
    """Ranges of random changes, drawn anew for every patch; 0 or an empty range switches one off."""

    scale: tuple[float, float] = field(default=(1.0, 1.0), metadata=_help("Size of the anatomy, drawn log-uniformly."))
    stretch: float = field(default=0.0, metadata=_help("Largest further scaling of one axis against the other (0.1: ±10 %)."))
    rotation_degrees: float = field(default=0.0, metadata=_help("Largest rotation either way."))
    right_angles: bool = field(default=False, metadata=_help("Also any of the eight flips and quarter turns."))
    shear: float = field(default=0.0, metadata=_help("Largest shear (tangent of the angle)."))
    elastic_mm: float = field(default=0.0, metadata=_help("Largest standard deviation of a smooth random displacement."))
    gamma: tuple[float, float] = field(default=(1.0, 1.0), metadata=_help("Exponent on intensities scaled to 0…1."))
    curve: float = field(default=0.0, metadata=_help("How far a random monotone intensity curve may leave the diagonal, 0…1."))
    contrast: tuple[float, float] = field(default=(1.0, 1.0), metadata=_help("Factor on the normalised intensities."))
    brightness: float = field(default=0.0, metadata=_help("Largest shift of the normalised intensities either way."))
    bias_field: float = field(default=0.0, metadata=_help("Largest standard deviation of a smooth log-factor."))
    blur_pixels: float = field(default=0.0, metadata=_help("Largest standard deviation of a Gaussian blur."))
    low_resolution: float = field(default=1.0, metadata=_help("Largest factor of coarser sampling, brought back linearly."))
    noise: float = field(default=0.0, metadata=_help("Largest standard deviation of added Gaussian noise."))
    probability: float = field(default=0.5, metadata=_help("Chance of each change of intensity or resolution and of elastic."))


@dataclass(frozen=True)
class Optimisation:
    """How weights are found."""

    steps: int
    learning_rate: float
    optimizer: str = field(default="adamw", metadata=_help("Key in the table of optimisers."))
    schedule: str = field(default="one_cycle", metadata=_help("Key in the table of learning-rate schedules."))
    weight_decay: float = 0.0
    clip_norm: float | None = field(default=None, metadata=_help("Largest norm of the gradient; null: not clipped."))
    average_decay: float = field(default=0.999, metadata=_help("Moving average of the weights, which is what is published."))
    precision: str = field(default="float32", metadata=_help("Of the forward pass.", ("float32", "bfloat16")))


@dataclass(frozen=True)
class TrainingJob:
    """job.json: cases, network, preparation, sampling, augmentation, loss and optimisation."""

    cases: str = field(metadata=_help("Case folder, relative to the job file or absolute."))
    network: NetworkSpec
    preprocessing: Preprocessing
    sampling: Sampling
    augmentation: Augmentation
    optimisation: Optimisation
    loss: str = field(metadata=_help("Key in the table of losses."))
    seed: int
    validation_patients: tuple[str, ...] = field(
        default=(), metadata=_help("Training patients left out and validated on; held-out patients are never touched.")
    )
    validate_every: int = field(default=500, metadata=_help("Steps between validations and between checkpoints."))


def read_job(path: Path) -> TrainingJob:
    """The checked job of a file; raises InputError with a sentence that says what is wrong where."""
    return read_json(TrainingJob, path, InputError)


def write_job(job: TrainingJob, path: Path) -> None:
    """Write `job` so that `read_job` gives it back."""
    path.write_text(json.dumps(to_json(job), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
