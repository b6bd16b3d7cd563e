"""Optimisers that a job can name, and the clipping of gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import Optimizer

from MedSegDLLib.networks.blocks import CONVOLUTION, TRANSPOSED_CONVOLUTION
from MedSegDLTrainLib.job import Optimisation
from MedSegDLTrainLib.tables import entry

_CONVOLUTIONS = (*CONVOLUTION.values(), *TRANSPOSED_CONVOLUTION.values())


def build_optimizer(network: nn.Module, optimisation: Optimisation) -> Optimizer:
    """The optimiser that the job names, over those of the network's parameters that require a gradient.

    `decayed` tells which of them weight decay acts on: all, or the weights of convolutions, transposed ones included.
    Raises InputError for an optimiser that is not in OPTIMIZERS.
    """
    build = entry(OPTIMIZERS, optimisation.optimizer, "optimiser")
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if optimisation.decayed == "all":
        return build([{"params": trained, "weight_decay": optimisation.weight_decay}], optimisation)
    kernels = {module.weight for module in network.modules() if isinstance(module, _CONVOLUTIONS)}
    groups = [
        {"params": [one for one in trained if one in kernels], "weight_decay": optimisation.weight_decay},
        {"params": [one for one in trained if one not in kernels], "weight_decay": 0.0},
    ]
    return build(groups, optimisation)


def clip(parameters: Iterable[Parameter], optimisation: Optimisation) -> None:
    """Bound the gradients as the job says: scale them all down to clip_norm together, then cut each element at clip_value."""
    parameters = list(parameters)
    if optimisation.clip_norm is not None:
        clip_grad_norm_(parameters, optimisation.clip_norm)
    if optimisation.clip_value is not None:
        clip_grad_value_(parameters, optimisation.clip_value)


def _adam(groups: list[dict], optimisation: Optimisation) -> Optimizer:
    """Adam; its weight decay is added to the gradient, as L2 regularisation in the loss is (Avetisian).

    The penalty λ/2 · ‖w‖² has the gradient λ · w, which is weight_decay · w.
    """
    return torch.optim.Adam(groups, optimisation.learning_rate, optimisation.betas, optimisation.epsilon)


def _adamw(groups: list[dict], optimisation: Optimisation) -> Optimizer:
    """Adam whose weight decay shrinks the weights by themselves, beside the gradient (Loshchilov & Hutter 2019)."""
    return torch.optim.AdamW(groups, optimisation.learning_rate, optimisation.betas, optimisation.epsilon)


def _sgd(groups: list[dict], optimisation: Optimisation) -> Optimizer:
    """Gradient descent with momentum; weight decay is added to the gradient (Zeng: 1e-3, momentum 0.9, weight decay 0.005)."""
    return torch.optim.SGD(groups, optimisation.learning_rate, optimisation.momentum, nesterov=optimisation.nesterov)


# Each takes groups of parameters with the weight decay of each.
OPTIMIZERS: dict[str, Callable[[list[dict], Optimisation], Optimizer]] = {"adam": _adam, "adamw": _adamw, "sgd": _sgd}
