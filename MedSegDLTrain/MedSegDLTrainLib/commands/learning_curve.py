"""Train on 1, 2, 5, 10 … patients at equal steps, and say what annotating more would bring.

Writes a table and learning_curve.png, with the power law Dice = α·n^β and the number of patients at which it reaches 0.9.
Stopped or killed, the same command goes on where it was; more numbers and repeats may be asked for later.
"""

from __future__ import annotations

import argparse

from MedSegDLTrainLib.commands.campaign_place import add_place_arguments, numbers_in, place_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this subcommand."""
    add_place_arguments(parser, "learning_curve")
    parser.add_argument(
        "--cases",
        required=True,
        metavar="N[,N…]",
        help="numbers of patients to train on, for example 1,2,5,10; 0 is the start model as it is",
    )
    parser.add_argument(
        "--repeats", type=int, default=1, metavar="R", help="trainings for each number, other patients each (1)"
    )
    parser.add_argument(
        "--steps", type=int, metavar="N", help="of each training, rounded up to whole epochs (those of the job)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the order in which patients come (0)")


def run(arguments: argparse.Namespace) -> int:
    """Train, draw the curve and print the table and a sentence; 0 when all have ended."""
    from MedSegDLTrainLib.campaigns.campaign import placeless
    from MedSegDLTrainLib.campaigns.learning_curve import PICTURE_FILE, Curve, counted_as, learning_curve, text_of

    wanted = Curve(numbers_in(arguments.cases), arguments.repeats, arguments.seed, arguments.steps)
    with place_of(arguments) as place:
        points = learning_curve(arguments.job, wanted, place)
    print(text_of(points, counted_as(placeless(arguments.job))))
    print(f"\nThe curve: {place.folder / PICTURE_FILE}")
    return 0
