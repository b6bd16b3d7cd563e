"""`medsegdl train stop RUN`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.commands.train_status import sentence_of
from MedSegDLTrainLib.run_folder import ask, status_of

_MOST_SECONDS, _SECONDS_BETWEEN_LOOKS = 60.0, 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    parser.add_argument("run_folder", type=Path, metavar="RUN")


def run(arguments: argparse.Namespace) -> int:
    """Ask the run to end, and say when it has."""
    return asked_and_done(arguments.run_folder, "stop", "stopped")


def asked_and_done(run_folder: Path, request: str, state: str) -> int:
    """Ask for `request` and wait until the run is in `state`, or nobody works on it any more.

    Raises InputError if that takes more than a minute; the request stays.
    """
    ask(run_folder, request)
    until = time.monotonic() + _MOST_SECONDS
    while (status := status_of(run_folder)).state in {"running", "paused"} - {state}:
        if time.monotonic() > until:
            raise InputError(
                f"The run in {run_folder} is not {state} yet: it is still getting ready, in a step or in a validation, or "
                "waits for room on the disk. "
                f"It will be after that: `medsegdl train status {run_folder}` says when."
            )
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    print(sentence_of(status))
    return 0
