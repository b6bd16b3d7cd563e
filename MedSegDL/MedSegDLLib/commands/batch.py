"""Segment every image below a folder, or of Slicer's DICOM database, and write one table with all volumes.

Results lie in the output folder as the images lie in the input folder. With --resume, what an earlier run has finished with
the same model and options is left alone, so that a batch that was cut off goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from MedSegDLLib.batch_inputs import BatchInput, images_below, images_of_database
from MedSegDLLib.batch_records import RECORD_SUFFIX, SUMMARY_FILE, Row, question_of, recorded, write_record, write_summary
from MedSegDLLib.commands.each_input import Done, run_each
from MedSegDLLib.commands.output_plan import OutputPlan, check_writable
from MedSegDLLib.commands.segment_arguments import add_model_arguments, options_of, ready_job
from MedSegDLLib.commands.stopping import cancelled_by_signals
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


@dataclass
class _Batch:
    """What is asked, and what is known of each input so far, in order."""

    arguments: argparse.Namespace
    inputs: dict[OutputPlan, BatchInput]
    questions: dict[OutputPlan, dict]
    rows: dict[BatchInput, Row]

    def write_summary(self) -> None:
        path = self.arguments.summary or self.arguments.output / SUMMARY_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        write_summary(self.rows.values(), path)


def run(arguments: argparse.Namespace) -> int:
    """Segment everything that is not done yet; returns the exit status, which is that of the worst failure."""
    options = options_of(arguments)
    card, _ = read_model(find_model(arguments.model))
    found = _found(arguments)
    for folder in {arguments.output, *([arguments.summary.parent] if arguments.summary else [])}:
        check_writable(folder)
    batch = _Batch(arguments, {}, {}, {})
    for item in found:
        _look_at(item, card, options, batch)
    waiting = [plan for plan, item in batch.inputs.items() if item not in batch.rows]
    _tell_start(batch, waiting)
    done = _segmented(waiting, batch, options) if waiting else Done()
    batch.write_summary()
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


def _look_at(item: BatchInput, card: ModelCard, options: SegmentOptions, batch: _Batch) -> None:
    """Plan the input, and note what is known of it before anything heavy is loaded."""
    suffix = batch.arguments.format or SEGMENTATION_SUFFIX
    plan = OutputPlan(item.source, batch.arguments.output / item.name, suffix, None)
    if same := [other.source for other in batch.inputs if other.base == plan.base]:
        raise OutputError(f"The results of {item.source} and {same[0]} would have one name: give their folders one by one.")
    batch.inputs[plan] = item
    batch.questions[plan] = question_of(item, card.id, card.weights_sha256, options, str(batch.arguments.frame), suffix)
    if item.modality and item.modality != card.modality:
        batch.rows[item] = Row(item, "left out", None, f"It is {item.modality}, the model '{card.id}' is for {card.modality}.")
    elif batch.arguments.resume and (report := recorded(_record(plan), batch.questions[plan])):
        batch.rows[item] = Row(item, "done", report)


def _record(plan: OutputPlan) -> Path:
    return plan.base.with_name(plan.base.name + RECORD_SUFFIX)


def _tell_start(batch: _Batch, waiting: list[OutputPlan]) -> None:
    states = [row.state for row in batch.rows.values()]
    parts = [f"{len(batch.inputs)} images", f"{len(waiting)} to segment"]
    parts += [
        f"{states.count(state)} {text}"
        for state, text in (("done", "done already"), ("left out", "of another modality"))
        if state in states
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
            after=lambda done: _note(done, batch),
        )
    display.clear()
    return done


def _one(plan: OutputPlan, job: Job, batch: _Batch) -> tuple[dict, str]:
    report, told = replace(job, series=batch.inputs[plan].series).run(plan)
    write_record(_record(plan), batch.questions[plan], report)
    return report, told


def _note(done: Done, batch: _Batch) -> None:
    """Keep the table true after each input, so that a batch that is killed has told what it did."""
    rows: Iterable[Row] = (
        *(Row(batch.inputs[plan], "done", report) for plan, report in done.reports.items()),
        *(Row(batch.inputs[plan], "failed", None, failure.sentence) for plan, failure in done.failed.items()),
    )
    batch.rows |= {row.input: row for row in rows}
    batch.write_summary()
