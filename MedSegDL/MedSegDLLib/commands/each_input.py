"""Many inputs, one after the other: one that fails does not stop the others, a request to stop does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from MedSegDLLib.commands.output_plan import OutputPlan
from MedSegDLLib.errors import Cancelled
from MedSegDLLib.failures import exit_code_of, sentence_of, tell

if TYPE_CHECKING:
    from MedSegDLLib.progress import CancelToken
    from MedSegDLLib.progress_display import ProgressDisplay


@dataclass(frozen=True)
class Failure:
    """Why an input failed, and the exit status that goes with it."""

    status: int
    sentence: str


@dataclass
class Done:
    """What became of the inputs so far."""

    reports: dict[OutputPlan, dict] = field(default_factory=dict)
    failed: dict[OutputPlan, Failure] = field(default_factory=dict)
    stopped: bool = False

    def conclude(self, inputs: int) -> int:
        """Say how it went, where several inputs make that worth saying; returns the exit status, that of the worst failure."""
        if inputs > 1 and self.failed:
            names = "".join(f"\n  {plan.source}" for plan in self.failed)
            print(f"{len(self.failed)} of {inputs} inputs failed:{names}", file=sys.stderr)
        if inputs > 1 and self.stopped:
            print(f"{len(self.reports)} of {inputs} inputs were finished before.", file=sys.stderr)
        return Cancelled.exit_code if self.stopped else max((each.status for each in self.failed.values()), default=0)


def run_each(
    plans: Sequence[OutputPlan],
    work: Callable[[OutputPlan], tuple[dict, str]],
    display: ProgressDisplay,
    cancel: CancelToken,
    debug: bool,
    quiet: bool = False,
    after: Callable[[OutputPlan, dict | Failure], None] = lambda plan, outcome: None,
) -> Done:
    """Do `work`, which gives a report and what to print, for each plan; `after` is told what came of it: report or Failure.

    What to print is printed unless `quiet`; failures always are, on stderr.
    """
    done = Done()
    for number, plan in enumerate(plans, 1):
        display.name(f"{number}/{len(plans)}" if len(plans) > 1 else "")
        try:
            cancel.check()
            report, told = work(plan)
        except Cancelled as stop:
            display.clear()
            tell(stop, debug)
            done.stopped = True
            break
        except Exception as error:  # whatever it is, the other inputs are not to suffer
            display.clear()
            tell(error, debug, about=str(plan.source) if str(plan.source) not in str(error) else "")
            done.failed[plan] = Failure(exit_code_of(error), sentence_of(error))
            after(plan, done.failed[plan])
        else:
            display.clear()
            done.reports[plan] = report
            if not quiet:
                print(told)
            after(plan, report)
    return done
