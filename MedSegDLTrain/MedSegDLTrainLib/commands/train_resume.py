"""`medsegdl train resume RUN`."""

from __future__ import annotations

import argparse

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.commands.train_stop import add_arguments
from MedSegDLTrainLib.detached import start_detached
from MedSegDLTrainLib.run_folder import JOB_FILE, status_of, withdraw_request

__all__ = ["add_arguments", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Let a paused run go on, or start a process that goes on with a run that nobody works on."""
    folder = arguments.run_folder
    status = status_of(folder)
    if status.state == "paused":
        withdraw_request(folder)
        print(f"Goes on from step {status.step}.")
    elif status.state in ("stopped", "killed", "failed"):
        pid = start_detached(folder / JOB_FILE, folder, resume=True)
        print(f"Goes on from its last checkpoint in the background (process {pid}).")
    else:
        raise InputError(f"The run in {folder} is {status.state}: there is nothing to resume.")
    return 0
