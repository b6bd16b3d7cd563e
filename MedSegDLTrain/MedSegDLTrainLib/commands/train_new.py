"""`medsegdl train new CASES --like MODEL_ID | --network KEY --output JOB.json`."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from pathlib import Path

from MedSegDLLib.commands.stopping import cancelled_by_signals
from MedSegDLLib.commands.text_table import text_table
from MedSegDLLib.networks import NETWORKS
from MedSegDLTrainLib.job import TrainingJob, write_job
from MedSegDLTrainLib.job_reasons import reason_rows

_NARROWEST, _VALUE_WIDTH = 100, 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    parser.add_argument("cases", type=Path, metavar="CASES", help="case folder")
    begin = parser.add_mutually_exclusive_group(required=True)
    begin.add_argument("--like", metavar="MODEL_ID", help="go on from this model of the zoo")
    begin.add_argument("--network", metavar="KEY", help=f"begin with fresh weights of {', '.join(NETWORKS)}")
    parser.add_argument("--epochs", type=int, metavar="N", help="wins over --minutes")
    parser.add_argument("--steps-per-epoch", type=int, metavar="N", help="250")
    parser.add_argument("--minutes", type=float, metavar="M", help="that the training may take on this computer")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of everything random (1)")
    parser.add_argument("--output", type=Path, required=True, metavar="JOB.json", help="must not be there yet")


def run(arguments: argparse.Namespace) -> int:
    """Write the job and print each value with its reason."""
    with cancelled_by_signals() as cancel:  # an interrupt that is raised within an import of torch may get lost there
        from MedSegDLLib.device import find_device
        from MedSegDLTrainLib.planning.cost import machine_of
        from MedSegDLTrainLib.planning.job import planned_job
        from MedSegDLTrainLib.planning.wishes import Wishes

    cancel.check()
    wishes = Wishes(
        arguments.like, arguments.network, arguments.epochs, arguments.steps_per_epoch, arguments.minutes, arguments.seed
    )
    print("Reading the cases and trying how long training steps take; other programs should rest meanwhile.", file=sys.stderr)
    job = planned_job(arguments.cases, arguments.output, wishes, machine_of(find_device("auto")))
    write_job(job, arguments.output)
    print(reasons_table(job, shutil.get_terminal_size((140, 24)).columns))
    print(f"\nWritten to {arguments.output}. Look at it, change what you know better, then:")
    print(f"medsegdl train {arguments.output} --run FOLDER")
    return 0


def reasons_table(job: TrainingJob, columns: int) -> str:
    """A row for each value that has a reason: its name in the job, the value, and why, wrapped to `columns` characters."""
    name_width = max(map(len, job.reasons), default=0)
    room = max(columns, _NARROWEST) - name_width - _VALUE_WIDTH - 4
    rows = [("SETTING", "VALUE", "WHY")]
    for row in reason_rows(job):
        values = textwrap.wrap(row.value, _VALUE_WIDTH) or [""]
        lines = textwrap.wrap(row.why, room)
        for number in range(max(len(values), len(lines))):
            rows.append(tuple(_nth(column, number) for column in ([row.setting], values, lines)))
    return text_table(rows)


def _nth(lines: list[str], number: int) -> str:
    return lines[number] if number < len(lines) else ""
