"""The streaming sliding window against the plain one: all logits, Gaussian weights, then the decision."""

from itertools import chain, combinations, product

import numpy as np
import pytest
import torch
from torch.nn import functional

from MedSegDLLib.errors import Cancelled, DeviceError, ModelError
from MedSegDLLib.progress import CancelToken
from MedSegDLLib.sliding_window import segment_array
from MedSegDLLib.stopwatch import Stopwatch
from MedSegDLLib.target_grid import TargetGrid
from Testing.engine.tiny_networks import TinyNetwork


def _gaussian(patch: tuple[int, ...]) -> np.ndarray:
    axes = [np.exp(-((np.arange(n) - (n - 1) / 2) ** 2) / (2 * (n / 8) ** 2)) for n in patch]
    weights = axes[0][:, None, None] * axes[1][:, None] * axes[2]
    return np.maximum(weights, max(weights.min(), 1e-3))


def _starts(length: int, patch: int, overlap: float) -> list[int]:
    step = max(int(patch * (1 - overlap)), 1)
    return sorted({min(n, length - patch) for n in range(0, length, step)}) if length > patch else [0]


def dense_logits(array, network, patch, overlap, mirror_axes="") -> np.ndarray:
    """Logits (K, Z, Y, X), stitched the usual way in float64."""
    sizes = list(zip(patch, array.shape[1:], strict=True))
    pads = [(max(p - n, 0) // 2, max(p - n, 0) - max(p - n, 0) // 2) for p, n in sizes]
    volume = np.pad(array, [(0, 0), *pads])
    total = np.zeros((network.classifier.out_channels, *volume.shape[1:]))
    weights, gaussian = np.zeros(volume.shape[1:]), _gaussian(patch)
    for start in product(*(_starts(n, p, overlap) for n, p in zip(volume.shape[1:], patch, strict=True))):
        box = tuple(slice(s, s + p) for s, p in zip(start, patch, strict=True))
        total[(slice(None), *box)] += _patch_logits(volume[(slice(None), *box)], network, mirror_axes) * gaussian
        weights[box] += gaussian
    inner = tuple(slice(first, first + n) for (first, _), n in zip(pads, array.shape[1:], strict=True))
    return (total / weights)[(slice(None), *inner)]


def _patch_logits(patch: np.ndarray, network, mirror_axes: str) -> np.ndarray:
    axes = ["zyx".index(axis) + 1 for axis in mirror_axes]
    flips = list(chain.from_iterable(combinations(axes, n) for n in range(len(axes) + 1)))
    runs = []
    for flip in flips:
        batch = torch.from_numpy(np.flip(patch, flip).copy())[None]
        with torch.no_grad():
            logits = network(batch[:, :, 0])[:, :, None] if network.dimensions == 2 else network(batch)
        runs.append(np.flip(logits[0].numpy(), flip))
    return np.mean(runs, axis=0)


def _agree(labels: np.ndarray, logits: np.ndarray) -> None:
    """The labels are the arg max, but for voxels whose two best logits are equal to rounding."""
    expected = logits.argmax(axis=0)
    best = np.sort(logits, axis=0)
    clear = best[-1] - best[-2] > 1e-5
    assert clear.mean() > 0.999
    assert np.array_equal(labels[clear], expected[clear])
    assert len(np.unique(expected)) > 1  # or the comparison would say nothing


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
@pytest.mark.parametrize("shape", [(16, 16, 16), (19, 13, 22), (5, 30, 8)])
def test_volumes_equal_dense_stitching(shape, overlap):
    network, array = TinyNetwork(3, classes=9), _noise(1, *shape)
    labels = segment_array(array, network, (8, 10, 12), overlap)
    assert labels.dtype == np.uint8
    _agree(labels, dense_logits(array, network, (8, 10, 12), overlap))


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 21, 37), (4, 9, 40)])
@pytest.mark.parametrize("batch_size", [1, 5])
def test_slices_equal_dense_stitching(shape, overlap, batch_size):
    network, array = TinyNetwork(2, classes=6, channels=2), _noise(2, *shape)
    labels = segment_array(array, network, (1, 12, 16), overlap, batch_size=batch_size)
    _agree(labels, dense_logits(array, network, (1, 12, 16), overlap))


