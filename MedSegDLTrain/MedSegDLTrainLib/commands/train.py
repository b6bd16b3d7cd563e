"""`medsegdl train JOB.json --run FOLDER`, and what belongs to a run: new, status, pause, resume, stop, report, publish."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

# Modules as text, so that only the one that is called is imported with all that it needs.
ACTIONS = {
    "run": ("MedSegDLTrainLib.commands.train_run", "train as a job file says; the word `run` may be left out"),
    "new": ("MedSegDLTrainLib.commands.train_new", "write a job file with values out of the data"),
    "status": ("MedSegDLTrainLib.commands.train_status", "say where a run stands"),
    "pause": ("MedSegDLTrainLib.commands.train_pause", "let a run wait after its present step"),
    "resume": ("MedSegDLTrainLib.commands.train_resume", "let a run go on that waits, was stopped or was killed"),
    "stop": ("MedSegDLTrainLib.commands.train_stop", "end a run after its present step, with a checkpoint"),
    "report": ("MedSegDLTrainLib.commands.train_report", "a page with curves, cases and comparisons"),
    "publish": ("MedSegDLTrainLib.commands.train_publish", "make a model of a run"),
}


def with_action(arguments: Sequence[str]) -> list[str]:
    """`train JOB.json …` means `train run JOB.json …`."""
    said = bool(arguments) and arguments[0] in (*ACTIONS, "-h", "--help")
    return list(arguments) if said else ["run", *arguments]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand for each action."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (module, about) in ACTIONS.items():
        import_module(module).add_arguments(actions.add_parser(name, help=about, description=about))


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; returns the exit status."""
    return import_module(ACTIONS[arguments.action][0]).run(arguments)
