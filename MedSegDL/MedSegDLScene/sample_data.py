"""Data to try the program with: a heart made of formulas, as one volume or beating.

CT is there already: Slicer's own "CTChest". Nothing is downloaded: the phantom is computed in some seconds, by a process of its
own, so that the window stays alive; it needs nothing but what Slicer brings.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import slicer

from MedSegDLLib.atomic import why
from MedSegDLLib.errors import OutputError
from MedSegDLLib.mapped_files import MappedFile, exchange_folder
from MedSegDLLib.phantom import frame_times_s, short_axis_geometry
from MedSegDLLib.phantom_frames import VOXEL_TYPE, frames_shape
from MedSegDLScene.command_process import CommandProcess
from MedSegDLScene.interpreter import Interpreter

PHANTOM, BEATING_PHANTOM = "MedSegDL heart phantom", "MedSegDL beating heart phantom"
FRAMES = 10
_POLL_S = 0.01

# Called over and over while the phantom is made, with the share that is done (0…1), to keep windows alive; what it raises, such
# as Cancelled, ends the making.
Meanwhile = Callable[[float], None]


def addPhantom(interpreter: Interpreter, meanwhile: Meanwhile) -> slicer.vtkMRMLScalarVolumeNode:
    """A new volume node with a short-axis MR image of a phantom heart in end diastole.

    Raises OutputError with a sentence where it cannot be made; then, and when `meanwhile` raises, the scene stays as it was.
    """
    return _addVolume(_made(1, interpreter, meanwhile)[0], PHANTOM)


def addBeatingPhantom(interpreter: Interpreter, meanwhile: Meanwhile, frames: int = FRAMES) -> slicer.vtkMRMLScalarVolumeNode:
    """The phantom over one heart beat as a sequence with a browser; returns the volume that shows its frames.

    Raises as `addPhantom`.
    """
    sequence = _addSequence(_made(frames, interpreter, meanwhile), frame_times_s(frames))
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{BEATING_PHANTOM} browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    return browser.GetProxyNode(sequence)


def _made(frames: int, interpreter: Interpreter, meanwhile: Meanwhile) -> np.ndarray:
    """The phantom's voxels, (frames, Z, Y, X)."""
    shape = frames_shape(frames)
    try:
        file = MappedFile(exchange_folder(int(np.prod(shape)) * VOXEL_TYPE.itemsize), "phantom")
    except OSError as reason:
        raise OutputError(f"The phantom could not be made: {why(reason)}.") from reason
    try:
        process = CommandProcess(interpreter, ["-m", "MedSegDLLib.phantom_frames", str(frames), str(file.path)])
        _wait(process, frames, meanwhile)
        if process.status != 0:
            raise OutputError(f"The phantom could not be made. {process.sentence or 'Its process was ended: try again.'}")
        return file.read(VOXEL_TYPE, shape)
    finally:
        file.remove()


def _wait(process: CommandProcess, frames: int, meanwhile: Meanwhile) -> None:
    """Until the process has ended; when `meanwhile` raises, it is ended first."""
    try:
        while not process.ended:
            process.poll()
            meanwhile(sum(event.get("event") == "frame" for event in process.events) / frames)
            time.sleep(_POLL_S)
    finally:
        process.cancel()
        while not process.ended:  # a moment: it has nothing to tidy up
            process.poll()
            time.sleep(_POLL_S)


def _addVolume(array: np.ndarray, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    name = slicer.mrmlScene.GenerateUniqueName(name)
    return slicer.util.addVolumeFromArray(array, short_axis_geometry().affine_ijk_to_ras, name)


def _addSequence(arrays: np.ndarray, times_s: tuple[float, ...]) -> slicer.vtkMRMLSequenceNode:
    name = slicer.mrmlScene.GenerateUniqueName(BEATING_PHANTOM)
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("s")
    frame = _addVolume(arrays[0], BEATING_PHANTOM)
    for array, time_s in zip(arrays, times_s, strict=True):
        slicer.util.updateVolumeFromArray(frame, array)
        sequence.SetDataNodeAtValue(frame, f"{time_s:.3f}")  # a copy
    slicer.mrmlScene.RemoveNode(frame)
    return sequence