@pytest.mark.parametrize("classes", [3, 9])  # fewer and more than features: logits are stitched, or features
@pytest.mark.parametrize("mirror_axes", ["x", "xy", "xyz"])
def test_mirroring_averages_logits(classes, mirror_axes):
    network, array = TinyNetwork(3, classes=classes), _noise(1, 10, 14, 13)
    labels = segment_array(array, network, (8, 8, 8), mirror_axes=mirror_axes)
    _agree(labels, dense_logits(array, network, (8, 8, 8), 0.5, mirror_axes))


def test_slices_are_not_mirrored_along_z():
    network, array = TinyNetwork(2, classes=9), _noise(1, 2, 14, 13)
    both = [segment_array(array, network, (1, 8, 8), mirror_axes=axes) for axes in ("xy", "xyz")]
    assert np.array_equal(*both)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.6])
def test_one_sigmoid_output_against_its_threshold(threshold):
    network, array = TinyNetwork(3, classes=1), _noise(1, 11, 12, 13)
    labels = segment_array(array, network, (8, 8, 8), activation="sigmoid", threshold=threshold)
    probability = 1 / (1 + np.exp(-dense_logits(array, network, (8, 8, 8), 0.5)[0]))
    clear = np.abs(probability - threshold) > 1e-6
    assert np.array_equal(labels[clear], (probability > threshold)[clear])
    assert 0 < labels.mean() < 1


@pytest.mark.parametrize("classes", [3, 9])
def test_labels_on_a_finer_grid_are_of_interpolated_logits(classes):
    network, array = TinyNetwork(3, classes=classes), _noise(1, 9, 15, 13)
    logits = torch.from_numpy(dense_logits(array, network, (8, 8, 8), 0.5))[None]
    expected = functional.interpolate(logits, (18, 45, 26), mode="trilinear", align_corners=False)[0].numpy()
    scale = (9 / 18, 15 / 45, 13 / 26)
    target = TargetGrid((18, 45, 26), scale, tuple((s - 1) / 2 for s in scale))
    _agree(segment_array(array, network, (8, 8, 8), target_grid=target), expected)


def test_interpolation_of_padded_slices_with_planes_left_alone():
    network, array = TinyNetwork(2, classes=7), _noise(1, 4, 9, 20)
    logits = torch.from_numpy(dense_logits(array, network, (1, 12, 12), 0.5))
    expected = functional.interpolate(logits, (18, 40), mode="bilinear", align_corners=False).numpy()
    target = TargetGrid((4, 18, 40), (1.0, 0.5, 0.5), (0.0, -0.25, -0.25))
    _agree(segment_array(array, network, (1, 12, 12), target_grid=target), expected)


def test_a_part_of_the_volume():
    network, array = TinyNetwork(3, classes=7), _noise(1, 12, 20, 18)
    whole = segment_array(array, network, (8, 8, 8))
    part = segment_array(array, network, (8, 8, 8), target_grid=TargetGrid((5, 13, 2), offset=(3.0, 7.0, 16.0)))
    assert np.array_equal(part, whole[3:8, 7:20, 16:18])


def test_more_than_256_classes():
    network, array = TinyNetwork(2, classes=300), _noise(1, 1, 10, 10)
    labels = segment_array(array, network, (1, 8, 8))
    assert labels.dtype == np.uint16
    _agree(labels, dense_logits(array, network, (1, 8, 8), 0.5))


def test_channels_last_gives_the_same_labels():
    network, array = TinyNetwork(3, classes=9), _noise(1, 12, 13, 14)
    logits = dense_logits(array, network, (8, 8, 8), 0.5)
    _agree(segment_array(array, network, (8, 8, 8), channels_last=True), logits)


def test_bfloat16_adds_up_in_float32():
    network, array = TinyNetwork(3, classes=9), _noise(1, 12, 13, 14)
    plain = segment_array(array, network, (8, 8, 8))
    short = segment_array(array, network, (8, 8, 8), precision="bfloat16", channels_last=True)
    assert 0.97 < (plain == short).mean() < 1
    assert next(network.parameters()).dtype == torch.float32  # the caller's network stays as it was


