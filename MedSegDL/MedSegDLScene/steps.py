"""Long work in small steps, for a caller whose window must stay alive (no slicer, no qt).

The work is a generator that yields between its steps; a timer takes it further with `goOn`. For work on what only Slicer's own
process has: what can be computed elsewhere belongs into a process of its own.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from typing import TypeVar

Result = TypeVar("Result")

_SECONDS_AT_A_TIME = 0.02
_SLAB_VOXELS = 2**21


def goOn(steps: Iterator[None]) -> bool:
    """Take steps for about a fiftieth of a second; returns whether there may be more. Raises what a step raises."""
    until = time.perf_counter() + _SECONDS_AT_A_TIME
    return any(time.perf_counter() >= until for _ in steps)


def finished(steps: Generator[None, None, Result]) -> Result:
    """Take all steps at once, and return what comes of them."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def slabs(shape_zyx: Sequence[int]) -> Iterator[slice]:
    """Slices of the first axis that together cover an array, each of so many voxels that a pass over it takes milliseconds."""
    count = max(_SLAB_VOXELS // max(shape_zyx[1] * shape_zyx[2], 1), 1)
    return (slice(first, first + count) for first in range(0, shape_zyx[0], count))
