"""How a run went, step by step, out of its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class ValidationPoint:
    """One validation: the mean over patients (None: undefined), and each patient's value.

    `blend`: the share of the trained weights in a mean with those of the start, None for the trained weights themselves.
    """

    step: int
    score: float | None
    patients: dict[str, float | None]
    blend: float | None = None


@dataclass(frozen=True)
class History:
    """What the curves of a run are drawn from.

    `losses` and `rates` are pairs of step and value, in order. `seconds` is how long processes worked on the run, pauses
    left out. `started` is the last event of that name, `ending` the last of finished, paused and failed, {} without one.
    """

    losses: tuple[tuple[int, float], ...]
    rates: tuple[tuple[int, float], ...]
    validations: tuple[ValidationPoint, ...]
    warnings: tuple[str, ...]
    seconds: float
    started: dict
    ending: dict


def history_of(events: Sequence[dict]) -> History:
    """The history in a run's events, oldest first; of two events of one step the later one counts (see progress.py)."""
    steps = {event["step"]: event for event in events if event["event"] == "step"}
    validations = {(e["step"], e.get("blend") or 1.0): e for e in events if e["event"] == "validation"}
    return History(
        tuple((step, event["loss"]) for step, event in sorted(steps.items())),
        tuple((step, event["rate"]) for step, event in sorted(steps.items())),
        tuple(_point(validations[place]) for place in sorted(validations)),
        tuple(dict.fromkeys(event["text"] for event in events if event["event"] == "warning")),
        _worked_seconds(events),
        _last(events, ("started",)),
        _last(events, ("finished", "paused", "failed")),
    )


def _point(event: dict) -> ValidationPoint:
    return ValidationPoint(event["step"], event["score"], event["patients"], event.get("blend"))


def _last(events: Sequence[dict], names: Sequence[str]) -> dict:
    return next((event for event in reversed(events) if event["event"] in names), {})


def _worked_seconds(events: Sequence[dict]) -> float:
    """The time between events, without that before a process started again and that after a pause."""
    return sum(
        max(later["time"] - earlier["time"], 0.0)
        for earlier, later in pairwise(events)
        if later["event"] != "started" and earlier["event"] != "paused"
    )
