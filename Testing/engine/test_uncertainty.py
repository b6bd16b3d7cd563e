"""Mean entropy: values by hand, then the streamed sum against all logits at once."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from MedSegDLLib.checkpoint import load_model
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.segment import segment
from MedSegDLLib.sliding_window import segment_array
from MedSegDLLib.target_grid import TargetGrid
from MedSegDLLib.uncertainty import FLOOR_BITS, Uncertainty, entropy_bits
from Testing.engine.test_sliding_window import dense_logits
from Testing.engine.tiny_networks import TinyNetwork
from Testing.models import BRIGHT, BRIGHT_AND_BRIGHTEST, write_bright_model

QUARTER = 2 - 0.75 * math.log2(3)  # entropy of 1/4 and 3/4: (1/4)·2 + (3/4)·(2 − log₂ 3) bits


def columns(*voxels) -> torch.Tensor:
    """(1, K, voxels) of the logits of each voxel."""
    return torch.tensor(voxels, dtype=torch.float32).T[None]


def test_entropies_by_hand():
    two = columns((0, 0), (0, math.log(3)), (100, -100))
    assert entropy_bits(two)[0].tolist() == pytest.approx([1, QUARTER, 0], abs=1e-6)
    assert entropy_bits(columns((5, 5, 5, 5)))[0].tolist() == pytest.approx([2])
    one = columns((0,), (math.log(3),), (-math.log(3),), (100,), (-1000,))
    assert entropy_bits(one)[0].tolist() == pytest.approx([1, QUARTER, QUARTER, 0, 0], abs=1e-6)


def test_sure_background_does_not_count_and_a_sure_organ_does():
    logits = columns((0, 0), (0, math.log(3)), (0, 40), *[(40, 0)] * 1000)
    uncertainty = Uncertainty()
    uncertainty.add(logits, logits.argmax(dim=1))
    assert uncertainty.mean_entropy == pytest.approx((1 + QUARTER + 0) / 3)


def test_the_floor_is_what_its_comment_says():
    chance = 0.013
    assert entropy_bits(columns((math.log(chance / (1 - chance)),))).item() == pytest.approx(FLOOR_BITS, abs=0.001)


def test_nothing_found_and_no_doubt_is_zero():
    uncertainty = Uncertainty()
    uncertainty.add(columns((40, 0), (40, 0)), torch.zeros(1, 2, dtype=torch.long))
    assert uncertainty.mean_entropy == 0


@pytest.mark.parametrize("outputs, activation", [(1, "sigmoid"), (3, "softmax"), (9, "softmax")])
@pytest.mark.parametrize("finer", [False, True])
def test_the_streamed_mean_is_that_of_all_logits(outputs, activation, finer):
    """Nine outputs of a network with fewer features are classified slab by slab."""
    network = TinyNetwork(3, outputs)
    array = np.random.default_rng(0).normal(size=(1, 9, 13, 11)).astype(np.float32)
    target = TargetGrid((9, 25, 11), (1.0, 0.5, 1.0)) if finer else None
    uncertainty = Uncertainty()
    labels = segment_array(array, network, (4, 6, 5), 0.5, activation, target_grid=target, uncertainty=uncertainty)
    logits = torch.from_numpy(dense_logits(array, network, (4, 6, 5), 0.5))
    if finer:
        logits = interpolate(logits[None], (9, 25, 11), mode="trilinear", align_corners=True)[0]
    expected = Uncertainty()
    expected.add(logits.flatten(1)[None].float(), torch.from_numpy(labels.astype(int)).flatten()[None])
    assert 0 < uncertainty.mean_entropy < math.log2(max(outputs, 2)) + 1e-6
    assert uncertainty.mean_entropy == pytest.approx(expected.mean_entropy, rel=1e-4)


@pytest.mark.parametrize("table", [BRIGHT, BRIGHT_AND_BRIGHTEST])
def test_a_faint_organ_is_less_sure_than_a_bright_one(tmp_path, table):
    model = load_model(write_bright_model(tmp_path, labels=table))

    def entropy_of(spread: float) -> float:
        array = np.zeros((1, 4, 32, 32), np.float32)
        array[:, 1:3, 10:20, 10:20] = 100
        noise = np.random.default_rng(0).normal(0, spread, array.shape).astype(np.float32)
        image = Image(array + noise, Geometry((32, 32, 4), (1.0, 1.0, 8.0)))
        return segment(image, model, SegmentOptions("cpu", "float32", uncertainty=True)).mean_entropy

    assert entropy_of(60) > entropy_of(1)


def test_nobody_gets_an_entropy_who_did_not_ask(tmp_path):
    image = Image(np.random.default_rng(0).normal(size=(1, 2, 32, 32)).astype(np.float32), Geometry((32, 32, 2)))
    assert segment(image, load_model(write_bright_model(tmp_path)), SegmentOptions("cpu", "float32")).mean_entropy is None
