"""A model whose answers are known: its weights are set by hand, so that it marks what is bright."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import torch

from MedSegDLLib.checkpoint import save_weights
from MedSegDLLib.checksums import sha256_of
from MedSegDLLib.labels import Label, LabelTable, write_label_table
from MedSegDLLib.model_card import (
    CARD_FILE,
    LABELS_FILE,
    WEIGHTS_FILE,
    Expected,
    Inference,
    ModelCard,
    NetworkSpec,
    Normalisation,
    Postprocessing,
    Preprocessing,
    Training,
)
from MedSegDLLib.networks import build_network
from MedSegDLLib.networks.unet_2d import UNet2d
from MedSegDLLib.strict_json import to_json

BRIGHT = LabelTable((Label(1, "Bright", (230, 60, 60)),))
BRIGHT_AND_BRIGHTEST = LabelTable((Label(1, "Bright", (230, 60, 60)), Label(2, "Brightest", (60, 120, 230))))


def write_bright_model(zoo: Path, model_id: str = "bright", labels: LabelTable = BRIGHT, **card: object) -> Path:
    """Write a model folder into `zoo` and return it; `card` replaces fields of the card.

    "Bright" is every voxel more than 1 standard deviation above the volume's mean; "Brightest", if it is among
    `labels`, every voxel more than 3 above. The network is a unet_2d of one level and one feature that hands its input on.
    """
    sigmoid = len(labels.labels) == 1
    spec = NetworkSpec("unet_2d", 1, 1 if sigmoid else 3, {"features_per_stage": (1,)})
    folder = zoo / model_id
    folder.mkdir(parents=True)
    save_weights(_bright_network(spec), folder / WEIGHTS_FILE)
    write_label_table(labels, folder / LABELS_FILE)
    written = ModelCard(
        card_version=1,
        id=model_id,
        title="Whatever is bright",
        description="Marks bright voxels; made by hand for tests.",
        modality="MR",
        anatomy="anything",
        intended_use="Tests.",
        not_for=("It is not for diagnostic use.",),
        network=spec,
        preprocessing=Preprocessing("slices", (None, None, None), Normalisation("zscore")),
        inference=Inference((32, 32, 1), "sigmoid" if sigmoid else "softmax"),
        postprocessing=Postprocessing(),
        training=Training("none", "synthetic", 0, 0),
        quality=(),
        licence="Apache-2.0",
        citation="",
        weights_sha256=sha256_of(folder / WEIGHTS_FILE),
        expected=Expected(),
    )
    write_card(dataclasses.replace(written, **card), folder)
    return folder


def write_card(card: ModelCard, folder: Path) -> None:
    (folder / CARD_FILE).write_text(json.dumps(to_json(card), indent=2), encoding="utf-8")


def _bright_network(spec: NetworkSpec) -> UNet2d:
    network = build_network(spec)
    with torch.no_grad():
        for first in (network.encoder[0][0], network.encoder[0][2]):
            first.weight.zero_()
            first.weight[0, 0, 1, 1] = 1  # the middle of the 3×3 kernel: the input as it is, negative values as 0
        # One output: positive above 1. Three: the largest is the first up to 1, the second up to 3, then the third.
        slopes, offsets = ([4.0], [-4.0]) if spec.out_channels == 1 else ([0.0, 4.0, 8.0], [0.0, -4.0, -16.0])
        network.classifier.weight[:, 0, 0, 0] = torch.tensor(slopes)
        network.classifier.bias[:] = torch.tensor(offsets)
    return network
