"""Weights between files and networks: exact, checked before use, and never code."""

import io
import json
import pickle
import struct

import pytest
import torch

from MedSegDLLib.checkpoint import load_model, save_weights
from MedSegDLLib.errors import ModelError, OutputError
from MedSegDLLib.model_card import NetworkSpec
from MedSegDLLib.networks import build_network
from Testing.engine.small_model import CARD, LABELS, write_model


def network(seed=0, **changes):
    torch.manual_seed(seed)
    numbers = {"features_per_stage": (4, 8)} | changes
    built = build_network(NetworkSpec("unet_2d", 1, 3, numbers))
    for buffer in built.buffers():  # as after training: statistics that are not those of a fresh network
        buffer.copy_(torch.rand_like(buffer.float()) * 9 + 1)
    return built.eval()


def saved(built, path, dtype=torch.float32):
    save_weights(built, path / "weights", dtype)
    return (path / "weights").read_bytes()


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    "key, numbers", [("unet_2d", {"features_per_stage": [4, 8]}), ("no_new_net", {"features_per_stage": [4, 8]})]
)
def test_float32_round_trip_is_exact(tmp_path, key, numbers):
    torch.manual_seed(1)
    spec = NetworkSpec(key, 1, 3, {name: tuple(value) for name, value in numbers.items()})
    built = build_network(spec).eval()
    weights = saved(built, tmp_path)
    network_card = {"key": key, "in_channels": 1, "out_channels": 3, "numbers": numbers}
    model = load_model(write_model(tmp_path, weights=weights, network=network_card))
    assert model.network.state_dict().keys() == built.state_dict().keys()
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, built.state_dict()[name]), name
    batch = torch.randn(1, 1, *[16] * built.dimensions)
    with torch.inference_mode():
        assert torch.equal(model.network(batch), built(batch))


def test_loaded_model_is_ready_for_use(tmp_path):
    model = load_model(write_model(tmp_path, weights=saved(network(), tmp_path)))
    assert (model.card.id, model.labels, model.folder) == ("small", LABELS, tmp_path / "small")
    assert not any(module.training for module in model.network.modules())
    assert {tensor.device.type for tensor in model.network.state_dict().values()} == {"cpu"}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_kept_in_half_the_bytes_and_loaded_as_float32(tmp_path, dtype):
    built = network()
    weights = saved(built, tmp_path, dtype)
    assert len(weights) < 0.75 * len(saved(built, tmp_path))
    loaded = load_model(write_model(tmp_path, weights=weights)).network.state_dict()
    for name, tensor in built.state_dict().items():
        assert loaded[name].dtype == tensor.dtype, name
        expected = tensor.to(dtype).float() if tensor.is_floating_point() else tensor
        assert torch.equal(loaded[name], expected), name


def test_numbers_too_large_for_the_file_are_not_saved(tmp_path):
    built = network()
    built.classifier.bias.data[0] = 1e6
    with pytest.raises(ModelError, match=r"classifier\.bias are not finite numbers as torch\.float16"):
        save_weights(built, tmp_path / "weights", torch.float16)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="cannot be written"):
        save_weights(built, tmp_path / "absent" / "weights")


@pytest.mark.parametrize(
    "changes, complaint",
    [
        ({"features_per_stage": (4, 8, 16)}, r"unknown: decoder\.1\.0\.bias"),
        ({"features_per_stage": (4,)}, r"missing: encoder\.1"),
        ({"features_per_stage": (4, 16)}, r"of another shape: encoder\.1\.0\.weight \(16, 4, 3, 3\) instead of \(8, 4, 3, 3\)"),
        ({"block": "conv_norm_relu"}, r"missing: .*encoder\.0\.0\.bias.*unknown: "),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, changes, complaint):
    folder = write_model(tmp_path, weights=saved(network(**changes), tmp_path))
    with pytest.raises(ModelError, match=complaint):
        load_model(folder)


def test_long_lists_of_differences_are_cut(tmp_path):
    folder = write_model(tmp_path, weights=saved(network(features_per_stage=(8, 16)), tmp_path))
    with pytest.raises(ModelError, match=r"of another network than the card's 'unet_2d': of another shape: .* and \d+ more\.$"):
        load_model(folder)


def test_another_kind_of_number_is_refused(tmp_path):
    built = network()
    built.classifier.bias = torch.nn.Parameter(built.classifier.bias.round().int(), requires_grad=False)
    with pytest.raises(ModelError, match=r"of another kind of number: classifier\.bias"):
        load_model(write_model(tmp_path, weights=saved(built, tmp_path)))


def test_changed_weights_are_not_even_parsed(tmp_path, monkeypatch):
    folder = write_model(tmp_path, weights=saved(network(), tmp_path))
    data = bytearray((folder / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(data)
    monkeypatch.setattr("safetensors.torch.load", lambda data: pytest.fail("parsed"))
    with pytest.raises(ModelError, match="damaged or was changed"):
        load_model(folder)


class Harmful:
    def __reduce__(self):
        return pytest.fail, ("code from a file was run",)


def torch_file():
    stream = io.BytesIO()
    torch.save({"weight": torch.ones(2)}, stream)
    return stream.getvalue()


NO_WEIGHTS = {
    "empty": b"",
    "text": b"not safetensors",
    "pickle": pickle.dumps(Harmful()),
    "torch file": torch_file(),
    "endless header": struct.pack("<Q", 1 << 60) + b"{}",
    "broken header": safetensors(b"{" * 1000),
    "terabytes": safetensors({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}),
    "shape against offsets": safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, bytes(4)),
    "gap": safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, bytes(8)),
    "negative shape": safetensors({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)),
    "unknown type": safetensors({"a": {"dtype": "X99", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "bytes left over": safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(8)),
}


@pytest.mark.parametrize("weights", NO_WEIGHTS.values(), ids=NO_WEIGHTS.keys())
def test_what_is_no_safetensors_file_is_refused(tmp_path, weights):
    with pytest.raises(ModelError, match=r"weights\.safetensors is not a safetensors file"):
        load_model(write_model(tmp_path, weights=weights))


def test_a_card_that_asks_for_gigabytes_allocates_nothing(tmp_path):
    huge = CARD["network"] | {"numbers": {"features_per_stage": [4096, 4096]}}  # 9 · 2^24 numbers a convolution
    folder = write_model(tmp_path, weights=saved(network(), tmp_path), network=huge)
    with pytest.raises(ModelError, match="of another shape: encoder"):
        load_model(folder)


def test_a_card_with_an_unknown_network_or_number_is_refused(tmp_path):
    weights = saved(network(), tmp_path)
    unknown = CARD["network"] | {"key": "unet_9d"}
    with pytest.raises(ModelError, match="no network 'unet_9d'"):
        load_model(write_model(tmp_path, "a", weights, network=unknown))
    misspelt = CARD["network"] | {"numbers": {"features": [4, 8]}}
    with pytest.raises(ModelError, match="has no features"):
        load_model(write_model(tmp_path, "b", weights, network=misspelt))
