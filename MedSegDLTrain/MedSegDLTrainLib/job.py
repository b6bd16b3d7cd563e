"""The training job: one JSON file that says everything that a run depends on (standard library only).

`TrainingJob` is the one definition; `MedSegDLTrainLib/job.schema.json` is made from it (a test keeps the two equal) by
`python -m MedSegDLTrainLib.job > MedSegDLTrain/MedSegDLTrainLib/job.schema.json`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from MedSegDLLib.errors import InputError
from MedSegDLLib.model_card import CARD_FILE, Inference, NetworkSpec, Postprocessing, Preprocessing
from MedSegDLLib.strict_json import parse_json, read_json, schema_of, write_json
from MedSegDLTrainLib.job_checks import problems_of

METRICS = ("dice", "jaccard", "surface_distance_mean_mm", "hd95_mm")


def _help(text: str, choices: tuple | None = None) -> dict:
    return {"help": text} | ({"choices": choices} if choices else {})


@dataclass(frozen=True)
class Sampling:
    """Which pieces of the cases the network sees. A patient is drawn first, then one of their cases, then a place in it."""

    patch_size: tuple[int, int, int] = field(
        metadata=_help("Voxels of a patch along x, y, z, at the preparation's spacing; z is 1 for a network of slices.")
    )
    batch_size: int = field(metadata=_help("Patches in the whole batch."))
    sampler: str = field(
        metadata=_help(
            "Where patches lie. slices: in slices with a label, or without one (empty_slice_fraction). uniform: anywhere. "
            "balanced: round a voxel of a label, every label of the case as often. foreground: round any labelled voxel "
            "(foreground_fraction), or anywhere.",
            ("slices", "uniform", "balanced", "foreground"),
        )
    )
    foreground_fraction: float = field(
        default=0.5, metadata=_help("slices, foreground: share of patches near the labels; the rest lies anywhere.")
    )
    jitter_mm: float = field(
        default=0.0, metadata=_help("slices: how far from the centre of the labels such a patch may be centred.")
    )
    empty_slice_fraction: float = field(default=0.0, metadata=_help("slices: share of patches from slices without any label."))


@dataclass(frozen=True)
class Augmentation:
    """Ranges of random changes, drawn anew for every patch; 0, or a range of one value, switches one off."""

    scale: tuple[float, float] = field(default=(1.0, 1.0), metadata=_help("Size of the anatomy, drawn log-uniformly."))
    stretch: float = field(default=0.0, metadata=_help("Largest further scaling of axes against each other (0.1: ±10 %)."))
    rotation_degrees: float = field(default=0.0, metadata=_help("Largest rotation about z, either way."))
    tilt_degrees: float = field(default=0.0, metadata=_help("Largest rotation about x and about y; patches of volumes only."))
    flips: str = field(default="", metadata=_help("Axes (of xyz) that are turned round, each with probability one half."))
    right_angles: bool = field(default=False, metadata=_help("Also any of the eight flips and quarter turns about z."))
    shear: float = field(default=0.0, metadata=_help("Largest shear in the plane of x and y (tangent of the angle)."))
    elastic_mm: float = field(default=0.0, metadata=_help("Largest standard deviation of a smooth random displacement."))
    gamma: tuple[float, float] = field(default=(1.0, 1.0), metadata=_help("Exponent on intensities scaled to 0…1."))
    curve: float = field(default=0.0, metadata=_help("How far a random monotone intensity curve may leave the diagonal, 0…1."))
    contrast: tuple[float, float] = field(default=(1.0, 1.0), metadata=_help("Factor on the normalised intensities."))
    brightness: float = field(default=0.0, metadata=_help("Largest shift of the normalised intensities either way."))
    bias_field: float = field(default=0.0, metadata=_help("Largest standard deviation of a smooth log-factor."))
    blur_pixels: float = field(default=0.0, metadata=_help("Largest standard deviation of a Gaussian blur."))
    motion_blur_pixels: float = field(default=0.0, metadata=_help("Longest path of a motion blur in the plane of x and y."))
    low_resolution: float = field(default=1.0, metadata=_help("Largest factor of coarser sampling, brought back linearly."))
    noise: float = field(default=0.0, metadata=_help("Largest standard deviation of added Gaussian noise."))
    probability: float = field(default=0.5, metadata=_help("Chance of each change of intensity or resolution and of elastic."))


@dataclass(frozen=True)
class Optimisation:
    """How weights are found, and for how long."""

    learning_rate: float
    epochs: int = field(metadata=_help("Each of steps_per_epoch steps; 0: what the job starts from is only validated."))
    steps_per_epoch: int = 250
    minutes: float | None = field(
        default=None, metadata=_help("If given, the first steps are timed, and epochs are as many as fit instead.")
    )
    optimizer: str = field(default="adamw", metadata=_help("Key in the table of optimisers."))
    momentum: float = field(default=0.9, metadata=_help("sgd only."))
    nesterov: bool = field(default=False, metadata=_help("sgd only."))
    betas: tuple[float, float] = field(default=(0.9, 0.999), metadata=_help("adam and adamw only."))
    epsilon: float = field(default=1e-8, metadata=_help("adam and adamw only."))
    weight_decay: float = 0.0
    decayed: str = field(default="all", metadata=_help("What the weight decay acts on.", ("all", "convolution_kernels")))
    schedule: str = field(default="one_cycle", metadata=_help("Key in the table of learning-rate schedules."))
    decay_factor: float = field(default=0.8, metadata=_help("exponential: of each epoch; steps: of each interval."))
    decay_every: int = field(default=3000, metadata=_help("steps: length of an interval in steps."))
    lowest_rate: float = field(default=0.0, metadata=_help("No schedule goes below this learning rate."))
    clip_norm: float | None = field(default=None, metadata=_help("Largest norm of the whole gradient; null: any."))
    clip_value: float | None = field(default=None, metadata=_help("Largest value of each of its elements; null: any."))
    accumulation: int = field(default=1, metadata=_help("Parts in which a batch goes through the network, to save memory."))
    average_decay: float | None = field(
        default=0.999, metadata=_help("Moving average of the weights, validated and published; null: the weights themselves.")
    )
    blends: tuple[float, ...] = field(
        default=(),
        metadata=_help(
            "Shares (0…1) of the trained weights in means with those of start_from, which are validated at the end, too: what "
            "the former model knew is lost less (Wortsman et al. 2022, arXiv:2109.01903). The best of all is published."
        ),
    )
    precision: str = field(default="float32", metadata=_help("Of the forward pass.", ("float32", "bfloat16")))


@dataclass(frozen=True)
class Validation:
    """Which patients are left out of the training, and how the best weights are told."""

    fold: int | None = field(
        default=None, metadata=_help("Patients of this fold (0…folds − 1) are left out; null: those of the split validation.")
    )
    folds: int = field(default=5, metadata=_help("Number of folds that patients are divided into."))
    patients: tuple[str, ...] = field(default=(), metadata=_help("These patients are left out, too."))
    train_patients: tuple[str, ...] = field(default=(), metadata=_help("If given, only these patients are trained on."))
    metric: str = field(default="dice", metadata=_help("Measure, mean over labels and patients, of the best weights.", METRICS))
    share: float = field(default=0.1, metadata=_help("Largest share of the time that validating may take before the end."))


@dataclass(frozen=True)
class TrainingJob:
    """job.json: everything that a run depends on."""

    cases: str = field(metadata=_help("Case folder, relative to the job file or absolute."))
    network: NetworkSpec
    preprocessing: Preprocessing
    sampling: Sampling
    optimisation: Optimisation
    inference: Inference = field(metadata=_help("How volumes are validated, and what the model's card will say."))
    loss: str = field(metadata=_help("Key in the table of losses."))
    seed: int
    labels: tuple[str, ...] = field(
        default=(),
        metadata=_help("Labels of the case folder in the order of the network's classes; others count as background; []: all."),
    )
    augmentation: Augmentation = field(default_factory=Augmentation)
    postprocessing: Postprocessing = field(default_factory=Postprocessing)
    validation: Validation = field(default_factory=Validation)
    start_from: str = field(
        default="", metadata=_help("Id or folder of a model whose weights are taken over as far as they fit.")
    )
    reasons: dict[str, str] = field(default_factory=dict, metadata=_help("For people: why a value is what it is, by its name."))


def read_job(path: Path) -> TrainingJob:
    """The checked job of a file; raises InputError with a sentence that says what is wrong where."""
    return _checked(read_json(TrainingJob, path, InputError), str(path))


def job_of_text(text: str, where: str) -> TrainingJob:
    """The checked job of a text, which `where` names in the sentences of InputError."""
    return _checked(parse_json(TrainingJob, text, where, InputError), where)


def _checked(job: TrainingJob, where: str) -> TrainingJob:
    if problems := list(problems_of(job)):
        raise InputError(f"{where} is not a usable training job: {'; '.join(problems)}.")
    return job


def write_job(job: TrainingJob, path: Path) -> None:
    """Write `job` whole or not at all, so that `read_job` gives it back; raises OutputError."""
    write_json(job, path)


def localised(job: TrainingJob, base: Path) -> TrainingJob:
    """The job of a file in the folder `base` with paths that no longer depend on where it lies.

    `start_from` becomes an absolute path if it is a model's folder; a folder that is only called like a model is none.
    """
    model = base / job.start_from
    start = str(model.resolve()) if job.start_from and (model / CARD_FILE).is_file() else job.start_from
    return replace(job, cases=str((base / job.cases).resolve()), start_from=start)


def job_schema() -> str:
    """The text of `job.schema.json`."""
    return json.dumps(schema_of(TrainingJob, "MedSegDL training job"), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(job_schema().encode())  # UTF-8 whatever the console speaks
