"""The networks that a model card or a training job can name.

To add one: a file with a subclass of SegmentationNetwork, a line in `NETWORKS`, a test of its shapes and parameters. For
a number that it cannot be built with it raises ValueError: "up_kernel must be 2 or 3, but is 0".
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, get_type_hints

from MedSegDLLib.errors import ModelError
from MedSegDLLib.model_card import NetworkSpec
from MedSegDLLib.strict_json import from_json

if TYPE_CHECKING:
    from MedSegDLLib.networks.blocks import SegmentationNetwork

# Names as text, so that reading the table does not import torch.
NETWORKS = {
    "unet_2d": ("MedSegDLLib.networks.unet_2d", "UNet2d"),
    "no_new_net": ("MedSegDLLib.networks.no_new_net", "NoNewNet"),
}


def build_network(spec: NetworkSpec) -> SegmentationNetwork:
    """The network that `spec` names, with fresh weights.

    Raises ModelError for a key that is not in NETWORKS, a number that the network does not have, or an unusable value.
    """
    if spec.key not in NETWORKS:
        raise ModelError(f"There is no network '{spec.key}'; known are {', '.join(NETWORKS)}.")
    module, name = NETWORKS[spec.key]
    network = getattr(import_module(module), name)
    known = [key for key in inspect.signature(network).parameters if key not in ("in_channels", "out_channels")]
    if unknown := sorted(set(spec.numbers) - set(known)):
        raise ModelError(f"The network '{spec.key}' has no {', '.join(unknown)}; it has {', '.join(known)}.")
    kinds = get_type_hints(network.__init__)
    for key, value in spec.numbers.items():
        from_json(kinds[key], value, f"network: numbers: {key}", ModelError)
    try:
        return network(spec.in_channels, spec.out_channels, **spec.numbers)
    except ValueError as reason:
        raise ModelError(f"network: numbers: {reason}.") from reason
    except RuntimeError as reason:  # torch has no memory for its weights
        raise ModelError(f"The network '{spec.key}' cannot be built with {spec.numbers}: {reason}.") from reason
