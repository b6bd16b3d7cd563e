"""Which numbers a network of the table can be built with: how deep for a patch, and how wide."""

from __future__ import annotations

import inspect
from importlib import import_module

from MedSegDLLib.model_card import NetworkSpec
from MedSegDLLib.networks import NETWORKS
from MedSegDLTrainLib.tables import entry

_MOST_STAGES = {2: 6, 3: 5}  # as in the papers of unet_2d and no_new_net
_MOST_FEATURES = 512
# Voxels at the deepest level along the longest and the shortest axis of a patch: with fewer there is nothing to convolve.
_DEEPEST_LONGEST, _DEEPEST_SHORTEST = 4, 2
# Settings that made a network train best here, where they are not the ones of its paper.
_SETTINGS = {"unet_2d": {"block": "conv_norm_relu", "up_kernel": 2}}


def dimensions_of(key: str) -> int:
    """2 for a network of slices, 3 for one of volumes; raises InputError for a key that is not in NETWORKS."""
    return _class_of(key).dimensions


def has_width(key: str) -> bool:
    """Whether the network can be built with other features_per_stage than its paper's."""
    return "features_per_stage" in inspect.signature(_class_of(key)).parameters


def stages_for(patch_size: tuple[int, int, int], dimensions: int) -> int:
    """Levels of a network for patches of this size (x, y, z): each halves it, and at the deepest something must be left."""
    sizes = patch_size[:dimensions]
    for stages in range(_MOST_STAGES[dimensions], 2, -1):
        stride = 2 ** (stages - 1)
        if max(sizes) >= _DEEPEST_LONGEST * stride and min(sizes) >= _DEEPEST_SHORTEST * stride:
            return stages
    return 2


def network_of(key: str, out_channels: int, width: int, stages: int) -> NetworkSpec:
    """The network with `width` features in its first level and twice as many in each next, up to 16 × width and 512.

    A network without features_per_stage is built as in its paper.
    """
    numbers = dict(_SETTINGS.get(key, {}))
    if has_width(key):
        most = min(16 * width, _MOST_FEATURES)
        numbers = {"features_per_stage": tuple(min(width * 2**level, most) for level in range(stages))} | numbers
    return NetworkSpec(key, 1, out_channels, numbers)


def _class_of(key: str) -> type:
    module, name = entry(NETWORKS, key, "network")
    return getattr(import_module(module), name)


def outputs_of(labels: tuple[str, ...]) -> tuple[int, str]:
    """Output channels and activation: one label is told from the background by a sigmoid, several compete."""
    return (1, "sigmoid") if len(labels) == 1 else (len(labels) + 1, "softmax")
