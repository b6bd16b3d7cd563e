"""Weights between safetensors files and networks. A safetensors file holds numbers only: reading it never runs code."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.errors import ModelError
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.model_card import CARD_FILE, ModelCard
from MedSegDLLib.networks import build_network
from MedSegDLLib.networks.blocks import SegmentationNetwork
from MedSegDLLib.zoo import check_weights_sha256, read_model, weights_file

_NAMES_SHOWN = 5


@dataclass(frozen=True)
class Model:
    """A network with its trained weights, in evaluation mode on the CPU in float32, and what it needs to be used."""

    card: ModelCard
    labels: LabelTable
    network: SegmentationNetwork
    folder: Path


def load_model(folder: Path) -> Model:
    """The model in `folder`, checked: card, labels, SHA-256 of the weights, and every weight's name and shape.

    Raises ModelError with a sentence that says what is wrong; nothing of the size that the card asks for is allocated
    before the weights are known to have it.
    """
    card, labels = read_model(folder)
    tensors = _verified_tensors(card, weights_file(folder))
    network = _empty_network(card, folder)
    _check_same(tensors, network.state_dict(), str(weights_file(folder)), card.network.key)
    network.load_state_dict(tensors, assign=True)
    return Model(card, labels, network.eval(), folder)


def _empty_network(card: ModelCard, folder: Path) -> SegmentationNetwork:
    """The card's network, with shapes and without memory."""
    try:
        with torch.device("meta"):
            return build_network(card.network)
    except ModelError as reason:
        raise ModelError(f"{folder / CARD_FILE} is not a usable model card: {reason}") from reason


def save_weights(network: torch.nn.Module, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write every parameter and buffer of `network` to a safetensors file; real numbers as `dtype`, counters as they are.

    Raises ModelError if a number is not finite (in `dtype`), OutputError if the file cannot be written.
    """
    tensors = {name: _stored(tensor, dtype) for name, tensor in network.state_dict().items()}
    if broken := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
        raise ModelError(f"The weights {_listed(broken)} are not finite numbers as {dtype}: they cannot be kept like that.")
    with written_beside(path) as beside:
        beside.write_bytes(safetensors.torch.save(tensors))  # save_file would leave a file that only its owner may read


def _stored(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype).contiguous()


def _verified_tensors(card: ModelCard, path: Path) -> dict[str, torch.Tensor]:
    """The tensors in `path`, real ones as float32; what is hashed are the very bytes that are then used."""
    try:
        data = path.read_bytes()
        check_weights_sha256(card, hashlib.sha256(data).hexdigest(), path)
        tensors = safetensors.torch.load(data)
    except OSError as reason:
        raise ModelError(f"{path} cannot be read: {reason.strerror}.") from reason
    except (SafetensorError, KeyError, ValueError) as reason:
        raise ModelError(f"{path} is not a safetensors file: {reason}.") from reason
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def _check_same(found: Mapping, expected: Mapping, where: str, key: str) -> None:
    """Raise ModelError unless both have the same names with the same shapes and kinds of number."""
    differences = {
        "missing": [name for name in expected if name not in found],
        "unknown": sorted(set(found) - set(expected)),
        "of another shape": [
            f"{name} {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
            for name, tensor in expected.items()
            if name in found and found[name].shape != tensor.shape
        ],
        "of another kind of number": [
            name for name, tensor in expected.items() if name in found and found[name].dtype != tensor.dtype
        ],
    }
    if any(differences.values()):
        told = "; ".join(f"{what}: {_listed(names)}" for what, names in differences.items() if names)
        raise ModelError(f"{where} holds the weights of another network than the card's '{key}': {told}.")


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
