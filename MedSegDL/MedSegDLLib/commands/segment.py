"""Segment images with a model and write one segmentation for each, on the image's own grid.

Many inputs load the model once; one that fails does not stop the others. Of an image over time, give the frame
(--frame 0) or take all of them (--frame all), which also gives the volume curve, end-diastolic and end-systolic volume,
stroke volume and ejection fraction; --overlay then draws the end-diastolic and the end-systolic frame.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from MedSegDLLib.commands.each_input import run_each
from MedSegDLLib.commands.output_plan import OUTPUT_SUFFIXES, plan_outputs
from MedSegDLLib.commands.segment_arguments import add_model_arguments, options_of, ready_job
from MedSegDLLib.commands.stopping import cancelled_by_signals
from MedSegDLLib.progress_display import progress_display
from MedSegDLLib.strict_json import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Inputs, model, output and options."""
    parser.add_argument(
        "inputs", metavar="INPUT", nargs="+", type=Path, help="image file (NIfTI, NRRD, MetaImage, DICOM) or DICOM folder"
    )
    parser.add_argument(
        "--output", metavar="FILE_OR_FOLDER", required=True, help=f"file ending in {' '.join(OUTPUT_SUFFIXES)}, or a folder"
    )
    add_model_arguments(parser)
    parser.add_argument(
        "--roi", metavar="i0,j0,k0,i1,j1,k1", help="segment only these voxels: the first, and the one after the last"
    )
    parser.add_argument("--series", metavar="UID", help="which series of a DICOM folder")
    parser.add_argument("--overlay", metavar="PNG", type=Path, help="also draw the segments' edges on the slices that matter")
    parser.add_argument("--report", metavar="JSON", type=Path, help="also write volumes, times and versions")


def run(arguments: argparse.Namespace) -> int:
    """Segment every input; returns the exit status, which is that of the worst failure."""
    options = options_of(arguments, arguments.roi)
    plans = plan_outputs(arguments.inputs, arguments.output, arguments.format, arguments.overlay, arguments.report)
    display = progress_display(arguments.progress, sys.stdout, sys.stderr)
    with cancelled_by_signals() as cancel:
        job = ready_job(arguments, options, arguments.series, display, cancel)
        done = run_each(plans, job.run, display, cancel, arguments.debug, quiet=arguments.progress == "json")
    display.clear()
    if arguments.report and done.reports:
        reports = list(done.reports.values())
        write_json(reports if len(plans) > 1 else reports[0], arguments.report)
    return done.conclude(len(plans))
