"""Starting from a trained model: its weights in a new network, the last layer's by label name, the rest by name and shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from MedSegDLLib.checkpoint import Model
from MedSegDLLib.errors import ModelError

BACKGROUND = "background"
# What can happen to a tensor, and to a class of the last layer.
COPIED, FRESH, UNUSED = "taken over", "fresh", "not used"
COPIED_CLASS, FRESH_CLASS, UNUSED_CLASS = "class taken over", "fresh class", "class not used"
_SHOWN = 6  # names in a line of the account, and lines of a kind


@dataclass(frozen=True)
class Taken:
    """What happened to the tensor or class `name` (one of the six above), and why, where that needs saying."""

    name: str
    how: str
    why: str = ""


def take_over(network: nn.Module, labels: Sequence[str], model: Model) -> list[Taken]:
    """Put the weights of `model` into `network` as far as they fit, and account for each of them.

    `labels` names the network's classes in their order without background; a network with one output is a sigmoid's.
    Tensors are taken over where name and shape are the same. The classifier is taken over class by class: background to
    background, labels by name, or else by name whatever its capitals. What has no counterpart keeps its fresh weights.

    Between sigmoid and softmax: a logit z becomes −z/2 for the background and z/2 for the label, whose softmax is the
    sigmoid of z: e^(z/2) / (e^(z/2) + e^(−z/2)) = 1 / (1 + e^(−z)). The other way, z is the label's logit less the
    background's, which gives the same probability if these are the only classes, and is near it if the others are rare.

    Raises ModelError, with `network` as it was, if not one kernel fits.
    """
    own, theirs = _body(network), _body(model.network)
    same = [name for name in own if name in theirs and own[name].shape == theirs[name].shape]
    if not any(own[name].dim() > 1 for name in same):
        numbers = ", ".join(f"{name} {value}" for name, value in model.card.network.numbers.items()) or "its usual numbers"
        raise ModelError(
            f"The new network has no weights of the sizes of '{model.card.id}', which is a {model.card.network.key} with "
            f"{numbers}: start from a model of the same kind, or from none."
        )
    with torch.no_grad():
        for name in same:
            own[name].copy_(theirs[name])
        return [*_tensors(own, theirs), *_take_over_classes(network.classifier, labels, model)]


def any_fresh(taken: Sequence[Taken]) -> bool:
    """Whether a tensor or class of the new network begins fresh."""
    return any(item.how in (FRESH, FRESH_CLASS) for item in taken)


def account(taken: Sequence[Taken]) -> str:
    """What was taken over, what was not and why, in a few lines for people."""
    copied = sum(item.how == COPIED for item in taken)
    lines = [f"{copied} tensors as they were", f"last layer, {_classes_text(taken)}"]
    for how in (FRESH, UNUSED):
        reasons = dict.fromkeys(item.why for item in taken if item.how == how)
        told = [
            f"{how}: {_listed([item.name for item in taken if (item.how, item.why) == (how, why)])} ({why})" for why in reasons
        ]
        lines += told[:_SHOWN] + ([f"{how}: {len(told) - _SHOWN} more of other shapes"] if len(told) > _SHOWN else [])
    return "\n".join(lines)


def _classes_text(taken: Sequence[Taken]) -> str:
    """The classes in a line: "taken over: background, heart; new: aorta; not used of the model's: lung"."""
    parts = []
    for how, title in ((COPIED_CLASS, "taken over"), (FRESH_CLASS, "new"), (UNUSED_CLASS, "not used of the model's")):
        names = [f"{item.name} ({item.why})" if item.why else item.name for item in taken if item.how == how]
        parts += [f"{title}: {', '.join(names)}"] if names else []
    return "; ".join(parts)


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _body(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of all but the classifier; the tensors themselves, not copies."""
    return {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("classifier.")}


def _tensors(own: dict[str, Tensor], theirs: dict[str, Tensor]) -> list[Taken]:
    unused = [Taken(name, UNUSED, "the new network has no such tensor") for name in theirs if name not in own]
    return [_tensor(name, own[name], theirs.get(name)) for name in own] + unused


def _tensor(name: str, own: Tensor, their: Tensor | None) -> Taken:
    if their is None:
        return Taken(name, FRESH, "the model has no such tensor")
    if their.shape != own.shape:
        return Taken(name, FRESH, f"the model's shape is {_shape(their)} instead of {_shape(own)}")
    return Taken(name, COPIED)


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape))


def _take_over_classes(classifier: nn.Module, labels: Sequence[str], model: Model) -> list[Taken]:
    own, theirs = _rows(classifier), _with_background(_rows(model.network.classifier))
    known = [label.name for label in model.labels.labels]
    names = list(labels) if len(own) == 1 else [BACKGROUND, *labels]
    if own.shape[1] != theirs.shape[1]:
        why = f"the model's last layer has {theirs.shape[1] - 1} inputs instead of {own.shape[1] - 1}"
        fresh = [Taken(name, FRESH_CLASS) for name in names]
        return [Taken("classifier", FRESH, why), *fresh, *(Taken(name, UNUSED_CLASS) for name in known)]
    places = ({} if len(own) == 1 else {BACKGROUND: 0}) | _places(labels, known)
    values = theirs - theirs[0] if len(own) == 1 else theirs
    for n, name in enumerate(names):
        if name in places:
            own[n] = values[places[name]]
    _set_rows(classifier, own)
    approximate = len(own) == 1 and len(theirs) > 2
    unused = [Taken(name, UNUSED_CLASS) for place, name in enumerate(known, 1) if place not in places.values()]
    return [_class(name, places, [BACKGROUND, *known], approximate) for name in names] + unused


def _class(name: str, places: dict[str, int], known: list[str], approximate: bool) -> Taken:
    if name not in places:
        return Taken(name, FRESH_CLASS)
    reasons = [f"the model's {known[places[name]]}"] if known[places[name]] != name else []
    reasons += ["approximately: its logit less the background's"] if approximate else []
    return Taken(name, COPIED_CLASS, "; ".join(reasons))


def _places(labels: Sequence[str], known: Sequence[str]) -> dict[str, int]:
    """Row (1 is the model's first label) of each label that the model knows by the same name, or else but for capitals."""
    exact = {name: place for place, name in enumerate(known, 1) if name in labels}
    others = {name.casefold(): place for place, name in enumerate(known, 1) if name not in exact}
    return {name: others[name.casefold()] for name in labels if name.casefold() in others} | exact


def _rows(classifier: nn.Module) -> Tensor:
    """A copy of its weights (classes, features + 1), the bias last."""
    return torch.cat([classifier.weight.flatten(1), classifier.bias[:, None]], dim=1)


def _set_rows(classifier: nn.Module, rows: Tensor) -> None:
    classifier.weight.copy_(rows[:, :-1].view_as(classifier.weight))
    classifier.bias.copy_(rows[:, -1])


def _with_background(rows: Tensor) -> Tensor:
    """Rows for a softmax: of a single logit, those of background and label."""
    return torch.cat([-rows / 2, rows / 2]) if len(rows) == 1 else rows
