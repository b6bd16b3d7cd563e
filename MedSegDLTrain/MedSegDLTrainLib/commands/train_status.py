"""`medsegdl train status RUN [--json]`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from MedSegDLLib.progress_display import duration
from MedSegDLTrainLib.run_folder import RunStatus, status_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    parser.add_argument("run_folder", type=Path, metavar="RUN")
    parser.add_argument("--json", action="store_true", help="the same as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print where the run stands."""
    status = status_of(arguments.run_folder)
    print(json.dumps(status.to_json()) if arguments.json else sentence_of(status))
    return 0


def sentence_of(status: RunStatus) -> str:
    """ "running: step 120 of 1000, loss 0.312, best validation 0.871, 4 min 10 s left"."""
    parts = [f"step {status.step} of {status.steps}" if status.steps else "getting ready"]
    parts += [f"loss {status.loss:.3g}"] if status.loss is not None else []
    parts += [f"best validation {status.score:.3f}"] if status.score is not None else []
    parts += [f"{duration(status.seconds_left)} left"] if status.seconds_left is not None else []
    return f"{status.state}: {', '.join(parts)}" + (f" ({status.reason})" if status.reason else "")
