"""What the runs of the losses say."""

from __future__ import annotations

import numpy as np

from Testing.benchmarks.results import Result
from Testing.benchmarks.rounds import Measured

LOSS_PEERS = ("monai", "nnunet")


def loss_results(name: str, measured: Measured) -> dict[str, Result]:
    """Processor time and memory above the logits against each peer's, and how far its gradient is from ours."""
    results = {}
    for peer in LOSS_PEERS:
        seconds, memory = (
            [measured.median(approach, figure) for approach in ("ours", peer)] for figure in ("seconds", "above_base_mib")
        )
        results[f"{name}_time_{peer}"] = Result(*seconds, "s", 1 / 3)
        results[f"{name}_memory_{peer}"] = Result(*memory, "MiB", 0.4)
        far = _difference(measured.arrays["ours"], measured.arrays[peer])
        results[f"{name}_gradient_unlike_{peer}"] = Result(far, None, "of the largest", 1e-6)
    return results


def _difference(ours: np.ndarray, peer: np.ndarray) -> float:
    """The largest difference as a share of the largest gradient: a gradient itself is below 1e-6 in many voxels."""
    return float(np.abs(ours - peer).max() / np.abs(peer).max())
