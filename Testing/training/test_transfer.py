"""Weights of a model in another network: by name and shape, and the last layer by label name."""

from pathlib import Path

import pytest
import torch

from MedSegDLLib.checkpoint import Model
from MedSegDLLib.errors import ModelError
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.model_card import ModelCard, NetworkSpec
from MedSegDLLib.networks import build_network
from MedSegDLLib.strict_json import from_json
from MedSegDLTrainLib.transfer import COPIED, Taken, account, take_over
from Testing.engine.small_model import CARD


def network(outputs, seed=1, channels=1, features=(4, 8), key="unet_2d"):
    """A network in evaluation mode whose every weight, norms and biases too, is random."""
    torch.manual_seed(seed)
    built = build_network(NetworkSpec(key, channels, outputs, {"features_per_stage": features})).eval()
    with torch.no_grad():
        for tensor in built.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.1, 1)
    torch.nn.init.normal_(built.classifier.weight)
    torch.nn.init.normal_(built.classifier.bias)
    return built


def model(*names, outputs=None, **changes) -> Model:
    """A model of labels called `names`; a softmax unless it has one output."""
    outputs = outputs or len(names) + 1
    card = from_json(ModelCard, CARD | {"weights_sha256": "0" * 64}, "card", ModelError)
    table = LabelTable(tuple(Label(value, name, (value, 0, 0)) for value, name in enumerate(names, 1)))
    return Model(card, table, network(outputs, **changes), Path("small"))


@pytest.fixture
def image():
    torch.manual_seed(5)
    return torch.randn(2, 1, 12, 10)


@torch.no_grad()
def logits(of, image):
    return of(image)


def classes(taken):
    return {item.name: item.how for item in taken if "class" in item.how}


def test_the_same_table_is_the_same_network(image):
    old, new = model("heart", "lung"), network(3, seed=2)
    assert not torch.equal(logits(new, image), logits(old.network, image))
    taken = take_over(new, ["heart", "lung"], old)
    assert torch.equal(logits(new, image), logits(old.network, image))
    tensors = [item for item in taken if item.how == COPIED]
    assert len(tensors) == len(new.state_dict()) - 2  # all but weight and bias of the classifier
    assert account(taken) == f"{len(tensors)} tensors as they were\nlast layer, taken over: background, heart, lung"


def test_labels_in_another_order_keep_their_logits(image):
    old, new = model("heart", "lung", "liver"), network(5, seed=2)
    fresh = new.classifier.weight[2].clone(), new.classifier.bias[2].clone()
    taken = take_over(new, ["liver", "aorta", "heart", "spleen"], old)
    before, after = logits(old.network, image), logits(new, image)
    assert torch.equal(after[:, [0, 1, 3]], before[:, [0, 3, 1]])  # background, liver, heart
    assert torch.equal(new.classifier.weight[2], fresh[0])
    assert torch.equal(new.classifier.bias[2], fresh[1])
    assert account(taken).splitlines()[1] == (
        "last layer, taken over: background, liver, heart; new: aorta, spleen; not used of the model's: lung"
    )


def test_names_are_compared_exactly_and_then_whatever_their_capitals(image):
    old, new = model("Heart", "heart", "LUNG"), network(4, seed=2)
    taken = take_over(new, ["lung", "heart", "HEART"], old)
    assert torch.equal(logits(new, image), logits(old.network, image)[:, [0, 3, 2, 1]])
    assert "taken over: background, lung (the model's LUNG), heart, HEART (the model's Heart)" in account(taken)


def test_two_labels_never_share_one_of_the_model_that_one_has_by_its_very_name():
    taken = take_over(network(3), ["heart", "Heart"], model("heart"))
    assert classes(taken) == {"background": "class taken over", "heart": "class taken over", "Heart": "fresh class"}


def test_a_sigmoid_in_a_softmax_gives_the_same_probability(image):
    old, new = model("heart", outputs=1), network(2, seed=2)
    take_over(new, ["heart"], old)
    z = logits(old.network, image)[:, 0]
    torch.testing.assert_close(logits(new, image), torch.stack([-z / 2, z / 2], dim=1))
    torch.testing.assert_close(logits(new, image).softmax(dim=1)[:, 1], z.sigmoid(), rtol=1e-5, atol=1e-6)


def test_a_sigmoid_is_one_of_several_classes_by_its_name(image):
    old, new = model("heart", outputs=1), network(3, seed=2)
    taken = take_over(new, ["aorta", "heart"], old)
    torch.testing.assert_close(logits(new, image)[:, 2], logits(old.network, image)[:, 0] / 2)
    assert classes(taken) == {"background": "class taken over", "aorta": "fresh class", "heart": "class taken over"}


