"""`medsegdl train JOB.json --run FOLDER [--resume]`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this subcommand."""
    parser.add_argument("job", type=Path, metavar="JOB.json", help="training job")
    parser.add_argument("--run", type=Path, required=True, metavar="FOLDER", help="gets job.json, events.jsonl and last.pt")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the run folder")


def run(arguments: argparse.Namespace) -> int:
    """Train; 0 when all steps are done."""
    from MedSegDLTrainLib.train import train

    train(arguments.job, arguments.run, arguments.resume)
    return 0
