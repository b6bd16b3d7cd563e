"""The sampler: repeatable by (step, index), balanced over patients."""

import collections

import numpy as np
import torch

from MedSegDLTrainLib.job import Augmentation, Sampling
from MedSegDLTrainLib.patches import PatchSampler
from MedSegDLTrainLib.slices import AnnotatedSlice

SAMPLING = Sampling(patch_size=(8, 6), batch_size=5, foreground_fraction=1.0, jitter_mm=0.0, empty_slice_fraction=0.25)


def _slices():
    random = np.random.default_rng(0)
    slices = []
    for patient, count in (("A", 1), ("B", 9)):
        for number in range(count):
            label = np.zeros((20, 20), np.uint8)
            label[8:12, 9:13] = 1
            slices.append(
                AnnotatedSlice(
                    random.normal(size=(20, 20)).astype(np.float32), label, (1.0, 1.0), patient, f"{patient}{number}"
                )
            )
    slices.append(AnnotatedSlice(np.ones((20, 20), np.float32), np.zeros((20, 20), np.uint8), (1.0, 1.0), "A", "empty"))
    return slices


def _sampler(seed=0):
    return PatchSampler(_slices(), (1.0, 1.0), SAMPLING, Augmentation(noise=0.1, rotation_degrees=10), seed)


def test_a_patch_depends_on_seed_step_and_index_alone():
    batch = _sampler().batch(7)
    assert batch.images.shape == (5, 1, 6, 8)
    assert batch.labels.dtype == torch.int64
    image, label, case = _sampler().patch(7, 3)
    assert torch.equal(batch.images[3], image)
    assert torch.equal(batch.labels[3], label)
    assert batch.cases[3] == case
    assert not torch.equal(_sampler(seed=1).batch(7).images, batch.images)
    assert not torch.equal(_sampler().batch(8).images, batch.images)


def test_patients_are_drawn_equally_and_empty_slices_as_often_as_asked():
    sampler = _sampler()
    drawn = collections.Counter(sampler.patch(0, index)[2] for index in range(800))
    empty = drawn.pop("empty")
    assert abs(empty / 800 - 0.25) < 0.05
    first = drawn["A0"]
    assert abs(first / (800 - empty) - 0.5) < 0.06


def test_patches_are_centred_on_the_foreground_when_asked():
    sampler = _sampler()
    for index in range(30):
        _, label, case = sampler.patch(1, index)
        assert case == "empty" or label[2:4, 3:5].all()
