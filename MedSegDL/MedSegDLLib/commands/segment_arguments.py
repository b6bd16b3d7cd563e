"""What `medsegdl segment` and `medsegdl batch` have in common: the model, and how it is run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from MedSegDLLib.commands.output_plan import OUTPUT_SUFFIXES
from MedSegDLLib.errors import InputError
from MedSegDLLib.options import PRECISIONS, Region, SegmentOptions
from MedSegDLLib.progress_display import KINDS, ProgressDisplay
from MedSegDLLib.zoo import find_model

if TYPE_CHECKING:
    from MedSegDLLib.commands.segment_input import Job
    from MedSegDLLib.progress import CancelToken

_EVERY_FRAME = "all"


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The model and how it is run."""
    parser.add_argument("--model", metavar="ID", required=True, help="a model of 'medsegdl models list'")
    parser.add_argument(
        "--format", metavar="SUFFIX", type=_suffix, help="suffix of the files in an output folder (default .seg.nrrd)"
    )
    parser.add_argument("--labels", metavar="NAME[,NAME…]", help="write only these labels of the model")
    parser.add_argument("--frame", metavar="N|all", type=_frame, help="time frame, counted from 0, or all of them")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default auto)")
    parser.add_argument(
        "--precision", default="auto", choices=PRECISIONS, help="default auto: the fastest that gives the same labels"
    )
    parser.add_argument(
        "--overlap", metavar="SHARE", type=float, help="share of a patch that its neighbour covers again, 0…0.9"
    )
    parser.add_argument("--batch-size", metavar="N", type=int, help="patches that go through the network together")
    parser.add_argument(
        "--no-postprocessing",
        action="store_true",
        help="leave out what the card asks for: largest pieces, minimum volumes, holes",
    )
    parser.add_argument("--progress", choices=KINDS, help="default: a bar if stderr is a terminal")


def options_of(arguments: argparse.Namespace, roi: str | None = None) -> SegmentOptions:
    """The options that were asked for; raises InputError for values that cannot be."""
    labels = arguments.labels and tuple(name.strip() for name in arguments.labels.split(",") if name.strip())
    if arguments.labels is not None and not labels:
        raise InputError("--labels names no label: leave it out to get all of them.")
    return SegmentOptions(
        device=arguments.device,
        precision=arguments.precision,
        overlap=arguments.overlap,
        labels=labels,
        region=Region.parse(roi) if roi else None,
        batch_size=arguments.batch_size,
        postprocessing=not arguments.no_postprocessing,
    )


def ready_job(
    arguments: argparse.Namespace, options: SegmentOptions, series: str | None, display: ProgressDisplay, cancel: CancelToken
) -> Job:
    """The loaded model and all that inputs have in common; raises what a wrong device, model or label raises."""
    folder = find_model(arguments.model)
    # These import torch, which takes seconds: only now that everything that is quick to check is right.
    from MedSegDLLib.checkpoint import load_model
    from MedSegDLLib.commands.segment_input import Job
    from MedSegDLLib.device import find_device

    find_device(options.device)  # like a wrong label below: an error before any work
    model = load_model(folder)
    if options.labels is not None:
        model.labels.named(options.labels)
    every_frame = arguments.frame == _EVERY_FRAME
    return Job(model, options, every_frame, None if every_frame else arguments.frame, series, display, cancel)


def _frame(text: str) -> int | str:
    if text == _EVERY_FRAME:
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a frame is a number from 0, or '{_EVERY_FRAME}', not '{text}'")
    return int(text)


def _suffix(text: str) -> str:
    suffix = text if text.startswith(".") else f".{text}"
    if suffix not in OUTPUT_SUFFIXES:
        raise argparse.ArgumentTypeError(f"'{text}' is none of {' '.join(OUTPUT_SUFFIXES)}")
    return suffix
