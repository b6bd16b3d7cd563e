"""Patches from cases to batches: repeatable by (seed, step, index), the same whatever the number of threads."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.cases import IGNORE
from MedSegDLTrainLib.job import Sampling
from MedSegDLTrainLib.patches import PatchSource, rendered
from Testing.training.made_cases import EVERYTHING, NOTHING, made_case, made_job

CPU = torch.device("cpu")
VOLUMES = Sampling((13, 12, 11), 3, "balanced")
SLICES = Sampling((14, 12, 1), 4, "slices")


def _labels(shape=(16, 24, 28)):
    labels = np.zeros(shape, np.uint8)
    labels[3:9, 8:16, 9:19] = 1
    labels[12, 20, 3:8] = 2
    return labels


def _source(sampling=VOLUMES, augmentation=EVERYTHING, seed=0, labels=None, **settings):
    job = made_job(sampling, augmentation, seed=seed, **settings)
    return PatchSource([made_case(_labels() if labels is None else labels)], job), job


def _batch(source, job, step=0):
    return rendered([source.drawn(step, index) for index in range(job.sampling.batch_size)], job, CPU)


@pytest.mark.parametrize("sampling", [VOLUMES, SLICES])
def test_a_patch_depends_on_seed_step_and_index_alone(sampling):
    batch = _batch(*_source(sampling), step=7)
    source, job = _source(sampling)
    alone = rendered([source.drawn(7, 2)], job, CPU)
    assert torch.equal(batch.images[2:3], alone.images)
    assert torch.equal(batch.labels[2:3], alone.labels)
    assert not torch.equal(_batch(*_source(sampling, seed=1), step=7).images, batch.images)
    assert not torch.equal(_batch(source, job, step=8).images, batch.images)
    assert not torch.equal(batch.images[0], batch.images[1])


def test_batches_of_volumes_and_of_slices_have_the_shapes_that_networks_take():
    volumes, slices = _batch(*_source(VOLUMES)), _batch(*_source(SLICES))
    assert (volumes.images.shape, volumes.labels.shape) == ((3, 1, 11, 12, 13), (3, 11, 12, 13))
    assert (slices.images.shape, slices.labels.shape) == ((4, 1, 12, 14), (4, 12, 14))
    assert volumes.images.dtype == torch.float32
    assert volumes.labels.dtype == torch.int64
    assert volumes.cases == ("a", "a", "a")
    assert torch.isfinite(volumes.images).all()


@pytest.mark.parametrize("sampling", [replace(VOLUMES, patch_size=(45, 43, 41)), replace(SLICES, patch_size=(221, 223, 1))])
def test_patches_are_the_same_to_the_bit_with_one_or_two_threads(sampling):
    """Large enough, and odd enough, that PyTorch divides them among threads."""
    threads = torch.get_num_threads()
    found = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            found.append(_batch(*_source(sampling)))
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[0].images, found[1].images)
    assert torch.equal(found[0].labels, found[1].labels)


@pytest.mark.parametrize("size", [(13, 12, 11), (13, 12, 1)])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 3.0, 3.0)])
def test_a_rare_label_that_balanced_draws_is_always_in_the_patch(size, spacing):
    """Five voxels, also where the patch's are three times as far apart. Half of the draws are for that label."""
    source, job = _source(Sampling(size, 60, "balanced"), spacing=spacing)
    labels = _batch(source, job).labels.flatten(1)
    drawn = (labels == 2).any(dim=1)
    assert (drawn | (labels == 1).any(dim=1)).all()
    assert drawn.sum() > 20


def test_foreground_patches_have_a_label_in_their_middle():
    source, job = _source(Sampling((5, 5, 5), 40, "foreground", foreground_fraction=1.0))
    assert (_batch(source, job).labels[:, 2, 2, 2] > 0).all()


def test_voxels_that_nobody_annotated_reach_the_loss_as_such():
    labels = np.full((16, 24, 28), IGNORE, np.uint8)
    labels[5] = 0
    labels[5, 8:16, 9:19] = 1
    for augmentation in (NOTHING, EVERYTHING):
        source, job = _source(Sampling((13, 12, 11), 20, "uniform"), augmentation, labels=labels)
        found = _batch(source, job).labels
        assert set(found.unique().tolist()) <= {0, 1, IGNORE}
        assert (found == IGNORE).any(dim=(1, 2, 3)).all()
        assert (found != IGNORE).flatten(1).any(dim=1).all()


def test_only_the_piece_that_a_patch_needs_is_read():
    labels = np.zeros((60, 64, 68), np.uint8)
    labels[30, 30, 30] = 1
    case = made_case(labels)
    source = PatchSource([case], made_job(Sampling((8, 8, 8), 1, "uniform"), EVERYTHING))
    sizes = [source.drawn(step, 0).image.numel() for step in range(20)]
    assert max(sizes) < case.image.size / 4


