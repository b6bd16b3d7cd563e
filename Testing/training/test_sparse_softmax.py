"""The sparse sums against values by hand, finite differences and plain torch."""

import math

import pytest
import torch
from torch.nn import functional

from MedSegDLTrainLib.sparse_softmax import SoftmaxSums


def _plain(logits, labels, counted):
    """The same sums with tensors of one-hot labels, differentiated by torch."""
    mask = counted[:, None].to(logits.dtype)
    probabilities = logits.softmax(dim=1) * mask
    one_hot = functional.one_hot(labels, logits.shape[1]).movedim(-1, 1)
    entropy = functional.cross_entropy(logits, labels, reduction="none")[:, None] * mask
    return entropy.sum(), (probabilities * one_hot).sum((0, 2)), probabilities.sum((0, 2))


def _example(classes, samples, voxels, dtype=torch.float64):
    generator = torch.Generator().manual_seed(classes)
    logits = torch.randn(samples, classes, voxels, generator=generator, dtype=dtype) * 3
    labels = torch.randint(0, classes, (samples, voxels), generator=generator)
    return logits.requires_grad_(), labels, torch.rand(samples, voxels, generator=generator) < 0.8


def test_values_by_hand():
    # Two voxels with probabilities (.2, .3, .5) and (.6, .3, .1), whose classes are 2 and 0; a third is not counted.
    logits = torch.tensor([[[0.2, 0.6, 1.0], [0.3, 0.3, 1.0], [0.5, 0.1, 1.0]]]).log()
    entropy, intersection, prediction = SoftmaxSums.apply(
        logits, torch.tensor([[2, 0, 1]]), torch.tensor([[True, True, False]])
    )
    assert entropy.item() == pytest.approx(-math.log(0.5) - math.log(0.6), rel=1e-6)
    assert intersection.tolist() == pytest.approx([0.6, 0, 0.5])
    assert prediction.tolist() == pytest.approx([0.8, 0.6, 0.6])


@pytest.mark.parametrize(("classes", "samples", "voxels"), [(2, 1, 1), (3, 2, 700), (126, 2, 2081), (126, 1, 6000)])
def test_sums_and_gradient_equal_plain_torch(classes, samples, voxels):
    logits, labels, counted = _example(classes, samples, voxels)
    results = SoftmaxSums.apply(logits, labels, counted), _plain(logits, labels, counted)
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    weights = [torch.randn_like(result) for result in results[0]]
    ours, plain = (torch.autograd.grad(result, logits, weights)[0] for result in results)
    torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-13)


def test_the_gradient_agrees_with_finite_differences():
    logits, labels, counted = _example(4, 2, 5)
    assert torch.autograd.gradcheck(lambda values: SoftmaxSums.apply(values, labels, counted), logits)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_added_up_in_float32(dtype):
    logits, labels, counted = _example(126, 1, 5000, torch.float32)
    half = logits.detach().to(dtype).requires_grad_()
    exact = half.detach().float().requires_grad_()
    results = SoftmaxSums.apply(half, labels, counted), _plain(exact, labels, counted)
    for ours, plain in zip(*results, strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-4)
    ours, plain = (
        torch.autograd.grad(sum(part.sum() for part in result), values)[0]
        for result, values in zip(results, (half, exact), strict=True)
    )
    assert ours.dtype == dtype
    torch.testing.assert_close(ours.float(), plain, rtol=1e-2, atol=1e-4)


def test_huge_logits_stay_finite():
    logits = torch.tensor([[[1e4], [-1e4], [9.9e3]]], requires_grad=True)
    results = SoftmaxSums.apply(logits, torch.tensor([[1]]), torch.tensor([[True]]))
    sum(result.sum() for result in results).backward()
    assert results[0].item() == 2e4
    assert torch.isfinite(logits.grad).all()


def test_the_largest_tensor_that_is_made_beside_the_gradient_is_a_piece():
    """Every allocation between the logits and the gradient is counted, as the point is not to make more of their size."""
    logits, labels, counted = _example(126, 1, 100_000, torch.float32)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        results = SoftmaxSums.apply(logits, labels, counted)
        gradient = torch.autograd.grad(sum(result.sum() for result in results), logits)[0]
    size = gradient.nelement() * gradient.element_size()
    sizes = sorted(event.cpu_memory_usage for event in profile.events() if event.name == "aten::empty_like")
    assert sizes[-1] == size
    made = [
        event.cpu_memory_usage for event in profile.events() if event.cpu_memory_usage >= size / 4 and not event.cpu_children
    ]
    assert made == [size]
