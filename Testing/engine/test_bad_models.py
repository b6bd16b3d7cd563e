"""Whatever is wrong with a model folder: exit status 2, a sentence that says what, and nothing written."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from MedSegDLLib.checkpoint import save_weights
from MedSegDLLib.checksums import sha256_of
from MedSegDLLib.labels import write_label_table
from MedSegDLLib.model_card import CARD_FILE, LABELS_FILE, WEIGHTS_FILE, NetworkSpec
from MedSegDLLib.networks import build_network
from Testing.engine.conftest import CommandLine
from Testing.engine.refusals import listing, refused
from Testing.models import BRIGHT_AND_BRIGHTEST, write_bright_model


def change_card(folder: Path, **changes: object) -> None:
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    (folder / CARD_FILE).write_text(json.dumps(card | changes), encoding="utf-8")


def tampered_weights(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS_FILE).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(data)


def other_networks_weights(folder: Path) -> None:
    save_weights(build_network(NetworkSpec("unet_2d", 1, 1, {"features_per_stage": (2, 3)})), folder / WEIGHTS_FILE)
    change_card(folder, weights_sha256=sha256_of(folder / WEIGHTS_FILE))


def pickled_weights(folder: Path) -> None:
    (folder / WEIGHTS_FILE).write_bytes(pickle.dumps(torch.zeros(3)))
    change_card(folder, weights_sha256=sha256_of(folder / WEIGHTS_FILE))


def more_labels(folder: Path) -> None:
    write_label_table(BRIGHT_AND_BRIGHTEST, folder / LABELS_FILE)


def unknown_network(folder: Path) -> None:
    change_card(folder, network={"key": "unet_9d", "in_channels": 1, "out_channels": 1})


def two_channels(folder: Path) -> None:
    change_card(folder, network={"key": "unet_2d", "in_channels": 2, "out_channels": 1, "numbers": {"features_per_stage": [1]}})


def network_number(**numbers: object) -> Callable[[Path], None]:
    network = {"key": "unet_2d", "in_channels": 1, "out_channels": 1, "numbers": numbers}
    return lambda folder: change_card(folder, network=network)


BAD_MODELS: dict[str, tuple[Callable[[Path], object], str]] = {
    "tampered weights": (tampered_weights, "SHA-256"),
    "no weights": (lambda folder: (folder / WEIGHTS_FILE).unlink(), "weights"),
    "weights of another network": (other_networks_weights, "another network"),
    "pickled weights": (pickled_weights, "safetensors"),
    "unknown key in the card": (lambda folder: change_card(folder, magic=1), "magic"),
    "card without a key": (lambda folder: (folder / CARD_FILE).write_text("{}", encoding="utf-8"), "lacks"),
    "card that is no JSON": (lambda folder: (folder / CARD_FILE).write_text("{", encoding="utf-8"), "JSON"),
    "card of another version": (lambda folder: change_card(folder, card_version=99), "card_version"),
    "card of another model": (lambda folder: change_card(folder, id="other"), "other"),
    "no card": (lambda folder: (folder / CARD_FILE).unlink(), "card.json"),
    "unknown network": (unknown_network, "unet_9d"),
    "network number of the wrong kind": (network_number(features_per_stage="many"), "features_per_stage must be a list, but"),
    "network number out of range": (network_number(up_kernel=0), "card.json is not a usable model card: network: numbers: up_"),
    "more channels than there can be": (
        lambda folder: change_card(folder, network={"key": "unet_2d", "in_channels": 10**30, "out_channels": 1}),
        "must not exceed 4096",
    ),
    "weights for another number of channels": (two_channels, "weight"),
    "labels that disagree": (more_labels, "labels.csv"),
    "no labels": (lambda folder: (folder / LABELS_FILE).unlink(), "labels.csv"),
    "labels that are no table": (lambda folder: (folder / LABELS_FILE).write_text("hello", encoding="utf-8"), "labels.csv"),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_bad_model(command_line: CommandLine, box_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str):
    spoil, says = BAD_MODELS[case]
    spoil(write_bright_model(tmp_path / "zoo", "spoilt"))
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "zoo"))
    before = listing(tmp_path)
    outcome = command_line("segment", box_file, "--model", "spoilt", "--output", tmp_path / "out.nii.gz")
    assert says in refused(outcome)
    assert listing(tmp_path) == before