def test_without_augmentation_patches_are_crops_of_image_and_labels():
    labels = _labels()
    case = made_case(labels)
    job = made_job(replace(VOLUMES, batch_size=5), NOTHING)
    batch = _batch(PatchSource([case], job), job)
    windows = np.lib.stride_tricks.sliding_window_view(case.image[0], (11, 12, 13))
    for image, label in zip(batch.images.numpy(), batch.labels.numpy(), strict=True):
        (z, y, x), *others = np.argwhere(windows[..., 0, 0, 0] == image[0, 0, 0, 0])
        assert not others
        np.testing.assert_array_equal(image[0], windows[z, y, x])
        np.testing.assert_array_equal(label, labels[z : z + 11, y : y + 12, x : x + 13])


def test_outside_of_the_volume_the_image_is_dark_or_the_mean():
    image = np.full((2, 4, 4, 4), 3.0, np.float32)
    image[0, 0, 0, 0], image[1, 3, 3, 3] = -2, -5
    case = made_case(np.ones((4, 4, 4), np.uint8), image)
    job = made_job(Sampling((8, 8, 8), 200, "uniform"), NOTHING)
    corners = _batch(PatchSource([case], job), job).images.flatten(2)
    outside = [tuple(sorted(set(pair.tolist()) - {3.0})) for patch in corners for pair in patch]
    assert set(outside) == {(-5.0,), (-2.0,), (-2.0, 0.0), (-5.0, 0.0)}
    assert abs(np.mean([len(values) == 1 for values in outside]) - 0.7) < 0.1


def test_a_patch_that_lies_wholly_outside_can_be_drawn():
    """Jitter may take the centre of a slice's patch out of the picture."""
    labels = np.zeros((1, 12, 12), np.uint8)
    labels[0, 0, 0] = 1
    for augmentation in (NOTHING, replace(NOTHING, rotation_degrees=30)):
        sampling = Sampling((5, 5, 1), 40, "slices", foreground_fraction=1.0, jitter_mm=60)
        batch = _batch(*_source(sampling, augmentation, labels=labels))
        assert torch.isfinite(batch.images).all()
        assert (batch.images.flatten(1).std(dim=1) == 0).any()


def test_a_spacing_of_null_keeps_the_cases_own():
    labels = _labels()
    case = made_case(labels, spacing_zyx=(5.0, 0.7, 0.6))
    job = made_job(VOLUMES, NOTHING, spacing=(None, None, None))
    batch = _batch(PatchSource([case], job), job)
    assert np.isin(batch.images[0].numpy(), case.image).all()


def test_cases_of_another_spacing_are_brought_to_the_jobs():
    """At 2 mm, a label of 6 × 8 × 10 mm has 60 voxels, whatever the spacing of its case."""
    labels = np.zeros((12, 24, 28), np.uint8)
    labels[3:6, 8:16, 9:19] = 1
    case = made_case(labels, spacing_zyx=(2.0, 1.0, 1.0))
    job = made_job(Sampling((20, 20, 20), 4, "foreground", 1.0), NOTHING, spacing=(2.0, 2.0, 2.0))
    assert _batch(PatchSource([case], job), job).labels.sum(dim=(1, 2, 3)).tolist() == [60] * 4


def test_slices_are_never_resampled_across():
    case = made_case(_labels(), spacing_zyx=(5.0, 1.0, 1.0))
    job = made_job(SLICES, NOTHING, spacing=(1.0, 1.0, 2.0))
    assert np.isin(_batch(PatchSource([case], job), job).images[0, 0, 6, 6].item(), case.image)


def test_drawn_patches_and_their_source_can_be_pickled():
    source, job = _source()
    again = pickle.loads(pickle.dumps(source))
    patches = [pickle.loads(pickle.dumps(again.drawn(3, index))) for index in range(3)]
    assert torch.equal(rendered(patches, job, CPU).images, _batch(source, job, 3).images)


def test_a_sampler_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="no sampler 'stripes'; known are slices"):
        _source(replace(VOLUMES, sampler="stripes"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("sampling", [VOLUMES, SLICES])
def test_a_gpu_renders_the_same_patches(sampling):
    """But for noise, which comes from the device's own generator, and rounding."""
    source, job = _source(sampling, replace(EVERYTHING, noise=0))
    patches = [source.drawn(0, index) for index in range(3)]
    here, there = rendered(patches, job, CPU), rendered(patches, job, torch.device("cuda"))
    assert (here.images - there.images.cpu()).abs().max() < 0.02
    assert (here.labels != there.labels.cpu()).float().mean() < 1e-3
