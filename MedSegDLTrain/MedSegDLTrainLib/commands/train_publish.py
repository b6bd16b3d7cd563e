"""`medsegdl train publish RUN --id ID [--models FOLDER]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from MedSegDLLib.commands.text_table import text_table
from MedSegDLLib.model_card import NOT_STATED, STATED_KINDS
from MedSegDLLib.zoo import search_path, user_zoo

_TEXTS = {
    "title": "name of the model for people",
    "description": "what it marks in which images",
    "anatomy": "for example 'Heart, left ventricle'",
    "intended-use": "what it is to be used for",
    "data": "what it was trained on and where that comes from",
    "notes": "anything else about the training",
    "licence": "under which others may use it",
    "citation": "what to cite",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    parser.add_argument("run_folder", type=Path, metavar="RUN")
    parser.add_argument("--id", required=True, metavar="ID", help="name of the model's folder: a-z, 0-9 and _")
    parser.add_argument(
        "--data-kind",
        choices=STATED_KINDS,
        default=NOT_STATED,
        help="what the images of the cases are; the card says it, or that nobody did",
    )
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="the zoo that gets the model (your own)")
    for name, about in _TEXTS.items():
        parser.add_argument(f"--{name}", metavar="TEXT", help=f"for the card: {about}")
    parser.add_argument("--not-for", metavar="TEXT", action="append", help="what it must not be used for; may be repeated")
    parser.add_argument("--although-worse", action="store_true", help="also if it is worse than the model it started from")
    parser.add_argument("--replace", action="store_true", help="replace a model of this id in that zoo")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda, cuda:N or mps: where it is measured (cpu)")


def run(arguments: argparse.Namespace) -> int:
    """Publish; print what was measured."""
    from MedSegDLTrainLib.publish import Conditions, publish
    from MedSegDLTrainLib.publish_card import CardTexts

    names = [name.replace("-", "_") for name in _TEXTS]
    said = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    texts = CardTexts(arguments.data_kind, **said, not_for=tuple(arguments.not_for or ()))
    how = Conditions(arguments.models or user_zoo(), arguments.although_worse, arguments.replace, arguments.device)
    done = publish(arguments.run_folder, arguments.id, texts, how, lambda text: print(text, file=sys.stderr, flush=True))
    rows = [("LABEL", "METRIC", "CASES", "MEAN", "SD", "WORST")]
    for row in done.card.quality:
        rows.append(
            (row.label, row.metric, str(row.cases), f"{row.mean:.3f}", f"{row.standard_deviation:.3f}", f"{row.worst:.3f}")
        )
    print("\n".join([text_table(rows), f"Measured on {done.card.quality[0].data}", *filter(None, [done.against])]))
    advice = " Say it with --data-kind real or synthetic, and --replace." if arguments.data_kind == NOT_STATED else ""
    print(f"Its card says: trained on {done.card.training.images}.{advice}")
    print(f"{arguments.id}: published in {done.folder}")
    if patients := done.card.training.held_out:
        print(f"Before you pass it on: its card names the patients {', '.join(patients)}.")
    if how.zoo.resolve() not in [zoo.resolve() for zoo in search_path()]:
        print(f"To use it, add {how.zoo.resolve()} to the environment variable MEDSEGDL_MODELS.")
    return 0
