"""A scene of its own for each check, with the phantom in it and the panel ready. NOT YET RUN in the application."""

from __future__ import annotations

from typing import Any

import slicer

from .application import LeftOut, openModule, press, waitUntil

MODEL = "lv_cine_mr"
SECONDS_TO_START = 180  # PyTorch from a slow disk, then the model
SECONDS_TO_SEGMENT = 300


def addPhantom() -> slicer.vtkMRMLScalarVolumeNode:
    """An empty scene with one volume of the phantom heart."""
    from MedSegDLPanel.sample_data_buttons import addPhantom

    slicer.mrmlScene.Clear(0)
    return addPhantom()


def needTorch() -> None:
    """Raise LeftOut where nothing can be segmented."""
    from MedSegDLScene.dependencies import TORCH, missing

    if missing([TORCH]):
        raise LeftOut("PyTorch is not installed in this Slicer")


def readyPanel(beating: bool = False) -> Any:
    """MedSegDL's widget object on the phantom, all that is needed chosen; `beating`: every frame of one heart beat."""
    from MedSegDLPanel import sample_data_buttons
    from MedSegDLPanel.choices import Frames

    needTorch()
    slicer.mrmlScene.Clear(0)
    volumeNode = sample_data_buttons.addBeatingPhantom() if beating else sample_data_buttons.addPhantom()
    widget = openModule("MedSegDL")
    node = widget.logic.getParameterNode()
    node.inputVolume, node.modelId, node.outputSegmentation, node.device = volumeNode, MODEL, None, "cpu"
    node.frames = Frames.EVERY if beating else Frames.THIS
    return widget


def apply(widget: Any) -> Any:
    """Press Apply; returns the run, which has begun or waits."""
    before = len(widget.logic.runs.runs)
    press(widget.ui.applyButton, widget.ui.reasonLabel)
    assert len(widget.logic.runs.runs) == before + 1, "Apply began no run"
    return widget.logic.runs.runs[-1]


def untilItSegments(run: Any) -> None:
    """Wait until the network is at work: the worker has started and loaded the model."""
    waitUntil(lambda: run.stage == "network" or run.ended, SECONDS_TO_START, f"the run is past its stage '{run.stage}'")
    assert not run.ended, f"it ended too early to be disturbed: {run.state} {run.sentence}"


def untilItEnds(run: Any, state: str = "finished") -> None:
    """Wait for the end, which has to be this one."""
    waitUntil(lambda: run.ended, SECONDS_TO_SEGMENT, f"the run has ended (it is {run.state}, {run.stage})")
    assert run.state == state, f"{run.state}: {run.sentence} {run.log}"


def segmentations() -> list[slicer.vtkMRMLSegmentationNode]:
    """Those of the scene."""
    return slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
