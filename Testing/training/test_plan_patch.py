"""Sizes of patches and depths of networks, by hand."""

from itertools import pairwise

import pytest

from MedSegDLLib.errors import InputError
from MedSegDLLib.networks import NETWORKS, build_network
from MedSegDLTrainLib.planning.network import dimensions_of, network_of, outputs_of, stages_for
from MedSegDLTrainLib.planning.patch import shrinking, wanted_patch
from Testing.training.plan_examples import facts, fingerprint


def test_a_patch_holds_the_labels_and_half_as_much_again():
    found = fingerprint(facts(size=(400, 400, 10), spacing=(1.0, 1.0, 8.0), extent=(160.0, 120.0, 80.0)))
    size, why = wanted_patch(found, (1.0, 1.0, None), 2)
    assert size == (256, 192, 1)  # 240 and 180 in whole 32
    assert "160 × 120 mm" in why


def test_a_patch_is_no_larger_than_the_image_and_no_smaller_than_a_neighbourhood():
    found = fingerprint(facts(size=(100, 60, 40), spacing=(1.0, 1.0, 1.0), extent=(90.0, 10.0, 10.0)))
    size, _ = wanted_patch(found, (1.0, 1.0, 1.0), 3)
    assert size == (112, 64, 48)  # 100, 60 and 40 in whole 16


def test_spacing_decides_how_many_voxels_that_is():
    found = fingerprint(facts(size=(200, 200, 100), spacing=(1.0, 1.0, 2.0), extent=(128.0, 128.0, 128.0)))
    assert wanted_patch(found, (2.0, 2.0, 2.0), 3)[0] == (96, 96, 96)
    assert wanted_patch(found, (1.0, 1.0, 2.0), 3)[0] == (192, 192, 96)


def test_cases_without_a_label_say_nothing():
    found = fingerprint(facts(extent=None, voxels=(0,)), facts(size=(200, 200, 200), extent=(100.0, 100.0, 300.0)))
    assert wanted_patch(found, (1.0, 1.0, 3.0), 3)[0] == (160, 160, 160)


@pytest.mark.parametrize("start, dimensions", [((256, 192, 1), 2), ((160, 160, 96), 3), ((128, 128, 12), 3), ((30, 20, 1), 2)])
def test_patches_shrink_to_an_end_in_whole_strides(start, dimensions):
    sizes = list(shrinking(start, dimensions))
    assert sizes[0] == start and len(sizes) < 10
    for before, after in pairwise(sizes):
        assert all(new <= old for new, old in zip(after, before, strict=True)) and after != before
        stride = 2 ** (stages_for(after, dimensions) - 1)
        assert all(length % stride == 0 for length in after[:dimensions])


def test_patches_shrink_by_a_fifth():
    assert list(shrinking((128, 128, 128), 3)) == [(128, 128, 128), (96, 96, 96), (64, 64, 64), (48, 48, 48)]


@pytest.mark.parametrize(
    "size, dimensions, stages",
    [
        ((128, 128, 1), 2, 6),
        ((127, 96, 1), 2, 5),
        ((64, 64, 64), 3, 5),
        ((48, 48, 48), 3, 4),
        ((128, 128, 8), 3, 3),
        ((4, 4, 4), 3, 2),
    ],
)
def test_a_network_is_as_deep_as_its_patch_allows(size, dimensions, stages):
    assert stages_for(size, dimensions) == stages


def test_features_double_up_to_sixteen_times_the_first():
    numbers = network_of("unet_2d", 1, 16, 6).numbers
    assert numbers == {"features_per_stage": (16, 32, 64, 128, 256, 256), "block": "conv_norm_relu", "up_kernel": 2}
    assert network_of("no_new_net", 4, 40, 5).numbers == {"features_per_stage": (40, 80, 160, 320, 512)}


@pytest.mark.parametrize("key", NETWORKS)
def test_every_network_can_be_planned(key):
    network = build_network(network_of(key, 3, 8, 3))
    assert network.dimensions == dimensions_of(key) and network.classifier.out_channels == 3


def test_an_unknown_network_is_a_sentence():
    with pytest.raises(InputError, match="There is no network 'unet'; known are unet_2d"):
        dimensions_of("unet")


def test_one_label_needs_one_output():
    assert outputs_of(("heart",)) == (1, "sigmoid")
    assert outputs_of(("heart", "lung")) == (3, "softmax")
