"""Say what an image file or a DICOM folder holds: grid, sides of the patient, time frames, series, and what is odd about it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from MedSegDLLib.files import ImageDescription, describe
from MedSegDLLib.sides import side


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """INPUT, --series and --json."""
    parser.add_argument("input", metavar="INPUT", type=Path, help="image file or DICOM folder")
    parser.add_argument("--series", metavar="UID", help="which series of a DICOM folder")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the description; returns the exit status. Raises InputError where there is nothing to describe."""
    description = describe(arguments.input, arguments.series)
    if arguments.json:
        print(json.dumps(asdict(description) | {"path": str(description.path)}, indent=2, ensure_ascii=False))
        return 0
    for name, text in _facts(description):
        print(f"{name + ':':<16}{text}")
    return 0


def _facts(description: ImageDescription) -> list[tuple[str, str]]:
    extent = np.multiply(description.size, description.spacing)
    axes = np.array(description.direction).reshape(3, 3).T
    facts = [
        ("File", str(description.path)),
        ("Kind", description.kind),
        ("Size", f"{_times(description.size)} voxels"),
        ("Spacing", f"{_times(description.spacing)} mm"),
        ("Extent", f"{_times(extent)} mm"),
        ("First voxel", f"{', '.join(f'{value:.2f}' for value in description.origin)} mm (LPS)"),
        ("Axes run to", ", ".join(f"{name} {side(axis)}" for name, axis in zip("ijk", axes, strict=True))),
        ("Frames", _frames(description)),
        ("Channels", str(description.channels)),
        ("Values", f"{description.value_type}, {description.minimum:g} to {description.maximum:g}"),
    ]
    facts += [("Series", f"{series.uid}  {series.description}  ({series.slices} images)") for series in description.series]
    return facts + [("Note", warning) for warning in description.warnings]


def _frames(description: ImageDescription) -> str:
    if description.frames == 1:
        return "1"
    last = f", the last at {description.frame_times_ms[-1]:g} ms" if description.frame_times_ms else ""
    return f"{description.frames} (0 to {description.frames - 1}{last})"


def _times(values: tuple[float, ...] | np.ndarray) -> str:
    return " × ".join(f"{value:.5g}" for value in values)