def test_two_runs_are_equal_to_the_bit_and_leave_the_input_alone():
    network, array = TinyNetwork(3, classes=9), _noise(1, 12, 13, 14)
    before = array.copy()
    assert np.array_equal(segment_array(array, network, (8, 8, 8)), segment_array(array, network, (8, 8, 8)))
    assert np.array_equal(array, before)


def test_too_little_memory_halves_the_batch():
    network, array = TinyNetwork(3, classes=9, room=2), _noise(1, 16, 16, 16)
    labels = segment_array(array, network, (8, 8, 8), overlap=0, batch_size=8)
    assert network.seen == [8, 4, 2, 2, 2, 2]
    network.room = None
    assert np.array_equal(labels, segment_array(array, network, (8, 8, 8), overlap=0))


def test_no_room_for_one_patch_is_a_sentence():
    with pytest.raises(DeviceError, match=r"too little memory .*one patch of 12×10×8 voxels .*smaller region"):
        segment_array(_noise(1, 8, 10, 12), TinyNetwork(3, classes=9, room=0), (8, 10, 12), batch_size=4)


def test_a_failed_device_is_a_sentence_and_other_errors_are_not_hidden():
    class Broken(TinyNetwork):
        def features(self, batch):
            raise RuntimeError(self.text)

    network = Broken(3, classes=9)
    network.text = "CUDA error: an illegal memory access was encountered\nmore"
    with pytest.raises(DeviceError, match="illegal memory access was encountered\\): try again"):
        segment_array(_noise(1, 8, 8, 8), network, (8, 8, 8))
    network.text = "a mistake in the program"
    with pytest.raises(RuntimeError, match="a mistake"):
        segment_array(_noise(1, 8, 8, 8), network, (8, 8, 8))


def test_cancelling_acts_before_the_next_patch():
    network, cancel = TinyNetwork(3, classes=9), CancelToken()

    def progress(stage, fraction, seconds_left):
        if fraction >= 3 / 8:
            cancel.cancel()

    with pytest.raises(Cancelled):
        segment_array(_noise(1, 16, 16, 16), network, (8, 8, 8), overlap=0, progress=progress, cancel=cancel)
    assert len(network.seen) == 3


def test_progress_counts_patches_and_the_stopwatch_both_stages():
    told, stopwatch = [], Stopwatch()
    segment_array(
        _noise(1, 16, 16, 16),
        TinyNetwork(3, classes=9),
        (8, 8, 8),
        overlap=0,
        batch_size=3,
        progress=lambda *step: told.append(step),
        stopwatch=stopwatch,
    )
    assert [(stage, fraction) for stage, fraction, _ in told] == [("network", n / 8) for n in (0, 3, 6, 8)]
    assert told[0][2] is None
    assert told[-1][2] == 0
    assert list(stopwatch.seconds) == ["network", "stitch"]


def test_a_threshold_or_activation_that_cannot_be():
    with pytest.raises(ModelError, match="one output, but this one has 9"):
        segment_array(_noise(1, 8, 8, 8), TinyNetwork(3, classes=9), (8, 8, 8), activation="sigmoid")
    with pytest.raises(ModelError, match="between 0 and 1"):
        segment_array(_noise(1, 8, 8, 8), TinyNetwork(3, classes=1), (8, 8, 8), activation="sigmoid", threshold=1.5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("dimensions", [2, 3])
def test_gpu_gives_the_labels_of_the_cpu(dimensions):
    network, array = TinyNetwork(dimensions, classes=9), _noise(1, 12, 20, 18)
    patch = (1, 8, 8) if dimensions == 2 else (8, 8, 8)
    logits = dense_logits(array, network, patch, 0.5)
    _agree(segment_array(array, network, patch, device="cuda"), logits)
    fast = segment_array(array, network, patch, device="cuda", precision="bfloat16", channels_last=True)
    assert (fast == logits.argmax(axis=0)).mean() > 0.97
