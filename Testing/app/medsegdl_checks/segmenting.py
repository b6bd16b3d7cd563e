"""The worker in PythonSlicer: it starts, the window stays alive, and cancel, kill and a closed scene do no harm.

NOT YET RUN in the application.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import slicer

from .application import LeftOut, Ticks, waitUntil
from .phantoms import apply, readyPanel, segmentations, untilItEnds, untilItSegments

_LONGEST_GAP_S = 0.5  # of a window that a person calls alive
_SECONDS_TO_CANCEL = 2.0


def theWorkerIsPythonSlicer() -> str:
    """Its interpreter is Slicer's own, and it is another process than Slicer and than the launcher that started it."""
    widget = readyPanel()
    (command,) = widget.logic.interpreter.command
    assert Path(command).stem == "PythonSlicer", command
    widget.logic.close()
    run = apply(widget)
    untilItEnds(run)
    pid = _workerOf(widget)
    assert pid not in (0, os.getpid())
    return f"{command}, worker {pid}, PyTorch {run.report['versions'].get('torch')} on {run.report['device']}"


def theWindowNeverFreezes() -> str:
    """A timer of 10 ms ticks on while the worker starts, loads, segments, and the result goes into the scene."""
    widget, said = readyPanel(), []
    widget.logic.close()
    for temperature in ("cold", "warm"):
        ticks, begun = Ticks(), time.monotonic()
        run = apply(widget)
        untilItEnds(run)
        ticks.stop()
        said.append(f"{temperature}: {time.monotonic() - begun:.1f} s, {ticks}")
        assert ticks.longestGap < _LONGEST_GAP_S, said[-1]
    (node, *_) = segmentations()
    assert node.GetSegmentation().GetNumberOfSegments() == 1
    return "; ".join(said)


def cancelTakesEffectAtOnce() -> str:
    """The button that Apply has become: no result, and the next Apply works."""
    widget = readyPanel(beating=True)
    run = apply(widget)
    untilItSegments(run)
    begun = time.monotonic()
    widget.ui.applyButton.click()
    untilItEnds(run, "cancelled")
    seconds = time.monotonic() - begun
    assert seconds < _SECONDS_TO_CANCEL, seconds
    assert segmentations() == []
    _applyWorks(widget)
    return f"cancelled within {1000 * seconds:.0f} ms"


def aKilledWorkerIsOneSentence() -> str:
    """Somebody ends the worker's process: a sentence in the panel, and the next Apply starts another."""
    widget = readyPanel(beating=True)
    run = apply(widget)
    untilItSegments(run)
    pid = _workerOf(widget)
    os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    untilItEnds(run, "failed")
    assert run.sentence and "Traceback" not in run.sentence, run.sentence
    assert widget.ui.errorFrame.visible and run.sentence in widget.ui.errorLabel.text
    _applyWorks(widget)
    assert _workerOf(widget) != pid
    return run.sentence


def aClosedSceneDropsTheResult() -> str:
    """The scene is closed during a run: nothing of it gets into the next scene, and the panel goes on."""
    widget = readyPanel(beating=True)
    run = apply(widget)
    untilItSegments(run)
    slicer.mrmlScene.Clear(0)
    waitUntil(lambda: run.ended, 10, "the run has ended with its scene")
    assert run.state in ("failed", "cancelled") and run.sentence
    assert segmentations() == []
    _applyWorks(readyPanel())
    return run.sentence


def closingLeavesNothingBehind() -> str:
    """What the module does when Slicer ends: the worker is gone, and so are the files through which images went."""
    widget = readyPanel()
    _applyWorks(widget)
    pid = _workerOf(widget)
    widget.logic.close()
    if sys.platform == "win32":
        raise LeftOut("whether a process lives cannot be asked this way on Windows")
    waitUntil(lambda: not _lives(pid), 10, f"the worker {pid} has ended")
    folders = [folder for folder in (Path("/dev/shm"), Path(tempfile.gettempdir())) if folder.is_dir()]
    left = [str(file) for folder in folders for file in folder.glob(f"MedSegDL-{os.getpid()}-*")]
    assert left == [], left
    return f"worker {pid} is gone, no file is left"


def _applyWorks(widget: Any) -> None:
    """One frame, from the first click to the segment."""
    from MedSegDLPanel.choices import Frames

    widget.logic.getParameterNode().frames = Frames.THIS
    run = apply(widget)
    untilItEnds(run)
    assert run.segmentationNode is not None and run.rows[0].voxels > 0


def _workerOf(widget: Any) -> int:
    """The process id that the worker itself told; nobody but a test needs it, so there is no public way to it."""
    process = widget.logic.client._process
    return process.pid if process is not None else 0


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
