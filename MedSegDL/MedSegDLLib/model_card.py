"""The model card: everything that is needed to run a model, and everything that a person should know first.

`ModelCard` is the one definition; `models_zoo/card.schema.json` is made from it (a test keeps the two equal).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from MedSegDLLib.errors import ModelError
from MedSegDLLib.strict_json import read_json

CARD_FILE, LABELS_FILE, WEIGHTS_FILE = "card.json", "labels.csv", "weights.safetensors"
CARD_VERSION = 1


def _help(text: str, choices: tuple | None = None) -> dict:
    return {"help": text} | ({"choices": choices} if choices else {})


@dataclass(frozen=True)
class NetworkSpec:
    """Which network of the table NETWORKS, and the numbers it is built with."""

    key: str = field(metadata=_help("Key in the table of networks, for example unet_2d."))
    in_channels: int = field(metadata=_help("Channels of the input image."))
    out_channels: int = field(metadata=_help("1 with sigmoid activation, else classes with the background included."))
    numbers: dict[str, bool | int | float | str | tuple[int, ...] | tuple[float, ...]] = field(
        default_factory=dict, metadata=_help("Further arguments of that network, for example features_per_stage.")
    )


@dataclass(frozen=True)
class Normalisation:
    """How intensities become network input."""

    method: str = field(
        metadata=_help("zscore: mean 0, standard deviation 1; window: clip to low…high, scale to 0…1.", ("zscore", "window"))
    )
    region: str = field(default="volume", metadata=_help("What statistics are taken over.", ("volume", "slice")))
    percentiles: tuple[float, float] | None = field(
        default=None, metadata=_help("zscore only: clip to these percentiles of the region (0…100) first; null: do not clip.")
    )
    window: tuple[float, float] | None = field(default=None, metadata=_help("window only: lowest and highest intensity."))


@dataclass(frozen=True)
class Preprocessing:
    """From the image as stored to the array that the network sees."""

    orientation: str = field(
        metadata=_help(
            "Three letters out of L/R, A/P, S/I naming where the x, y and z axes point, for example LPS; or 'slices': the axis "
            "with the largest spacing (the last one of equals) becomes z, nothing else is turned."
        )
    )
    spacing: tuple[float | None, float | None, float | None] = field(
        metadata=_help("Spacing in mm along x, y, z after orientation; null keeps the image's own.")
    )
    normalisation: Normalisation
    resampling: str = field(default="linear", metadata=_help("Interpolation of intensities.", ("linear", "cubic")))


@dataclass(frozen=True)
class Inference:
    """How a volume goes through the network in patches."""

    patch_size: tuple[int, int, int] = field(metadata=_help("Voxels along x, y, z; z is 1 for a network of slices."))
    activation: str = field(metadata=_help("How logits become probabilities.", ("sigmoid", "softmax")))
    overlap: float = field(default=0.5, metadata=_help("Share of a patch that its neighbour covers again, 0…0.9."))
    threshold: float = field(default=0.5, metadata=_help("sigmoid only: probability above which a voxel is foreground."))
    mirror_axes: str = field(
        default="",
        metadata=_help("Axes (of xyz) along which patches are also run mirrored and averaged.", ("", "x", "y", "xy", "xyz")),
    )


@dataclass(frozen=True)
class Postprocessing:
    """What is done to the label map; every step only where the card asks for it."""

    largest_component: tuple[str, ...] = field(default=(), metadata=_help("Names of labels of which one piece is kept."))
    fill_holes: tuple[str, ...] = field(default=(), metadata=_help("Names of labels whose enclosed holes are filled."))
    fill_holes_by_slice: bool = field(default=False, metadata=_help("Fill holes in each slice instead of in the volume."))
    minimum_volume_ml: float = field(default=0.0, metadata=_help("Smaller pieces than this are removed."))


@dataclass(frozen=True)
class Training:
    """What the weights were trained on."""

    data: str = field(metadata=_help("Data sets in words, with where they come from."))
    data_kind: str = field(metadata=_help("What the training images are.", ("real", "synthetic", "real and synthetic")))
    patients: int
    cases: int
    held_out: tuple[str, ...] = field(default=(), metadata=_help("Patients that were never trained on, by name."))
    notes: str = ""
    job: str = field(default="", metadata=_help("Training job file in the model's folder that made the weights, if any."))


@dataclass(frozen=True)
class Quality:
    """One measured row: never a number that was not measured."""

    data: str = field(metadata=_help("Which data, which split, how measured."))
    cases: int
    label: str
    metric: str = field(metadata=_help("For example dice, hd95_mm."))
    mean: float
    standard_deviation: float
    worst: float


@dataclass(frozen=True)
class Expected:
    """What an image should look like; outside of it a person is warned, never stopped."""

    spacing_mm: tuple[float, float] | None = field(default=None, metadata=_help("Smallest and largest in-plane spacing."))
    field_of_view_mm: tuple[float, float] | None = field(default=None, metadata=_help("Smallest and largest in-plane extent."))


@dataclass(frozen=True)
class ModelCard:
    """card.json of a model folder."""

    card_version: int = field(metadata=_help("Version of this format.", (CARD_VERSION,)))
    id: str = field(metadata=_help("Name of the model's folder: a-z, 0-9 and _."))
    title: str
    description: str
    modality: str = field(metadata=_help("DICOM modality, for example MR or CT."))
    anatomy: str
    intended_use: str
    not_for: tuple[str, ...] = field(metadata=_help("What it must not be used for, one sentence each."))
    network: NetworkSpec
    preprocessing: Preprocessing
    inference: Inference
    postprocessing: Postprocessing
    training: Training
    quality: tuple[Quality, ...]
    licence: str
    citation: str
    weights_sha256: str = field(metadata=_help("SHA-256 of weights.safetensors, 64 hexadecimal digits."))
    expected: Expected = field(default_factory=Expected)


def read_card(folder: Path) -> ModelCard:
    """The checked card of a model folder; raises ModelError with a sentence that says what is wrong where."""
    card = read_json(ModelCard, folder / CARD_FILE, ModelError)
    if card.id != folder.name:
        raise ModelError(f"{folder / CARD_FILE} is the card of '{card.id}', but its folder is called '{folder.name}'.")
    return card
