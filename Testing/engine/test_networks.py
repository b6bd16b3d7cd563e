"""The networks of the table: shapes, parameter counts, and the papers' order of layers."""

import itertools

import pytest
import torch
from torch import nn

from MedSegDLLib.errors import ModelError
from MedSegDLLib.model_card import NetworkSpec
from MedSegDLLib.networks import NETWORKS, build_network
from MedSegDLLib.networks.blocks import crop_to_size, pad_to_multiple

SMALL = {
    "unet_2d": NetworkSpec("unet_2d", 2, 3, {"features_per_stage": (4, 6, 8)}),
    "no_new_net": NetworkSpec("no_new_net", 2, 3, {"features_per_stage": (4, 6, 8)}),
}


def test_every_network_is_tested():
    assert set(SMALL) == set(NETWORKS)


@pytest.mark.parametrize("key", NETWORKS)
@pytest.mark.parametrize("size", [(16, 8, 12), (9, 17, 10), (1, 1, 1), (4, 4, 4), (3, 4, 2)])
def test_any_size_gives_logits_of_that_size(key, size):
    network = build_network(SMALL[key]).eval()
    batch = torch.randn(1, 2, *size[: network.dimensions])
    features = network.features(batch)
    assert features.shape == (1, 4, *batch.shape[2:])
    assert network(batch).shape == (1, 3, *batch.shape[2:])
    torch.testing.assert_close(network(batch), network.classifier(features))


@pytest.mark.parametrize("key", NETWORKS)
def test_gradients_reach_every_weight(key):
    network = build_network(SMALL[key])
    size = (8, 16, 12)[: network.dimensions]
    network(torch.randn(2, 2, *size)).square().mean().backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_pad_and_crop():
    batch = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = pad_to_multiple(batch, 4)
    assert padded.shape == (1, 1, 4, 4)
    assert padded[0, 0, 2:].abs().sum() == 0
    assert torch.equal(crop_to_size(padded, batch.shape[2:]), batch)
    assert pad_to_multiple(padded, 4) is padded


def _parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_unet_2d_is_desais():
    """Six levels of 32…1024: counted by hand from §2.3 as sum of 9·in·out + out for each convolution and 2·out a batch norm."""
    network = build_network(NetworkSpec("unet_2d", 1, 1))
    stages = [32, 64, 128, 256, 512, 1024]
    encoder = sum(9 * a * b + b + 9 * b * b + b + 2 * b for a, b in zip([1, *stages], stages, strict=False))
    decoder = sum(9 * b * a + a + 9 * 2 * a * a + a + 9 * a * a + a + 2 * a for a, b in itertools.pairwise(stages))
    assert _parameters(network) == encoder + decoder + 32 + 1 == 34_591_777
    assert [type(layer) for layer in network.encoder[0]] == [nn.Conv2d, nn.ReLU, nn.Conv2d, nn.ReLU, nn.BatchNorm2d]
    norm = network.decoder[0][-1]
    assert (norm.eps, norm.momentum) == (1e-3, 0.05)
    assert network.stride == 32


def test_lgg_reports_unet_is_a_setting():
    """Five levels 32…512, convolution–batch norm–ReLU twice, 2×2 transposed convolutions, three channels."""
    numbers = {"features_per_stage": (32, 64, 128, 256, 512), "block": "conv_norm_relu", "up_kernel": 2}
    network = build_network(NetworkSpec("unet_2d", 3, 1, numbers))
    assert [type(layer) for layer in network.encoder[0]] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2
    assert network.up[0].kernel_size == (2, 2)
    assert network.stride == 16
    assert network(torch.zeros(1, 3, 33, 20)).shape == (1, 1, 33, 20)


def test_no_new_net_is_schniders():
    """126 classes, five levels 30…480; parameters as counted by hand from the table of convolutions."""
    network = build_network(NetworkSpec("no_new_net", 1, 126))
    convolutions = [
        *[(1, 30), (30, 30), (30, 60), (60, 60), (60, 120), (120, 120), (120, 240), (240, 240)],
        *[(240, 480), (480, 240), (480, 240), (240, 120), (240, 120), (120, 60), (120, 60), (60, 30), (60, 30), (30, 30)],
    ]
    by_hand = sum(27 * a * b + b + 2 * b for a, b in convolutions) + 30 * 126 + 126
    assert _parameters(network) == by_hand == 14_494_446
    slopes = {layer.negative_slope for layer in network.modules() if isinstance(layer, nn.LeakyReLU)}
    assert slopes == {0.02}
    assert network.stride == 16


def test_he_normal_keeps_the_variance():
    """He et al. 2015: weights of a 3×3 convolution from 32 channels have variance 2 / (9·32)."""
    torch.manual_seed(0)
    convolution = build_network(NetworkSpec("unet_2d", 1, 1)).encoder[1][0]
    assert convolution.weight.var().item() == pytest.approx(2 / (9 * 32), rel=0.05)
    assert not convolution.bias.any()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (NetworkSpec("unet_9d", 1, 1), "no network 'unet_9d'"),
        (NetworkSpec("unet_2d", 1, 1, {"depth": 3}), "has no depth; it has features_per_stage"),
        (NetworkSpec("unet_2d", 1, 1, {"block": "os.system"}), "block must be desai or conv_norm_relu, but is 'os.system'"),
        (NetworkSpec("unet_2d", 1, 1, {"block": 3}), "block must be a text, but is 3"),
        (NetworkSpec("unet_2d", 1, 1, {"up_kernel": 0}), "^network: numbers: up_kernel must be 2 or 3, but is 0.$"),
        (NetworkSpec("unet_2d", 1, 1, {"up_kernel": 2.0}), "up_kernel must be a whole number, but is 2.0"),
        (NetworkSpec("no_new_net", 1, 1, {"features_per_stage": "many"}), "must be a list, but is 'many'"),
        (NetworkSpec("no_new_net", 1, 1, {"features_per_stage": (8, 4.5)}), r"\[1\] must be a whole number, but is 4.5"),
        (NetworkSpec("no_new_net", 1, 1, {"features_per_stage": (8,)}), r"must be at least two numbers, but is \[8\]"),
        (NetworkSpec("unet_2d", 1, 1, {"features_per_stage": ()}), r"1 to 9 numbers within 1…4096, but is \[\]"),
        (NetworkSpec("unet_2d", 1, 1, {"features_per_stage": (8,) * 5000}), r"1 to 9 numbers .* but is \[8, 8, .*\.\.\.\]"),
        (NetworkSpec("unet_2d", 1, 1, {"features_per_stage": (8, 10**9)}), "within 1…4096"),
    ],
)
def test_unusable_specifications_are_sentences(spec, says):
    with pytest.raises(ModelError, match=says):
        build_network(spec)
