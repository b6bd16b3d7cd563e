"""`medsegdl train resume RUN`."""

from __future__ import annotations

import argparse
from pathlib import Path

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.detached import start_detached
from MedSegDLTrainLib.progress import read_events
from MedSegDLTrainLib.run_folder import EVENTS_FILE, JOB_FILE, status_of, withdraw_request


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    parser.add_argument("run_folder", type=Path, metavar="RUN")
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps (where it ran last)")


def _device(run: Path) -> str:
    """Where it ran last."""
    started = [event for event in read_events(run / EVENTS_FILE) if "device" in event]
    return started[-1]["device"] if started else "auto"


def run(arguments: argparse.Namespace) -> int:
    """Let a paused run go on, or start a process that goes on with a run that nobody works on."""
    folder = arguments.run_folder
    status = status_of(folder)
    if status.state == "paused" and arguments.device:
        raise InputError(f"The run in {folder} only waits, on the device that it has: stop it first, to go on with another.")
    if status.state == "paused":
        withdraw_request(folder)
        print(f"Goes on from step {status.step}.")
    elif status.state in ("stopped", "killed", "failed"):
        pid = start_detached(folder / JOB_FILE, folder, True, ["--device", arguments.device or _device(folder)])
        print(f"Goes on from its last checkpoint in the background (process {pid}).")
    else:
        raise InputError(f"The run in {folder} is {status.state}: there is nothing to resume.")
    return 0
