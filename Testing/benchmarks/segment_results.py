"""What the runs of segmenting a volume say."""

from __future__ import annotations

import numpy as np

from Testing.benchmarks.results import Result
from Testing.benchmarks.rounds import Measured

PEERS = ("monai", "monai_buffered", "nnunet")


def time_results(measured: Measured) -> dict[str, Result]:
    """Seconds outside of the network against each peer's, and the whole run against the bare forward passes."""
    outside = measured.median("ours", "outside_seconds")
    results = {
        f"time_outside_network_{peer}": Result(outside, measured.median(peer, "outside_seconds"), "s", 1 / 8) for peer in PEERS
    }
    whole, bare = (measured.median(approach, "seconds") for approach in ("ours", "bare_forwards"))
    return results | {"whole_run_over_bare_forwards": Result(whole, bare, "s", 1.10)}


def memory_results(measured: Measured) -> dict[str, Result]:
    """Peak of resident memory above what the process held before the run, against each peer's."""
    ours = measured.median("ours", "above_base_mib")
    return {
        f"peak_memory_above_base_{peer}": Result(ours, measured.median(peer, "above_base_mib"), "MiB", 1 / 10) for peer in PEERS
    }


def label_results(measured: Measured) -> dict[str, Result]:
    """The share of voxels that have another label than MONAI gives them, in float32."""
    different = np.mean(measured.arrays["ours"] != measured.arrays["monai"])
    return {"labels_unlike_monai": Result(float(different), None, "share of voxels", 1e-5)}


def large_volume_results(measured: Measured) -> dict[str, Result]:
    """All host memory of the process at its peak, libraries and input included."""
    return {"large_volume_memory": Result(measured.median("ours", "peak_mib") / 1024, None, "GiB", 4.0)}
