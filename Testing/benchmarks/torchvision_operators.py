"""Lets torchvision be imported without its compiled library, which is built for another torch than the pinned one.

Import this before a peer. torchvision only describes the operators `nms` and `qnms` when it is imported; none is run here.
"""

import torch

_library = torch.library.Library("torchvision", "DEF")
for _name in ("nms", "qnms"):
    _library.define(f"{_name}(Tensor d, Tensor s, float t) -> Tensor")
