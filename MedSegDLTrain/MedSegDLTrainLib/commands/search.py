"""Search at random for better numbers of a job: learning rate, weight decay, momentum, clipping, dropout, channels.

The first trial is the job as it is. Every other one draws the numbers anew, between a tenth and ten times those of the best
trial so far, trains for a fixed number of steps, and is judged by its validation IoU. Stopped or killed, the same command
goes on where it was; with more --trials it goes on after its end.
"""

from __future__ import annotations

import argparse

from MedSegDLTrainLib.commands.campaign_place import add_place_arguments, place_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this subcommand."""
    add_place_arguments(parser, "search")
    parser.add_argument("--trials", type=int, default=20, metavar="N", help="trainings in all, the job as it is included (20)")
    parser.add_argument("--steps", type=int, default=5000, metavar="N", help="of each, rounded up to whole epochs (5000)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="another seed draws other numbers (0)")
    parser.add_argument("--only", metavar="NAME[,NAME…]", help="search for these numbers only, for example learning_rate,betas")


def run(arguments: argparse.Namespace) -> int:
    """Run the trials and print them, best first; 0 when all have ended."""
    from MedSegDLTrainLib.campaigns.campaign import placeless
    from MedSegDLTrainLib.campaigns.search import BEST_JOB_FILE, Search, search, searched_names, text_of

    only = tuple(name.strip() for name in arguments.only.split(",")) if arguments.only else ()
    wanted = Search(arguments.trials, arguments.steps, arguments.seed, only)
    with place_of(arguments) as place:
        outcomes = search(arguments.job, wanted, place)
    print(text_of(outcomes, searched_names(placeless(arguments.job), only)))
    print(f"\nThe job with the best numbers: {place.folder / BEST_JOB_FILE}")
    return 0
