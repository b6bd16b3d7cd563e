"""Features to labels: hand-computed values, then torch's own arg max as the reference, in every memory order and size."""

import pytest
import torch

from MedSegDLLib.labelling import Head


def test_the_largest_logit_wins_by_hand():
    # Two features; logits of the three classes: x, y, 1.5.
    head = Head(3, torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), torch.tensor([0.0, 0.0, 1.5]), None)
    features = torch.tensor([[3.0, 1.0, 0.0, -5.0], [2.0, 4.0, 1.0, -9.0]]).reshape(2, 1, 2, 2)
    assert head.labels_of(features).tolist() == [[[0, 1], [2, 2]]]


def test_the_first_of_equal_logits_wins():
    head = Head(4, torch.zeros(4, 3), torch.tensor([0.0, 7.0, 7.0, 7.0]), None)
    assert (head.labels_of(torch.randn(3, 2, 20, 31)) == 1).all()


def test_a_cutoff_marks_what_lies_above_it():
    head = Head(1, None, None, 0.5)
    assert head.labels_of(torch.tensor([[0.4, 0.5, 0.6]])).tolist() == [0, 0, 1]


@pytest.mark.parametrize("classes", [2, 126, 300])
@pytest.mark.parametrize("voxels", [(1, 1, 1), (1, 1, 511), (1, 2, 256), (3, 17, 29), (2, 100, 101)])
def test_labels_equal_the_arg_max_of_all_logits(classes, voxels):
    generator = torch.Generator().manual_seed(classes)
    weight, bias = torch.randn(classes, 5, generator=generator), torch.randn(classes, generator=generator)
    features = torch.randn(5, *voxels, generator=generator)
    expected = torch.einsum("kf,fzyx->kzyx", weight, features).add_(bias[:, None, None, None]).argmax(dim=0)
    labels = Head(classes, weight, bias, None).labels_of(features)
    assert labels.dtype == ("uint8" if classes <= 256 else "uint16")
    assert (labels == expected.numpy()).all()


@pytest.mark.parametrize("arranged", ["planes", "voxels", "cropped"])
def test_the_memory_order_does_not_matter(arranged):
    features = torch.randn(6, 4, 30, 41, generator=torch.Generator().manual_seed(0))
    logits = Head(6, None, None, None)
    linear = Head(9, torch.randn(9, 6, generator=torch.Generator().manual_seed(1)), torch.zeros(9), None)
    same = {
        "planes": features,
        "voxels": features.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2),
        "cropped": torch.nn.functional.pad(features, (3, 2, 1, 4, 2, 0))[:, 2:, 1:31, 3:44],
    }[arranged]
    assert (logits.labels_of(same) == features.argmax(dim=0).numpy()).all()
    expected = torch.einsum("kf,fzyx->kzyx", linear.weight, features).argmax(dim=0)
    assert (linear.labels_of(same) == expected.numpy()).all()
