"""Losses with values computed by hand, and the sums that they are made of."""

import math

import pytest
import torch

from MedSegDLTrainLib.cases import IGNORE
from MedSegDLTrainLib.losses import (
    LOSSES,
    LossSums,
    cross_entropy,
    dice,
    dice_and_cross_entropy,
    dice_of_all_classes_and_cross_entropy,
    gradients_of,
    loss_sums,
    sum_of,
)


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


# Four voxels with foreground probabilities .8 .4 .1 .5; the first two are foreground.
LOGITS = torch.tensor([_logit(p) for p in (0.8, 0.4, 0.1, 0.5)]).reshape(1, 1, 2, 2)
LABELS = torch.tensor([1, 1, 0, 0]).reshape(1, 2, 2)


def test_binary_values_by_hand():
    sums = loss_sums(LOGITS, LABELS)
    assert cross_entropy(sums).item() == pytest.approx(-sum(map(math.log, (0.8, 0.4, 0.9, 0.5))) / 4, rel=1e-5)
    assert dice(sums).item() == pytest.approx(1 - 2 * (0.8 + 0.4) / (1.8 + 2), rel=1e-4)
    assert dice_and_cross_entropy(sums).item() == pytest.approx((dice(sums) + cross_entropy(sums)).item())


def test_ignored_voxels_take_no_part():
    labels = LABELS.clone()
    labels[0, 1, 1] = IGNORE
    sums = loss_sums(LOGITS, labels)
    assert sums.voxels.item() == 3
    assert cross_entropy(sums).item() == pytest.approx(-sum(map(math.log, (0.8, 0.4, 0.9))) / 3, rel=1e-5)
    assert dice(sums).item() == pytest.approx(1 - 2 * 1.2 / (1.3 + 2), rel=1e-4)


def test_softmax_of_two_classes_is_the_sigmoid():
    two = torch.cat([torch.zeros_like(LOGITS), LOGITS], dim=1)
    for loss in (cross_entropy, dice, dice_and_cross_entropy):
        torch.testing.assert_close(loss(loss_sums(two, LABELS)), loss(loss_sums(LOGITS, LABELS)))


def test_the_background_is_a_class_among_all_by_hand():
    """Foreground: 2 · 1.2 / (1.8 + 2). Background, probabilities .2 .6 .9 .5: 2 · 1.4 / (2.2 + 2)."""
    sums = loss_sums(torch.cat([torch.zeros_like(LOGITS), LOGITS], dim=1), LABELS)
    overlap = (2.4 / 3.8 + 2.8 / 4.2) / 2
    assert dice_of_all_classes_and_cross_entropy(sums).item() == pytest.approx(
        1 - overlap + cross_entropy(sums).item(), rel=1e-4
    )


def test_a_class_absent_from_patch_and_prediction_scores_one():
    logits = torch.tensor([0.0, 0.0, -200.0]).reshape(1, 3, 1, 1).expand(1, 3, 4, 4)
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    # Background .5 everywhere: 2 · 8 / (8 + 16). First class: 0 of 8. Second: neither there nor predicted.
    assert dice(loss_sums(logits, labels)).item() == pytest.approx(1 - (0 + 1) / 2, abs=1e-4)


def _numbers(sums: LossSums) -> list[list[float]]:
    return [value.flatten().tolist() for value in vars(sums).values()]


def test_sums_of_parts_by_hand():
    """The four voxels above as two batches of two rows."""
    parts = [loss_sums(LOGITS[:, :, row : row + 1], LABELS[:, row : row + 1]) for row in (0, 1)]
    assert _numbers(parts[0])[1:] == [[2], [pytest.approx(1.2)], [pytest.approx(1.2)], [2]]
    assert _numbers(parts[1])[1:] == [[2], [0], [pytest.approx(0.6)], [0]]
    assert _numbers(sum_of(parts)) == [pytest.approx(numbers, rel=1e-6) for numbers in _numbers(loss_sums(LOGITS, LABELS))]


