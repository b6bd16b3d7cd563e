"""`medsegdl cases next FOLDER --model ID [--images FOLDER]`: which image to correct next.

With --json a line tells how far it is, {"event": "scoring", "done", "of", "name"}, or of a file that is left out,
{"event": "warning", "text"}; the last one is {"event": "ranked", "model", "model_sha256", "images"} with a list of
{"case", "image", "mean_entropy", "prediction"}.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from MedSegDLLib.commands.stopping import cancelled_by_signals
from MedSegDLLib.commands.text_table import text_table
from MedSegDLLib.errors import InputError
from MedSegDLLib.zoo import find_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--model", metavar="ID", required=True, help="whose doubt decides")
    parser.add_argument("--images", metavar="FOLDER", type=Path, help="also image files in here that are no cases yet")
    parser.add_argument("--limit", metavar="N", type=int, help="tell only the first N")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, also while it works")


def run(arguments: argparse.Namespace) -> int:
    """Score what nobody has corrected, and print it, least sure first."""
    if arguments.limit is not None and arguments.limit < 1:
        raise InputError(f"--limit is at least 1, not {arguments.limit}.")
    folder = find_model(arguments.model)
    with cancelled_by_signals() as cancel:
        from MedSegDLLib.checkpoint import load_model
        from MedSegDLTrainLib.next_cases import ranked, uncorrected

        found = uncorrected(arguments.folder, arguments.images)
        tell, warn = (_tell_json, _warn_json) if arguments.json else (_tell, _warn)
        model = load_model(folder)
        result = ranked(arguments.folder, found, model, arguments.device, tell, warn, cancel)[: arguments.limit]
    if arguments.json:
        origin = {"model": model.card.id, "model_sha256": model.card.weights_sha256}
        _say({"event": "ranked"} | origin | {"images": [one.to_json() for one in result]})
    elif result:
        rows = [(one.uncorrected.name, f"{one.mean_entropy:.4f}", str(one.prediction)) for one in result]
        print(text_table([("IMAGE", "BITS A VOXEL", "PREDICTION"), *rows]))
    else:
        print("There is nothing to correct: no case is only predicted, and no image is new.")
    return 0


def _tell(done: int, of: int, name: str) -> None:
    if name:
        print(f"looking at image {done + 1} of {of}: {name}", file=sys.stderr, flush=True)


def _warn(text: str) -> None:
    print(f"Warning: {text}", file=sys.stderr, flush=True)


def _tell_json(done: int, of: int, name: str) -> None:
    _say({"event": "scoring", "done": done, "of": of, "name": name})


def _warn_json(text: str) -> None:
    _say({"event": "warning", "text": text})


def _say(event: dict) -> None:
    print(json.dumps(event, ensure_ascii=False), flush=True)
