"""Cells of the volume: when they are finished, what they hold, and how many there are at a time."""

from itertools import product

import pytest
import torch

from MedSegDLLib.stitching import Stitcher
from MedSegDLLib.windows import importance_map, patch_starts


def test_weighted_mean_of_two_overlapping_patches_by_hand():
    stitcher = Stitcher([[0], [0], [0, 2]], (1, 1, 4))
    a, b = torch.tensor([1.0, 2, 3, 4]), torch.tensor([5.0, 6, 7, 8])
    first = list(stitcher.add((0, 0, 0), a.reshape(1, 1, 1, 4)))
    assert [(block.start, block.features.flatten().tolist()) for block in first] == [((0, 0, 0), [1, 2])]
    second = list(stitcher.add((0, 0, 2), b.reshape(1, 1, 1, 4)))
    assert [block.start for block in second] == [(0, 0, 2), (0, 0, 4)]
    outer, inner = importance_map((4,))[[0, 1]].tolist()
    expected = [(inner * 3 + outer * 5) / (inner + outer), (outer * 4 + inner * 6) / (inner + outer)]
    assert second[0].features.flatten().tolist() == pytest.approx(expected)
    assert second[1].features.flatten().tolist() == [7, 8]


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
@pytest.mark.parametrize("channels_last", [False, True])
def test_constant_patches_give_each_voxel_once(overlap, channels_last):
    shape, patch = (9, 13, 10), (4, 5, 6)
    starts = [patch_starts(n, p, overlap) for n, p in zip(shape, patch, strict=True)]
    stitcher, times = Stitcher(starts, patch), torch.zeros(shape)
    features = torch.full((3, *patch), 2.5)
    if channels_last:
        features = features[None].contiguous(memory_format=torch.channels_last_3d)[0]
    for start in product(*starts):
        for block in stitcher.add(start, features):
            assert torch.allclose(block.features, torch.tensor(2.5))
            assert block.features.stride(0) == 1 or not channels_last
            box = tuple(slice(s, s + n) for s, n in zip(block.start, block.features.shape[1:], strict=True))
            times[box] += 1
    assert bool((times == 1).all())


def test_memory_is_that_of_a_slab():
    patch, starts = (8, 8, 8), [patch_starts(length, 8, 0.5) for length in (80, 16, 16)]
    stitcher, most = Stitcher(starts, patch), 0
    for start in product(*starts):
        for _ in stitcher.add(start, torch.ones(1, *patch)):
            pass
        most = max(most, sum(cell.sums.numel() for cell in stitcher._cells.values()))
    assert most <= 8 * 16 * 16  # of 80·16·16
    assert not stitcher._cells


def test_sums_on_the_host_cannot_be_moved_there():
    assert not Stitcher([[0], [0], [0]], (1, 1, 1)).move_to_host()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_sums_move_from_the_gpu_to_the_host_halfway():
    starts, patch = [patch_starts(n, 4, 0.5) for n in (8, 8, 8)], (4, 4, 4)
    results = []
    for move_after in (None, 5):
        stitcher, sums = Stitcher(starts, patch, torch.device("cuda")), torch.zeros(8, 8, 8)
        for number, start in enumerate(product(*starts)):
            torch.manual_seed(number)
            if number == move_after:
                assert stitcher.move_to_host()
            for block in stitcher.add(start, torch.rand(1, *patch).cuda()):
                box = tuple(slice(s, s + n) for s, n in zip(block.start, block.features.shape[1:], strict=True))
                sums[box] = block.features[0].cpu()
        results.append(sums)
    assert torch.allclose(*results)
