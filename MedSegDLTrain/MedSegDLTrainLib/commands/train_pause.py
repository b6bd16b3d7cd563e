"""`medsegdl train pause RUN`."""

from __future__ import annotations

import argparse

from MedSegDLTrainLib.commands.train_stop import add_arguments, asked_and_done

__all__ = ["add_arguments", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Ask the run to wait, and say when it does."""
    return asked_and_done(arguments.run_folder, "pause", "paused")
