"""The models on this machine: where they are looked for, which there are, and whether they are intact.

A zoo is a folder of model folders; a model folder `<id>` holds card.json, labels.csv, weights.safetensors and a README.md.
Models with one id in two zoos are told apart by the order of `search_path`: the first is used, the others are hidden,
so that nothing that a person adds can take the place of a model that came with MedSegDL. Links are not followed.
"""

from __future__ import annotations

import difflib
import os
import site
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from MedSegDLLib.checksums import sha256_of
from MedSegDLLib.errors import InputError, ModelError
from MedSegDLLib.folders import data_folder
from MedSegDLLib.labels import LabelTable, read_label_table
from MedSegDLLib.model_card import (
    CARD_FILE,
    LABELS_FILE,
    WEIGHTS_FILE,
    ModelCard,
    check_labels,
    is_model_id,
    read_card,
)

FOLDERS_VARIABLE = "MEDSEGDL_MODELS"
LARGEST_WEIGHTS_BYTES = 2 << 30
LARGEST_TEXT_BYTES = 1 << 20


@dataclass(frozen=True)
class ZooModel:
    """A model folder and its checked card."""

    folder: Path
    card: ModelCard


@dataclass(frozen=True)
class Zoo:
    """Every usable model on the search path; a sentence about each that another one hides; one about each that is broken."""

    models: tuple[ZooModel, ...]
    hidden: tuple[str, ...]
    problems: tuple[str, ...]


def bundled_zoo() -> Path | None:
    """The models that came with MedSegDL: beside MedSegDLLib in Slicer, at the repository's root, or in pip's share folder."""
    library = Path(__file__).resolve().parent
    share = [Path(sysconfig.get_path("data")), Path(site.getuserbase()), library.parent]
    places = [library.parent, library.parents[1], *(folder / "share" / "medsegdl" for folder in share)]
    return next((place / "models_zoo" for place in places if (place / "models_zoo").is_dir()), None)


def user_zoo() -> Path:
    """Where this user's own models are kept; the folder need not exist yet."""
    return data_folder() / "models"


def search_path() -> list[Path]:
    """The zoos in the order in which they are searched: bundled, this user's, those in MEDSEGDL_MODELS."""
    bundled = bundled_zoo()
    return [*([bundled] if bundled else []), user_zoo(), *_listed_zoos()]


def read_zoo() -> Zoo:
    """Look at every folder on the search path; weights are not read (see verify_model)."""
    models: dict[str, ZooModel] = {}
    hidden = []
    problems = [f"{FOLDERS_VARIABLE} names {zoo}, which is no folder." for zoo in _listed_zoos() if not zoo.is_dir()]
    for folder in (folder for zoo in search_path() for folder in _candidates(zoo)):
        try:
            card = _unlinked_card(folder)
        except ModelError as problem:
            problems.append(str(problem))
            continue
        first = models.setdefault(card.id, ZooModel(folder, card))
        if first.folder.resolve() != folder.resolve():
            hidden.append(f"{folder} is hidden by the model of the same id in {first.folder}.")
    return Zoo(tuple(models.values()), tuple(hidden), tuple(problems))


def list_models() -> list[ZooModel]:
    """The usable models on the search path, in its order."""
    return list(read_zoo().models)


def find_model(model_id: str) -> Path:
    """The folder of the model called `model_id`; raises ModelError with the known ids if there is none."""
    if is_model_id(model_id):
        for folder in (zoo / model_id for zoo in search_path()):
            if folder.is_dir():
                return folder
    known = [model.card.id for model in list_models()]
    likely = difflib.get_close_matches(model_id, known, n=3, cutoff=0.5) or known
    advice = f"did you mean {' or '.join(map(repr, likely))}?" if likely else "no model is installed."
    raise ModelError(f"There is no model '{model_id}'; {advice} Looked in {', '.join(map(str, search_path()))}.")


def read_model(folder: Path) -> tuple[ModelCard, LabelTable]:
    """Card and labels of a model folder, checked against each other; raises ModelError with what is wrong."""
    card = _unlinked_card(folder)
    table = read_label_table(_plain_file(folder, LABELS_FILE, LARGEST_TEXT_BYTES))
    check_labels(card, table, str(folder / LABELS_FILE))
    if card.training.job:
        _plain_file(folder, card.training.job, LARGEST_TEXT_BYTES)
    return card, table


def verify_model(folder: Path) -> tuple[ModelCard, LabelTable]:
    """As read_model, and the weights have the SHA-256 that the card names; raises ModelError with what is wrong."""
    card, table = read_model(folder)
    path = weights_file(folder)
    try:
        found = sha256_of(path)
    except InputError as reason:
        raise ModelError(str(reason)) from reason
    check_weights_sha256(card, found, path)
    return card, table


def weights_file(folder: Path) -> Path:
    """The path of a model's weights; raises ModelError if they are missing, a link, or larger than 2 GiB."""
    return _plain_file(folder, WEIGHTS_FILE, LARGEST_WEIGHTS_BYTES)


def check_weights_sha256(card: ModelCard, found: str, path: Path) -> None:
    """Raise ModelError unless `found`, the SHA-256 of the weights in `path`, is the one in the card."""
    if found != card.weights_sha256:
        raise ModelError(
            f"{path} is damaged or was changed: its SHA-256 is {found}, but the card says {card.weights_sha256}. "
            f"Do not use the model '{card.id}'; get it again from where it came from."
        )


def _listed_zoos() -> list[Path]:
    return [Path(item) for item in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if item]


def _candidates(zoo: Path) -> list[Path]:
    """The folders of `zoo` that hold a card, by name; a zoo that cannot be read has none."""
    try:
        return sorted(folder for folder in zoo.iterdir() if not folder.name.startswith(".") and (folder / CARD_FILE).exists())
    except OSError:
        return []


def _unlinked_card(folder: Path) -> ModelCard:
    if folder.is_symlink():
        raise ModelError(f"{folder} is a link, and links are not followed: copy the model's folder there.")
    _plain_file(folder, CARD_FILE, LARGEST_TEXT_BYTES)
    return read_card(folder)


def _plain_file(folder: Path, name: str, largest: int) -> Path:
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise ModelError(f"{path} is missing or is not a plain file: get the model '{folder.name}' again.")
    if (size := path.stat().st_size) > largest:
        raise ModelError(f"{path} has {size} bytes, more than the {largest} that a model's file may have.")
    return path
