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
    loss_sums,
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


@pytest.mark.parametrize("key", LOSSES)
def test_sums_of_unequal_halves_give_the_loss_and_gradient_of_the_whole(key):
    """Two processes that add their sums must get what one would: means of means would not, with these ignore masks."""
    torch.manual_seed(0)
    logits = torch.randn(4, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 3, (4, 5, 6))
    labels[0, :, :4] = IGNORE
    whole = LOSSES[key](loss_sums(logits, labels))
    halves = [loss_sums(logits[part], labels[part]) for part in (slice(0, 1), slice(1, 4))]
    added = LossSums(*(a + b for a, b in zip(vars(halves[0]).values(), vars(halves[1]).values(), strict=True)))
    torch.testing.assert_close(LOSSES[key](added), whole, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        *(torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (LOSSES[key](added), whole)),
        rtol=1e-9,
        atol=1e-15,
    )


@pytest.mark.parametrize("key", LOSSES)
def test_gradients_agree_with_finite_differences(key):
    torch.manual_seed(1)
    logits = torch.randn(2, 3, 2, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 3, (2, 2, 3))
    assert torch.autograd.gradcheck(lambda values: LOSSES[key](loss_sums(values, labels)), logits)


def test_nothing_predicted_where_nothing_is_costs_no_dice():
    sums = loss_sums(torch.full((1, 1, 4, 4), -40.0), torch.zeros(1, 4, 4, dtype=torch.long))
    assert dice(sums).item() == pytest.approx(0, abs=1e-6)
