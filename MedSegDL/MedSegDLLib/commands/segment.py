"""Segment images with a model and write one segmentation for each, on the image's own grid.

Many inputs load the model once; one that fails does not stop the others. Of an image over time, give the frame
(--frame 0) or take all of them (--frame all), which also gives the volume curve, end-diastolic and end-systolic volume,
stroke volume and ejection fraction; --overlay then draws the end-diastolic and the end-systolic frame.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.commands.output_plan import OUTPUT_SUFFIXES, OutputPlan, plan_outputs
from MedSegDLLib.commands.stopping import cancelled_by_signals
from MedSegDLLib.errors import Cancelled, InputError
from MedSegDLLib.failures import exit_code_of, tell
from MedSegDLLib.options import PRECISIONS, Region, SegmentOptions
from MedSegDLLib.progress_display import KINDS, progress_display
from MedSegDLLib.zoo import find_model

if TYPE_CHECKING:
    from MedSegDLLib.commands.segment_input import Job

EVERY_FRAME = "all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Inputs, model, output and options."""
    parser.add_argument(
        "inputs", metavar="INPUT", nargs="+", type=Path, help="image file (NIfTI, NRRD, MetaImage, DICOM) or DICOM folder"
    )
    parser.add_argument("--model", metavar="ID", required=True, help="a model of 'medsegdl models list'")
    parser.add_argument(
        "--output", metavar="FILE_OR_FOLDER", required=True, help=f"file ending in {' '.join(OUTPUT_SUFFIXES)}, or a folder"
    )
    parser.add_argument(
        "--format", metavar="SUFFIX", type=_suffix, help="suffix of the files in an output folder (default .seg.nrrd)"
    )
    parser.add_argument("--labels", metavar="NAME[,NAME…]", help="write only these labels of the model")
    parser.add_argument(
        "--roi", metavar="i0,j0,k0,i1,j1,k1", help="segment only these voxels: the first, and the one after the last"
    )
    parser.add_argument("--frame", metavar="N|all", type=_frame, help="time frame, counted from 0, or all of them")
    parser.add_argument("--series", metavar="UID", help="which series of a DICOM folder")
    parser.add_argument("--overlay", metavar="PNG", type=Path, help="also draw the segments' edges on the slices that matter")
    parser.add_argument("--report", metavar="JSON", type=Path, help="also write volumes, times and versions")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default auto)")
    parser.add_argument(
        "--precision", default="auto", choices=PRECISIONS, help="default auto: the fastest that gives the same labels"
    )
    parser.add_argument(
        "--overlap", metavar="SHARE", type=float, help="share of a patch that its neighbour covers again, 0…0.9"
    )
    parser.add_argument("--batch-size", metavar="N", type=int, help="patches that go through the network together")
    parser.add_argument("--progress", choices=KINDS, help="default: a bar if stderr is a terminal")


def run(arguments: argparse.Namespace) -> int:
    """Segment every input; returns the exit status, which is that of the worst failure."""
    options = _options(arguments)
    plans = plan_outputs(arguments.inputs, arguments.output, arguments.format, arguments.overlay, arguments.report)
    folder = find_model(arguments.model)
    display = progress_display(arguments.progress, sys.stdout, sys.stderr)
    with cancelled_by_signals() as cancel:
        # These import torch, which takes seconds: only now that everything that is quick to check is right.
        from MedSegDLLib.checkpoint import load_model
        from MedSegDLLib.commands.segment_input import Job
        from MedSegDLLib.device import find_device

        find_device(options.device)  # like a wrong label below: an error before any work
        model = load_model(folder)
        if options.labels is not None:
            model.labels.named(options.labels)
        every_frame = arguments.frame == EVERY_FRAME
        job = Job(model, options, every_frame, None if every_frame else arguments.frame, arguments.series, display, cancel)
        done = _segment_all(plans, job, arguments)
    display.clear()
    if arguments.report and done.reports:
        _write_report(done.reports, len(plans), arguments.report)
    return done.conclude(len(plans))


@dataclass
class _Done:
    reports: list[dict]
    failed: dict[Path, int]  # input -> exit status
    stopped: bool = False

    def conclude(self, inputs: int) -> int:
        """Say how it went, where several inputs make that worth saying; returns the exit status."""
        if inputs > 1 and self.failed:
            names = "".join(f"\n  {path}" for path in self.failed)
            print(f"{len(self.failed)} of {inputs} inputs failed:{names}", file=sys.stderr)
        if inputs > 1 and self.stopped:
            print(f"{len(self.reports)} of {inputs} inputs were finished before.", file=sys.stderr)
        return Cancelled.exit_code if self.stopped else max(self.failed.values(), default=0)


def _segment_all(plans: list[OutputPlan], job: Job, arguments: argparse.Namespace) -> _Done:
    done = _Done([], {})
    for number, plan in enumerate(plans, 1):
        job.display.name(f"{number}/{len(plans)}" if len(plans) > 1 else "")
        try:
            job.cancel.check()
            report, told = job.run(plan)
        except Cancelled as stop:
            job.display.clear()
            tell(stop, arguments.debug)
            done.stopped = True
            break
        except Exception as error:  # whatever it is, the other inputs are not to suffer
            job.display.clear()
            tell(error, arguments.debug, about=str(plan.source) if str(plan.source) not in str(error) else "")
            done.failed[plan.source] = exit_code_of(error)
            continue
        job.display.clear()
        done.reports.append(report)
        if arguments.progress != "json":
            print(told)
    return done


def _write_report(reports: list[dict], inputs: int, path: Path) -> None:
    with written_beside(path) as beside:
        text = json.dumps(reports if inputs > 1 else reports[0], indent=2, ensure_ascii=False)
        beside.write_text(text + "\n", encoding="utf-8")


def _options(arguments: argparse.Namespace) -> SegmentOptions:
    labels = arguments.labels and tuple(name.strip() for name in arguments.labels.split(",") if name.strip())
    if arguments.labels is not None and not labels:
        raise InputError("--labels names no label: leave it out to get all of them.")
    return SegmentOptions(
        device=arguments.device,
        precision=arguments.precision,
        overlap=arguments.overlap,
        labels=labels,
        region=Region.parse(arguments.roi) if arguments.roi else None,
        batch_size=arguments.batch_size,
    )


def _frame(text: str) -> int | str:
    if text == EVERY_FRAME:
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a frame is a number from 0, or '{EVERY_FRAME}', not '{text}'")
    return int(text)


def _suffix(text: str) -> str:
    suffix = text if text.startswith(".") else f".{text}"
    if suffix not in OUTPUT_SUFFIXES:
        raise argparse.ArgumentTypeError(f"'{text}' is none of {' '.join(OUTPUT_SUFFIXES)}")
    return suffix
