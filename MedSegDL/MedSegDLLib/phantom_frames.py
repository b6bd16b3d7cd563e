"""`python -m MedSegDLLib.phantom_frames FRAMES FILE`: the phantom for a caller that must not compute (light: Slicer's window).

The images go into FILE, which the caller made, as one array of `VOXEL_TYPE` and `frames_shape(FRAMES)`. A line of JSON tells of
each frame that is done; what goes wrong is a sentence on stderr.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from MedSegDLLib.atomic import why
from MedSegDLLib.errors import OutputError
from MedSegDLLib.mapped_files import fill
from MedSegDLLib.phantom import cine_frames, short_axis_geometry

VOXEL_TYPE = np.dtype(np.int16)


def frames_shape(frames: int) -> tuple[int, int, int, int]:
    """Frames and size (Z, Y, X) of the array in the file."""
    return frames, *short_axis_geometry().shape_zyx


def main(frames: int, path: Path) -> int:
    """Make the phantom and put it into the file at `path`; returns the exit status."""
    array = np.empty(frames_shape(frames), VOXEL_TYPE)
    for number, (image, _labels) in enumerate(cine_frames(frames)):
        array[number] = image.array[0]
        print(json.dumps({"event": "frame", "done": number + 1, "of": frames}), flush=True)
    try:
        fill(path, array)
    except OSError as reason:
        print(f"The phantom could not be handed over: {why(reason)}.", file=sys.stderr)
        return OutputError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2])))
