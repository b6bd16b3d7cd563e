"""`medsegdl train report RUN [--output FOLDER]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    parser.add_argument("run_folder", type=Path, metavar="RUN")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="gets report.html and PNGs (RUN/report)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps: where cases are segmented (auto)")


def run(arguments: argparse.Namespace) -> int:
    """Write the report; print where it is."""
    from MedSegDLTrainLib.report_note import REPORT_FOLDER
    from MedSegDLTrainLib.reporting.report import write_report

    folder = arguments.output or arguments.run_folder / REPORT_FOLDER
    page = write_report(arguments.run_folder, folder, arguments.device, lambda text: print(text, file=sys.stderr, flush=True))
    print(f"Open {page} in a browser.")
    return 0
