"""The patient's sides as letters: R, L (right, left), A, P (anterior, posterior), H, F (head, feet)."""

from __future__ import annotations

import numpy as np

_OBLIQUE = 0.35  # share of the second largest component (20°) from which on a direction has two letters


def side(direction_lps: np.ndarray) -> str:
    """The side that a vector in LPS points to: one letter, or the two strongest where it is oblique, for example RA."""
    letters = [pair[int(component > 0)] for pair, component in zip(("RL", "AP", "FH"), direction_lps, strict=True)]
    order = np.argsort(-np.abs(direction_lps), kind="stable")[:2]
    oblique = abs(direction_lps[order[1]]) > _OBLIQUE * np.linalg.norm(direction_lps)
    return "".join(letters[axis] for axis in order[: 2 if oblique else 1])
