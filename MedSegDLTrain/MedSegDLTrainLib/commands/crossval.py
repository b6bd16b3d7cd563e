"""Train once for each fold of the patients and validate on those left out: how good a job is on patients it never saw.

Patients that are held out for ever (test) take no part. Stopped or killed, the same command goes on where it was.
"""

from __future__ import annotations

import argparse

from MedSegDLTrainLib.commands.campaign_place import add_place_arguments, place_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this subcommand."""
    add_place_arguments(parser, "crossval")
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="parts that the patients are divided into (5)")


def run(arguments: argparse.Namespace) -> int:
    """Train all folds and print the table; 0 when all have ended."""
    from MedSegDLTrainLib.campaigns.crossval import cross_validate, text_of

    with place_of(arguments) as place:
        outcomes = cross_validate(arguments.job, arguments.folds, place)
    print(text_of(outcomes))
    return 0
