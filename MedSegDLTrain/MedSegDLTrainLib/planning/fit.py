"""The largest network and batch of which enough steps fit into the time and the memory that there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from MedSegDLLib.errors import DeviceError
from MedSegDLTrainLib.planning.cost import Machine, Trial

USABLE_TIME = 0.8
"""Share of the minutes that steps take; the rest goes into validating, drawing patches, and starting."""

_USABLE_MEMORY = 0.6  # of what is free: cases, loaders and other programs need some, too
_FASTER = 0.9  # bfloat16 is taken if it needs less than this share of float32's time
_MIB = 2**20


@dataclass(frozen=True)
class Budget:
    """How many steps must fit into how many minutes."""

    steps: int
    minutes: float

    @property
    def seconds_per_step(self) -> float:
        """What a step may take."""
        return USABLE_TIME * self.minutes * 60 / self.steps

    @property
    def words(self) -> str:
        """For a sentence."""
        return f"{self.steps:,} steps in {time_text(60 * self.minutes)} ({time_text(self.seconds_per_step)} a step)"


@dataclass(frozen=True)
class Fit:
    """The chosen trial, seconds of its step, and for people why it is no other; `precision_why` belongs to its precision."""

    trial: Trial
    seconds: float
    why: str
    precision_why: str


def fitting(ladders: Sequence[Sequence[Trial]], machine: Machine, budget: Budget) -> Fit:
    """The last trial of a ladder (small to large) that still fits, of the first ladder of which any fits.

    If none fits, the first trial of the last ladder that memory allows, and `why` says by how much it is too slow. Every
    trial is timed in float32 and in bfloat16. Raises DeviceError if not even that one can be run.
    """
    notes, slow = [], None
    for ladder in ladders:
        if lacking := lacking_memory(ladder[0], machine):
            notes.append(lacking)
            continue
        fit = _timed(ladder[0], machine)
        if fit.seconds <= budget.seconds_per_step:
            return _climbed(ladder, fit, machine, budget, notes)
        slow = fit
        notes.append(f"{words(fit.trial)} takes {time_text(fit.seconds)}")
    if slow is None or math.isinf(slow.seconds):
        raise DeviceError(
            f"Not even {words(ladders[-1][0])} can be trained on {machine.name} ({'; '.join(notes)}): "
            "free some memory, or use another computer."
        )
    return replace(slow, why=_joined(notes, f"the smallest that is tried; {budget.words} do not fit: allow more time"))


def _climbed(ladder: Sequence[Trial], fit: Fit, machine: Machine, budget: Budget, notes: list[str]) -> Fit:
    limit = f"the largest that is tried, and {budget.words} fit"
    for trial in ladder[1:]:
        if lacking := lacking_memory(trial, machine):
            limit = f"{budget.words} fit; {lacking}"
            break
        larger = _timed(trial, machine)
        if larger.seconds > budget.seconds_per_step:
            limit = f"{budget.words} fit; {words(trial)} would take {time_text(larger.seconds)}"
            break
        fit = larger
    return replace(fit, why=_joined(notes, limit))


def _joined(notes: Sequence[str], last: str) -> str:
    return "; ".join([*notes, last])


def _timed(trial: Trial, machine: Machine) -> Fit:
    """The trial in the precision that is faster here."""
    plain, short = (machine.seconds(replace(trial, precision=precision)) for precision in ("float32", "bfloat16"))
    if short < _FASTER * plain:
        than = f"{time_text(short)} a step, in float32 {time_text(plain)}, on {machine.name}"
        return Fit(replace(trial, precision="bfloat16"), short, "", than)
    than = "does not run" if math.isinf(short) else f"takes {time_text(short)}"
    return Fit(trial, plain, "", f"{time_text(plain)} a step on {machine.name}; bfloat16 {than}")


def lacking_memory(trial: Trial, machine: Machine) -> str:
    """Empty if there is enough."""
    needed = machine.bytes_needed(trial)
    if machine.free_bytes is None or needed <= _USABLE_MEMORY * machine.free_bytes:
        return ""
    return f"{words(trial)} needs about {needed // _MIB:,} MiB of memory, of which {machine.free_bytes // _MIB:,} MiB are free"


def words(trial: Trial) -> str:
    """A trial in a sentence."""
    size = "×".join(str(length) for length in trial.patch_size if length > 1)
    features = trial.network.numbers.get("features_per_stage")
    width = f"width {features[0]}, " if isinstance(features, tuple) else ""
    return f"{width}{trial.batch_size} × {size}"


def time_text(seconds: float) -> str:
    """ "0.21 s", "12 s", "25 minutes" or "3.4 hours"."""
    if math.isinf(seconds):
        return "for ever (it cannot be run)"
    if seconds < 99.5:  # what two digits can tell
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} hours"
