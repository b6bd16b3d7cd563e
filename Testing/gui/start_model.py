"""A model to start from, with weights set by hand: it finds the bright core of a disc and never its dimmer rim."""

from __future__ import annotations

from pathlib import Path

import torch

from MedSegDLLib.checkpoint import save_weights
from MedSegDLLib.checksums import sha256_of
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.model_card import WEIGHTS_FILE, NetworkSpec
from MedSegDLLib.networks import build_network
from MedSegDLLib.networks.unet_2d import UNet2d
from Testing.models import write_bright_model

DISC = LabelTable((Label(1, "Disc", (230, 160, 60)),))
_SPEC = NetworkSpec("unet_2d", 1, 1, {"features_per_stage": (8, 16)})
_THRESHOLD = 2.4  # standard deviations above the volume's mean: between rim and core


def write_start_model(zoo: Path, model_id: str) -> Path:
    """Write the model's folder into `zoo` and return it."""
    weights = zoo.parent / f"{model_id}.safetensors"
    save_weights(_network(), weights)
    card = {"title": "Cores of discs", "network": _SPEC, "weights_sha256": sha256_of(weights)}
    folder = write_bright_model(zoo, model_id, DISC, **card)
    return weights.replace(folder / WEIGHTS_FILE).parent


def _network() -> UNet2d:
    """Random weights from a fixed seed, but for one channel, which hands the image on, and a classifier that looks at it."""
    torch.manual_seed(0)
    network = build_network(_SPEC)
    skip = network.encoder[0][2].out_channels  # what comes from above in the decoder's input; the image follows
    with torch.no_grad():
        for block, channel in ((network.encoder[0], 0), (network.decoder[0], skip)):
            for convolution, source in ((block[0], channel), (block[2], 0)):
                convolution.weight[0].zero_()
                convolution.weight[0, source, 1, 1] = 1
        network.classifier.weight.zero_()
        network.classifier.weight[0, 0] = 4
        network.classifier.bias[:] = -4 * _THRESHOLD
    return network
