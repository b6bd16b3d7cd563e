"""The model card: everything that is needed to run a model, and everything that a person should know first.

`ModelCard` is the one definition; `models_zoo/card.schema.json` is made from it (a test keeps the two equal) by
`python -m MedSegDLLib.model_card > models_zoo/card.schema.json`. The schema says which keys and types a card has;
`check_card` and `check_labels` say which values make sense, alone and together.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from MedSegDLLib.errors import ModelError
from MedSegDLLib.labels import LabelTable, has_control_characters
from MedSegDLLib.strict_json import read_json, schema_of, to_json

CARD_FILE, LABELS_FILE, WEIGHTS_FILE = "card.json", "labels.csv", "weights.safetensors"
README_FILE, LICENCE_FILE, JOB_FILE = "README.md", "LICENSE.txt", "job.json"
CARD_VERSION = 1
STATED_KINDS = ("real", "synthetic", "real and synthetic")
NOT_STATED, PARTLY_STATED = "not stated", "synthetic and not stated"
DATA_KINDS = (*STATED_KINDS, NOT_STATED, PARTLY_STATED)
OF_THE_VALIDATION = "of the validation"  # in Quality.data: of cases by which the best weights were chosen
_MOST_CHANNELS = 4096  # more can only be a slip


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
    bridged_slices: int = field(
        default=0,
        metadata=_help("Pieces that overlap, seen along the slices, are one if not more slices than these lie between."),
    )


@dataclass(frozen=True)
class Training:
    """What the weights were trained on."""

    data: str = field(metadata=_help("Data sets in words, with where they come from."))
    data_kind: str = field(metadata=_help("What the training images are.", DATA_KINDS))
    patients: int
    cases: int
    held_out: tuple[str, ...] = field(default=(), metadata=_help("Patients that were never trained on, by name."))
    notes: str = ""
    job: str = field(default="", metadata=_help("Training job file in the model's folder that made the weights, if any."))

    @property
    def images(self) -> str:
        """The kind of images in words that fit behind "trained on"."""
        unsaid = "images that nobody called real or synthetic"
        return {NOT_STATED: unsaid, PARTLY_STATED: f"synthetic images and {unsaid}"}.get(
            self.data_kind, f"{self.data_kind} images"
        )


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
    path = folder / CARD_FILE
    card = read_json(ModelCard, path, ModelError)
    check_card(card, str(path))
    if card.id != folder.name:
        raise ModelError(f"{path} is the card of '{card.id}', but its folder is called '{folder.name}'.")
    return card


def check_card(card: ModelCard, where: str) -> None:
    """Raise ModelError with every value of `card` that makes no sense; `where` names the card in the sentence."""
    if problems := list(_problems(card)):
        raise ModelError(f"{where} is not a usable model card: {'; '.join(problems)}.")


def _problems(card: ModelCard) -> Iterator[str]:
    for check in (_texts, _identity):
        yield from check(card)
    yield from setting_problems(card.network, card.preprocessing, card.inference, card.postprocessing)
    for check in (_training, _quality, _expected):
        yield from check(card)


def setting_problems(
    network: NetworkSpec, preprocessing: Preprocessing, inference: Inference, postprocessing: Postprocessing
) -> Iterator[str]:
    """One clause for each value that makes no sense in what cards and training jobs have in common."""
    yield from _network(network, inference.activation)
    yield from _preprocessing(preprocessing)
    yield from _normalisation(preprocessing.normalisation)
    yield from _inference(inference)
    for name in ("minimum_volume_ml", "bridged_slices"):
        if (value := getattr(postprocessing, name)) < 0:
            yield f"postprocessing: {name} {value} must not be negative"


def check_labels(card: ModelCard, table: LabelTable, where: str) -> None:
    """Raise ModelError where the label table of a model does not fit its card: class n of the network is label n."""
    values, names = [label.value for label in table.labels], {label.name for label in table.labels}
    classes = card.network.out_channels if card.inference.activation == "sigmoid" else card.network.out_channels - 1
    if values != list(range(1, classes + 1)):
        raise ModelError(
            f"{where} disagrees with its card: the network tells {classes} label(s) apart, so the label values must be "
            f"1…{classes}, but they are {', '.join(map(str, values)) or 'none'}."
        )
    if unknown := sorted({*card.postprocessing.largest_component, *card.postprocessing.fill_holes} - names):
        raise ModelError(f"{where} has no label {', '.join(map(repr, unknown))}, which the card's postprocessing names.")


def chose_the_weights(row: Quality) -> bool:
    """Whether a row was measured on cases by which the best weights were chosen, as a published model's card says it."""
    return OF_THE_VALIDATION in row.data


