"""`medsegdl train JOB.json --run FOLDER [--resume] [--detach]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from MedSegDLLib.commands.stopping import cancelled_by_signals
from MedSegDLLib.progress import CancelToken
from MedSegDLLib.progress_display import KINDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    parser.add_argument("job", type=Path, metavar="JOB.json", help="training job")
    parser.add_argument("--run", type=Path, required=True, metavar="FOLDER", help="gets all that the run writes")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the run folder")
    parser.add_argument("--detach", action="store_true", help="train in the background, and outlive this program")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--processes", type=int, metavar="N", help="that prepare patches beside the training")
    parser.add_argument("--progress", choices=KINDS, help="bar, json (the events, one a line) or none")
    parser.add_argument("--tensorboard", action="store_true", help="also write curves for TensorBoard into the run folder")


def run(arguments: argparse.Namespace) -> int:
    """Train, or start a process that does; 0 when all steps are done or the process trains."""
    if arguments.detach:
        return _detach(arguments)
    with cancelled_by_signals() as cancel:  # before torch is imported: an interrupt that is raised there may get lost
        _train(arguments, cancel)
    return 0


def _train(arguments: argparse.Namespace, cancel: CancelToken) -> None:
    from MedSegDLTrainLib.train import Surroundings, train, usual_processes
    from MedSegDLTrainLib.train_display import train_display

    cancel.check()
    listeners = [train_display(arguments.progress, sys.stdout, sys.stderr)]
    if arguments.tensorboard:
        from MedSegDLTrainLib.tensorboard_log import TensorBoardLog

        listeners.append(TensorBoardLog(arguments.run))
    processes = usual_processes(arguments.device) if arguments.processes is None else arguments.processes
    train(arguments.job, arguments.run, arguments.resume, Surroundings(arguments.device, processes, listeners, cancel))


def _detach(arguments: argparse.Namespace) -> int:
    from MedSegDLTrainLib.detached import start_detached

    options = ["--device", arguments.device]
    options += [] if arguments.processes is None else ["--processes", str(arguments.processes)]
    options += ["--tensorboard"] if arguments.tensorboard else []
    pid = start_detached(arguments.job, arguments.run, arguments.resume, options)
    print(f"Training in the background (process {pid}): medsegdl train status {arguments.run}")
    return 0
