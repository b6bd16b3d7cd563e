"""Every check in the order in which it is run, and how one run is told. NOT YET RUN in the application."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from . import going_on, keeping, leaving, loading, segmenting, training
from .application import LeftOut

Check = Callable[[], str]

CHECKS: tuple[Check, ...] = (
    loading.bothModulesOpen,
    loading.panelsFitIntoTheModulePanel,
    loading.sampleDataAreListed,
    loading.ownTestsPass,
    keeping.choicesAreSavedWithTheScene,
    segmenting.theWorkerIsPythonSlicer,
    segmenting.theWindowNeverFreezes,
    segmenting.cancelTakesEffectAtOnce,
    segmenting.aKilledWorkerIsOneSentence,
    segmenting.aClosedSceneDropsTheResult,
    segmenting.closingLeavesNothingBehind,
    going_on.segmentEditorHasTheResult,
    going_on.show3DMakesSurfaces,
    going_on.volumeCurveIsPlotted,
    going_on.resultCanBeSentToTraining,
    going_on.reportIsInTheClipboard,
    training.aTrainingOutlivesItsPanel,
    loading.modulesCanBeReloaded,
    leaving.theBatchEndsSlicerWithItsStatus,
)


@dataclass(frozen=True)
class Outcome:
    """What came of a check: passed, failed or left out, and what it said."""

    name: str
    verdict: str
    said: str


def outcomeOf(check: Check) -> Outcome:
    """Run one check; whatever it raises is its outcome."""
    try:
        return Outcome(check.__name__, "passed", check())
    except LeftOut as reason:
        return Outcome(check.__name__, "left out", str(reason))
    except Exception as problem:
        traceback.print_exc()
        return Outcome(check.__name__, "FAILED", f"{type(problem).__name__}: {problem}")


def runAll(checks: Iterable[Check], tell: Callable[[str], None]) -> int:
    """Run the checks one after another; returns the exit status: 0, or 1 if any failed."""
    outcomes = []
    for check in checks:
        outcomes.append(outcomeOf(check))
        tell(f"{outcomes[-1].verdict:8}  {outcomes[-1].name}: {outcomes[-1].said}")
    numbers = {verdict: sum(outcome.verdict == verdict for outcome in outcomes) for verdict in ("passed", "left out", "FAILED")}
    tell(", ".join(f"{number} {verdict}" for verdict, number in numbers.items()))
    return 1 if numbers["FAILED"] else 0
