"""`medsegdl cases`: what a case folder holds, and how cases come into it and leave it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from MedSegDLLib.commands.text_table import plural, text_table
from MedSegDLLib.errors import InputError
from MedSegDLLib.labels import read_label_table
from MedSegDLLib.strict_json import to_json
from MedSegDLLib.zoo import find_model, read_model
from MedSegDLTrainLib.case_folder import NewCase, add_case, problems_of, remove_case
from MedSegDLTrainLib.cases import STATUSES, label_table_of, read_case_list, read_dataset
from MedSegDLTrainLib.commands import cases_next
from MedSegDLTrainLib.slice_numbers import numbers_of
from MedSegDLTrainLib.splits import SPLITS
from MedSegDLTrainLib.thumbnails import keep_thumbnail, kept_thumbnail


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands add, list, check, next, thumbnails and remove."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="copy an image and its labels into the folder, or correct the labels of one")
    add.add_argument("folder", metavar="FOLDER", type=Path)
    add.add_argument("--image", metavar="FILE", type=Path, required=True)
    add.add_argument("--labels", metavar="FILE", type=Path, required=True, help="on the image's grid")
    add.add_argument("--patient", metavar="KEY", required=True, help="the same for all images of one person")
    add.add_argument("--status", choices=STATUSES, default="corrected", help="what was done with the labels (corrected)")
    add.add_argument("--from", metavar="MODEL_ID", dest="model", help="the model whose prediction the labels began as")
    add.add_argument("--from-sha256", metavar="HEX", help="of that model's weights then; the model itself need not be there")
    add.add_argument("--json", action="store_true", help="tell the case as JSON")
    add.add_argument("--slices", metavar="0,2,5-9", help="annotated slices, counted from 0; without it all are")
    add.add_argument("--frame", metavar="N", type=int, help="of an image over time, from 0: the one that the labels are of")
    add.add_argument("--split", choices=SPLITS, help="for a patient who is new; without it drawn")
    add.add_argument("--table", metavar="FILE.csv", type=Path, help="names of the label values, for a new folder")
    add.add_argument("--modality", default=None, help="of a new folder (that of the model, or MR)")
    list_ = actions.add_parser("list", help="case, patient, status and split")
    list_.add_argument("folder", metavar="FOLDER", type=Path)
    list_.add_argument("--json", action="store_true", help="the same as JSON")
    check = actions.add_parser("check", help="look for what would spoil a training")
    check.add_argument("folder", metavar="FOLDER", type=Path)
    next_ = actions.add_parser("next", help="tell which image to correct next: the one of which a model is least sure")
    cases_next.add_arguments(next_)
    thumbnails = actions.add_parser("thumbnails", help="make the small pictures of cases that lack one")
    thumbnails.add_argument("folder", metavar="FOLDER", type=Path)
    remove = actions.add_parser("remove", help="take a case out, its files with it")
    remove.add_argument("folder", metavar="FOLDER", type=Path)
    remove.add_argument("case", metavar="CASE")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; returns the exit status. Raises MedSegDLError with a sentence."""
    return _ACTIONS[arguments.action](arguments)


def _add(arguments: argparse.Namespace) -> int:
    known = arguments.model and arguments.from_sha256 is None
    card, labels = read_model(find_model(arguments.model)) if known else (None, None)
    new = NewCase(
        arguments.image,
        arguments.labels,
        arguments.patient,
        arguments.status,
        card.id if card else arguments.model or "",
        card.weights_sha256 if card else arguments.from_sha256 or "",
        None if arguments.slices is None else numbers_of(arguments.slices),
        arguments.split,
        arguments.frame,
    )
    table = read_label_table(arguments.table) if arguments.table else labels
    case = add_case(arguments.folder, new, table, arguments.modality or (card.modality if card else "MR"))
    if arguments.json:
        print(json.dumps({"event": "added"} | to_json(case), ensure_ascii=False))
        return 0
    print(f"{case.name}: patient {case.patient}, {case.status}, {case.split}, version {case.version}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    cases = read_case_list(arguments.folder).cases
    if arguments.json:
        rows = [{"case": c.name, "patient": c.patient, "status": c.status, "split": c.split} for c in cases]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    rows = [("CASE", "PATIENT", "STATUS", "SPLIT"), *((c.name, c.patient, c.status, c.split) for c in cases)]
    print(text_table(rows))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    cases = read_case_list(arguments.folder).cases
    problems = problems_of(arguments.folder, cases)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{plural(len(cases), 'case')}, {plural(len(problems), 'problem') if problems else 'no problems'}")
    return InputError.exit_code if problems else 0


def _thumbnails(arguments: argparse.Namespace) -> int:
    """A line of JSON for each case that gets a picture, or cannot get one."""
    folder = arguments.folder
    dataset, table = read_dataset(folder), label_table_of(folder)
    missing = [case for case in read_case_list(folder).cases if kept_thumbnail(folder, case) is None]
    for number, case in enumerate(missing, 1):
        event = {"event": "thumbnail", "case": case.name, "done": number, "of": len(missing)}
        try:
            keep_thumbnail(folder, case, dataset, table)
        except InputError as reason:
            event |= {"event": "warning", "text": f"{case.name}: {reason}"}
        print(json.dumps(event, ensure_ascii=False), flush=True)
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    remove_case(arguments.folder, arguments.case)
    print(f"{arguments.case}: removed")
    return 0


_ACTIONS = {"add": _add, "list": _list, "check": _check, "remove": _remove, "next": cases_next.run, "thumbnails": _thumbnails}