def _unequal_parts(channels: int) -> tuple[torch.Tensor, torch.Tensor, list[slice]]:
    """Logits and labels of four images, of which the first is annotated in one row of five only, and two unequal parts."""
    generator = torch.Generator().manual_seed(channels)
    logits = torch.randn(4, channels, 5, 6, dtype=torch.float64, generator=generator)
    labels = torch.randint(0, max(channels, 2), (4, 5, 6), generator=generator)
    labels[0, :, :4] = IGNORE
    return logits, labels, [slice(0, 1), slice(1, 4)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("key", LOSSES)
def test_sums_of_unequal_halves_give_the_loss_and_gradient_of_the_whole(key, channels):
    """Two processes that add their sums must get what one would: means of means would not, with these ignore masks."""
    logits, labels, parts = _unequal_parts(channels)
    logits.requires_grad_()
    whole = LOSSES[key](loss_sums(logits, labels))
    added = LOSSES[key](sum_of([loss_sums(logits[part], labels[part]) for part in parts]))
    torch.testing.assert_close(added, whole, rtol=1e-12, atol=0)
    gradients = (torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (added, whole))
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("key", LOSSES)
def test_parts_that_go_through_the_network_one_by_one_give_the_gradient_of_the_whole(key, channels):
    """How a batch is accumulated: the sums of all parts first, then the gradient of the loss with respect to them."""
    images, labels, parts = _unequal_parts(channels)
    network = torch.nn.Conv2d(channels, channels, 3, padding=1).double()
    whole = LOSSES[key](loss_sums(network(images), labels))
    expected = torch.autograd.grad(whole, list(network.parameters()))
    with torch.no_grad():
        total = sum_of([loss_sums(network(images[part]), labels[part]) for part in parts])
    loss, gradients = gradients_of(LOSSES[key], total)
    torch.testing.assert_close(loss, whole.detach(), rtol=1e-12, atol=0)
    for part in parts:
        torch.autograd.backward(loss_sums(network(images[part]), labels[part]).tensors(), gradients)
    for found, wanted in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(found.grad, wanted, rtol=1e-9, atol=1e-14)


def test_the_mean_of_the_parts_losses_is_another_loss():
    """What the sums are for: with unequal parts, averaging their losses is wrong by far more than rounding."""
    logits, labels, parts = _unequal_parts(3)
    for loss in LOSSES.values():
        whole = loss(loss_sums(logits, labels))
        mean = sum(loss(loss_sums(logits[part], labels[part])) for part in parts) / 2
        assert abs(mean - whole) > 1e-3


@pytest.mark.parametrize("key", LOSSES)
def test_gradients_agree_with_finite_differences(key):
    torch.manual_seed(1)
    logits = torch.randn(2, 3, 2, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 3, (2, 2, 3))
    assert torch.autograd.gradcheck(lambda values: LOSSES[key](loss_sums(values, labels)), logits)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("channels", [1, 5])
def test_logits_of_half_precision_are_added_up_in_float32(channels, layout, dtype):
    """Against float64 on the very same numbers; 80,000 voxels added up in bfloat16 would stop at 256."""
    torch.manual_seed(0)
    half = (3 * torch.randn(2, channels, 20, 40, 50)).to(dtype).contiguous(memory_format=layout).requires_grad_()
    exact = half.detach().double().requires_grad_()
    labels = torch.randint(0, max(channels, 2), (2, 20, 40, 50))
    labels[0, :15] = IGNORE
    sums, expected = loss_sums(half, labels), loss_sums(exact, labels)
    for found, wanted in zip(vars(sums).values(), vars(expected).values(), strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=0)
    for loss in LOSSES.values():
        gradient, wanted = (
            torch.autograd.grad(loss(total), x, retain_graph=True)[0] for total, x in ((sums, half), (expected, exact))
        )
        assert gradient.dtype == dtype
        assert gradient.is_contiguous(memory_format=layout)
        # What the format itself rounds away: a gradient of half precision has 8 or 11 digits, and nothing below 6e-8.
        torch.testing.assert_close(gradient.double(), wanted, rtol=torch.finfo(dtype).eps, atol=6e-8)


def test_an_image_that_nobody_annotated_has_no_loss_and_no_gradient():
    for channels in (1, 3):
        logits = torch.randn(1, channels, 4, 4, requires_grad=True)
        loss = dice_and_cross_entropy(loss_sums(logits, torch.full((1, 4, 4), IGNORE)))
        assert loss.item() == pytest.approx(0, abs=1e-6)
        assert not torch.autograd.grad(loss, logits)[0].any()


def test_nothing_predicted_where_nothing_is_costs_no_dice():
    sums = loss_sums(torch.full((1, 1, 4, 4), -40.0), torch.zeros(1, 4, 4, dtype=torch.long))
    assert dice(sums).item() == pytest.approx(0, abs=1e-6)