def test_a_softmax_of_two_classes_in_a_sigmoid_gives_the_same_probability(image):
    old, new = model("heart"), network(1, seed=2)
    taken = take_over(new, ["heart"], old)
    expected = logits(old.network, image).softmax(dim=1)[:, 1]
    torch.testing.assert_close(logits(new, image).sigmoid()[:, 0], expected, rtol=1e-5, atol=1e-6)
    assert account(taken).endswith("last layer, taken over: heart")


def test_one_of_several_labels_in_a_sigmoid_is_said_to_be_approximate(image):
    old, new = model("heart", "lung"), network(1, seed=2)
    taken = take_over(new, ["lung"], old)
    before = logits(old.network, image)
    torch.testing.assert_close(logits(new, image)[:, 0], before[:, 2] - before[:, 0], rtol=1e-5, atol=1e-5)
    told = "taken over: lung (approximately: its logit less the background's); not used of the model's: heart"
    assert told in account(taken)


def test_a_sigmoid_in_a_sigmoid_is_the_same_network_if_the_label_is_the_same(image):
    old = model("heart", outputs=1)
    new, other = network(1, seed=2), network(1, seed=2)
    take_over(new, ["heart"], old)
    assert torch.equal(logits(new, image), logits(old.network, image))
    fresh = other.classifier.weight.clone()
    taken = take_over(other, ["aorta"], old)
    assert torch.equal(other.classifier.weight, fresh)
    assert classes(taken) == {"aorta": "fresh class", "heart": "class not used"}


def test_a_first_layer_of_other_channels_stays_fresh():
    old, new = model("heart"), network(2, seed=2, channels=3)
    fresh = new.encoder[0][0].weight.clone()
    taken = take_over(new, ["heart"], old)
    assert torch.equal(new.encoder[0][0].weight, fresh)
    assert torch.equal(new.encoder[0][2].weight, old.network.encoder[0][2].weight)
    assert "fresh: encoder.0.0.weight (the model's shape is 4×1×3×3 instead of 4×3×3×3)" in account(taken).splitlines()


def test_a_deeper_network_says_what_is_new_and_a_shallower_one_what_is_not_used():
    told = account(take_over(network(2, features=(4, 8, 16)), ["heart"], model("heart"))).splitlines()
    (line,) = [line for line in told if "no such tensor" in line]
    assert line.startswith("fresh: encoder.2.0.weight, encoder.2.0.bias")
    assert line.endswith("more (the model has no such tensor)")
    told = account(take_over(network(2), ["heart"], model("heart", features=(4, 8, 16)))).splitlines()
    assert any(line.startswith("not used: encoder.2.0.weight") for line in told)


def test_a_last_layer_of_other_width_stays_fresh():
    """Deeper levels of the same numbers of features fit, the first level does not."""
    new = network(2, seed=2, features=(6, 8, 8))
    before = new.classifier.weight.clone()
    taken = take_over(new, ["heart"], model("heart", features=(4, 8, 8)))
    assert torch.equal(new.classifier.weight, before)
    assert Taken("classifier", "fresh", "the model's last layer has 4 inputs instead of 6") in taken
    assert account(taken).splitlines()[1] == "last layer, new: background, heart; not used of the model's: heart"


@pytest.mark.parametrize("other", [{"features": (5, 9)}, {"key": "no_new_net"}])
def test_a_model_of_which_nothing_fits_is_refused_and_changes_nothing(other):
    new = network(2, seed=2, **other)
    before = {name: tensor.clone() for name, tensor in new.state_dict().items()}
    with pytest.raises(ModelError, match=r"'small', which is a unet_2d with features_per_stage \(4, 8\): start from"):
        take_over(new, ["heart"], model("heart"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in new.state_dict().items())


def test_every_tensor_and_class_is_accounted_for_once():
    old, new = model("heart", "lung", features=(4, 8, 16)), network(3, channels=2)
    taken = take_over(new, ["lung", "aorta"], old)
    tensors = [item.name for item in taken if "class" not in item.how]
    everything = {*new.state_dict(), *old.network.state_dict()} - {"classifier.weight", "classifier.bias"}
    assert sorted(tensors) == sorted(everything)
    assert classes(taken) == {
        "background": "class taken over",
        "lung": "class taken over",
        "aorta": "fresh class",
        "heart": "class not used",
    }