def is_model_id(text: str) -> bool:
    """Whether `text` can be a model's id, which is also the name of its folder: 1 to 64 of a-z, 0-9 and _."""
    return re.fullmatch("[a-z0-9_]{1,64}", text) is not None


def is_sha256(text: str) -> bool:
    """Whether `text` is a SHA-256 as `checksums.sha256_of` writes it: 64 hexadecimal digits in lower case."""
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def _texts(card: ModelCard) -> Iterator[str]:
    """A card is shown in terminals and windows, which control characters could play tricks on."""
    if any(has_control_characters(text.replace("\n", "")) for text in _strings(to_json(card))):
        yield "its texts must not have control characters"


def _strings(value: object) -> Iterator[str]:
    """Every text within parsed JSON, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _strings(item)


def _identity(card: ModelCard) -> Iterator[str]:
    if not is_model_id(card.id):
        yield f"id {card.id!r} must be 1 to 64 of a-z, 0-9 and _"
    if not is_sha256(card.weights_sha256):
        yield f"weights_sha256 {card.weights_sha256!r} must be 64 hexadecimal digits in lower case"
    for name in ("title", "description", "modality", "anatomy", "intended_use", "licence"):
        if not getattr(card, name).strip():
            yield f"{name} must not be empty"


def _network(network: NetworkSpec, activation: str) -> Iterator[str]:
    outputs = network.out_channels
    if network.in_channels < 1:
        yield f"network: in_channels {network.in_channels} must be at least 1"
    for name in ("in_channels", "out_channels"):
        if (channels := getattr(network, name)) > _MOST_CHANNELS:
            yield f"network: {name} {channels} must not exceed {_MOST_CHANNELS}"
    if activation == "sigmoid" and outputs != 1:
        yield f"network: out_channels must be 1 with sigmoid activation, but is {outputs}"
    if activation == "softmax" and outputs < 2:
        yield f"network: out_channels must be at least 2 (background included) with softmax activation, but is {outputs}"


def _preprocessing(preprocessing: Preprocessing) -> Iterator[str]:
    orientation = preprocessing.orientation
    axes = [pair for pair in ("LR", "AP", "SI") if len({*pair} & {*orientation}) == 1]
    if orientation != "slices" and not len(orientation) == len(axes) == 3:
        yield f"preprocessing: orientation {orientation!r} must be 'slices' or one letter each of L/R, A/P and S/I"
    if any(spacing is not None and spacing <= 0 for spacing in preprocessing.spacing):
        yield f"preprocessing: spacing {preprocessing.spacing} must be positive or null"


def _normalisation(normalisation: Normalisation) -> Iterator[str]:
    window, percentiles = normalisation.window, normalisation.percentiles
    if (window is not None) != (normalisation.method == "window"):
        yield "normalisation: window is given with the method 'window' and only then"
    if percentiles is not None and normalisation.method != "zscore":
        yield "normalisation: percentiles are for the method 'zscore' only"
    if window is not None and window[0] >= window[1]:
        yield f"normalisation: window {window} must be lowest, then highest intensity"
    if percentiles is not None and not 0 <= percentiles[0] < percentiles[1] <= 100:
        yield f"normalisation: percentiles {percentiles} must rise within 0…100"


def _inference(inference: Inference) -> Iterator[str]:
    if min(inference.patch_size) < 1:
        yield f"inference: patch_size {inference.patch_size} must be positive"
    if not 0 <= inference.overlap <= 0.9:
        yield f"inference: overlap {inference.overlap} must be within 0…0.9"
    if not 0 < inference.threshold < 1:
        yield f"inference: threshold {inference.threshold} must be between 0 and 1"


def _training(card: ModelCard) -> Iterator[str]:
    training = card.training
    if training.patients < 0 or training.cases < 0:
        yield "training: patients and cases must not be negative"
    if training.job not in ("", JOB_FILE):
        yield f"training: job {training.job!r} must be empty or {JOB_FILE}"


def _quality(card: ModelCard) -> Iterator[str]:
    for n, row in enumerate(card.quality):
        if row.cases < 1 or row.standard_deviation < 0:
            yield f"quality[{n}]: cases must be at least 1 and standard_deviation not negative"


def _expected(card: ModelCard) -> Iterator[str]:
    for name in ("spacing_mm", "field_of_view_mm"):
        limits = getattr(card.expected, name)
        if limits is not None and not 0 < limits[0] <= limits[1]:
            yield f"expected: {name} {limits} must be positive, smallest first"


def card_schema() -> str:
    """The text of `models_zoo/card.schema.json`."""
    return json.dumps(schema_of(ModelCard, "MedSegDL model card"), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(card_schema().encode())  # UTF-8 whatever the console speaks
