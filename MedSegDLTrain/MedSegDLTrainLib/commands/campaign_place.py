"""What the subcommands of several trainings share: where they work, on what device, and how they tell how far they are."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from MedSegDLLib.commands.stopping import cancelled_by_signals
from MedSegDLLib.errors import InputError
from MedSegDLLib.progress_display import KINDS


def add_place_arguments(parser: argparse.ArgumentParser, name: str) -> None:
    """JOB, --output, if not given a folder beside the job that ends in _`name`, and what a training's surroundings are."""
    parser.add_argument("job", type=Path, metavar="JOB.json", help="training job")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help=f"gets the runs and the table; the same again goes on (JOB_{name})"
    )
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps")
    parser.set_defaults(campaign=name)
    parser.add_argument("--processes", type=int, metavar="N", help="that prepare patches beside the training")
    parser.add_argument("--progress", choices=KINDS, help="of each training: bar, json (its events, one a line) or none")


@contextmanager
def place_of(arguments: argparse.Namespace) -> Iterator:
    """The place of a campaign that Ctrl-C stops with a checkpoint; how far it is stands on stderr.

    Raises InputError or ModelError, before anything is written, for a job whose settings cannot be trained with.
    """
    with cancelled_by_signals() as cancel:  # before torch is imported: an interrupt that is raised there may get lost
        from MedSegDLTrainLib.campaigns.campaign import Place, placeless
        from MedSegDLTrainLib.train import Surroundings, check_settings, train, usual_processes
        from MedSegDLTrainLib.train_display import train_display

        cancel.check()
        check_settings(placeless(arguments.job))
        processes = usual_processes(arguments.device) if arguments.processes is None else arguments.processes
        listeners = [train_display(arguments.progress, sys.stdout, sys.stderr)]
        around = Surroundings(arguments.device, processes, listeners, cancel)

        def train_one(job_path: Path, run: Path, resume: bool) -> None:
            train(job_path, run, resume, around)

        output = arguments.output or arguments.job.with_name(f"{arguments.job.stem}_{arguments.campaign}")
        yield Place(output, train_one, lambda text: print(text, file=sys.stderr, flush=True))


def numbers_in(text: str) -> tuple[int, ...]:
    """ "1,2,5" to (1, 2, 5); raises InputError for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise InputError(f"'{text}' is no list of numbers; write it like 1,2,5,10.")
    return tuple(int(part) for part in parts)
