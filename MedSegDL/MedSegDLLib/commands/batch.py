"""Segment every image below a folder, or of Slicer's DICOM database, and write one table with all volumes.

Results lie in the output folder as the images lie in the input folder. With --resume, what an earlier run has finished with
the same model and options is left alone, so that a batch that was cut off goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from MedSegDLLib.batch_inputs import BatchInput, images_below, images_of_database
from MedSegDLLib.batch_records import RECORD_SUFFIX, SUMMARY_FILE, Row, Summary, question_of, recorded, write_record
from MedSegDLLib.commands.each_input import Done, Failure, run_each
from MedSegDLLib.commands.output_plan import OutputPlan, check_writable
from MedSegDLLib.commands.segment_arguments import add_model_arguments, options_of, ready_job
from MedSegDLLib.commands.stopping import cancelled_by_signals
from MedSegDLLib.commands.text_table import plural
from MedSegDLLib.errors import InputError, OutputError
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.progress_display import progress_display
from MedSegDLLib.segmentation_file import SEGMENTATION_SUFFIX
from MedSegDLLib.zoo import find_model, read_model

if TYPE_CHECKING:
    from MedSegDLLib.commands.segment_input import Job
    from MedSegDLLib.model_card import ModelCard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where from, where to, and the options of `segment`."""
    parser.add_argument(
        "--input",
        metavar="FOLDER",
        type=Path,
        action="append",
        default=[],
        help="folder with images; may be given several times",
    )
    parser.add_argument(
        "--dicom-database", metavar="FOLDER", type=Path, help="folder of Slicer's DICOM database, all series of it"
    )
    parser.add_argument("--output", metavar="FOLDER", type=Path, required=True, help="folder for the results")
    add_model_arguments(parser)
    parser.add_argument("--resume", action="store_true", help="leave alone what is done already")
    parser.add_argument(
        "--summary", metavar="CSV", type=Path, help=f"table of all volumes (default: {SUMMARY_FILE} in the output)"
    )


@dataclass(frozen=True)
class _Item:
    """An input, what is asked of it, and its row in the table if it is known without segmenting it."""

    input: BatchInput
    question: dict
    known: Row | None


@dataclass(frozen=True)
class _Batch:
    """What is asked, and the table of what came of it."""

    arguments: argparse.Namespace
    items: dict[OutputPlan, _Item]
    summary: Summary


def run(arguments: argparse.Namespace) -> int:
    """Segment everything that is not done yet; returns the exit status, which is that of the worst failure."""
    options = options_of(arguments)
    card, _ = read_model(find_model(arguments.model))
    found = _found(arguments)
    for folder in {arguments.output, *([arguments.summary.parent] if arguments.summary else [])}:
        check_writable(folder)
    items = {plan: _item(plan, item, card, options, arguments) for plan, item in _planned(found, arguments).items()}
    waiting = [plan for plan, item in items.items() if item.known is None]
    _tell_start(items)
    batch = _Batch(arguments, items, _summary(items, arguments))
    done = _segmented(waiting, batch, options) if waiting else Done()
    batch.summary.write()
    return done.conclude(len(waiting))


def _found(arguments: argparse.Namespace) -> list[BatchInput]:
    if not arguments.input and arguments.dicom_database is None:
        raise InputError("There is nothing to segment: name a folder with --input, or a DICOM database with --dicom-database.")
    searches = [images_below(folder) for folder in arguments.input]
    if arguments.dicom_database is not None:
        searches.append(images_of_database(arguments.dicom_database))
    for problem in (problem for _, problems in searches for problem in problems):
        print(f"Warning: {problem}", file=sys.stderr)
    found = [item for items, _ in searches for item in items if not _is_result(item, arguments.output)]
    if not found:
        places = ", ".join(map(str, [*arguments.input, *filter(None, [arguments.dicom_database])]))
        raise InputError(f"No image was found in {places}: NIfTI, NRRD, MetaImage and DICOM files are looked for.")
    return found


def _is_result(item: BatchInput, output: Path) -> bool:
    """The output folder may lie within the input folder."""
    return output.resolve() in item.source.resolve().parents


def _planned(found: list[BatchInput], arguments: argparse.Namespace) -> dict[OutputPlan, BatchInput]:
    """Where the results of each input go; raises OutputError where those of two would be one."""
    suffix, plans, first = arguments.format or SEGMENTATION_SUFFIX, {}, {}
    for item in found:
        other = first.setdefault(item.name, item)
        if other is not item:
            raise OutputError(
                f"The results of {item.source} and {other.source} would have one name: give their folders one by one."
            )
        plans[OutputPlan(item.source, arguments.output / item.name, suffix, None)] = item
    return plans


def _item(plan: OutputPlan, item: BatchInput, card: ModelCard, options: SegmentOptions, arguments: argparse.Namespace) -> _Item:
    """What can be known of an input before anything heavy is loaded."""
    question = question_of(item, card.id, card.weights_sha256, options, str(arguments.frame), plan.suffix)
    known = None
    if item.modality and item.modality != card.modality:
        known = Row(item, "left out", None, f"It is {item.modality}, the model '{card.id}' is for {card.modality}.")
    elif arguments.resume and (report := recorded(_record(plan), question)):
        known = Row(item, "done", report)
    return _Item(item, question, known)


def _summary(items: dict[OutputPlan, _Item], arguments: argparse.Namespace) -> Summary:
    summary = Summary(arguments.summary or arguments.output / SUMMARY_FILE, [item.input for item in items.values()])
    for item in items.values():
        if item.known:
            summary.put(item.known)
    return summary


def _record(plan: OutputPlan) -> Path:
    return plan.base.with_name(plan.base.name + RECORD_SUFFIX)


def _tell_start(items: dict[OutputPlan, _Item]) -> None:
    states = Counter(item.known.state if item.known else "" for item in items.values())
    parts = [plural(len(items), "image"), f"{states['']} to segment"]
    parts += [
        f"{states[state]} {text}"
        for state, text in (("done", "done already"), ("left out", "of another modality"))
        if states[state]
    ]
    print(f"{', '.join(parts)}.", file=sys.stderr)


def _segmented(waiting: list[OutputPlan], batch: _Batch, options: SegmentOptions) -> Done:
    display = progress_display(batch.arguments.progress, sys.stdout, sys.stderr)
    with cancelled_by_signals() as cancel:
        job = ready_job(batch.arguments, options, None, display, cancel)
        done = run_each(
            waiting,
            lambda plan: _one(plan, job, batch),
            display,
            cancel,
            batch.arguments.debug,
            quiet=batch.arguments.progress == "json",
            after=lambda plan, outcome: _note(plan, outcome, batch),
        )
    display.clear()
    return done


def _one(plan: OutputPlan, job: Job, batch: _Batch) -> tuple[dict, str]:
    item = batch.items[plan]
    report, told = replace(job, series=item.input.series).run(plan)
    write_record(_record(plan), item.question, report)
    return report, told


def _note(plan: OutputPlan, outcome: dict | Failure, batch: _Batch) -> None:
    """Keep the table true, so that a batch that is killed has told what it did.

    Where it cannot be written now (somebody has it open on Windows, the disk is full) the batch goes on: it is at the end.
    """
    item = batch.items[plan].input
    failed = isinstance(outcome, Failure)
    batch.summary.put(Row(item, "failed", None, outcome.sentence) if failed else Row(item, "done", outcome))
    if batch.summary.is_due:
        with suppress(OutputError):
            batch.summary.write()
