"""A training from the panel: cases, job, start; it outlives the panel, and its curves are plotted. NOT YET RUN in Slicer."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from .application import openModule, press, waitUntil
from .phantoms import MODEL, needTorch

_MOST_CASES = 8  # until chance has put one patient aside for validation
_SECONDS_TO_ADD, _SECONDS_TO_PLAN, _SECONDS_TO_BEGIN = 60, 300, 180


def aTrainingOutlivesItsPanel() -> str:
    """Add cases, write a job, start, show the loss; reload the module: the run is found again, and stops when asked."""
    needTorch()
    slicer.mrmlScene.Clear(0)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        widget = openModule("MedSegDLTrain")
        cases = Path(folder) / "cases"
        cases.mkdir()  # or the panel asks, and with --testing slicer.util.confirmOkCancelDisplay answers "Cancel" unasked
        widget.logic.getParameterNode().caseFolder = str(cases)
        _addCases(widget)
        _writeJob(widget)
        _start(widget)
        press(widget.ui.lossButton)
        widget.onReload()
        again = openModule("MedSegDLTrain")
        waitUntil(lambda: _state(again) == "running", 10, "the reloaded panel finds the run at work")
        step = again.panel.runs.selected.status.step
        _stop(again)
        return f"{len(again.panel.cases.rows)} cases; found again after step {step}, then {_state(again)}"


def _addCases(widget: Any) -> None:
    """Frames of phantoms with different hearts, until there is something to train on and something to validate on."""
    for number in range(_MOST_CASES):
        if {"training", "validation"} <= {row.use for row in widget.panel.cases.rows}:
            return
        _addCase(widget, number)


def _addCase(widget: Any, number: int) -> None:
    node, before = widget.logic.getParameterNode(), len(widget.panel.cases.rows)
    node.volume, node.segmentation = _scan(number)
    node.patient = f"P{number}"
    press(widget.ui.addButton, widget.ui.takenLabel)
    waitUntil(lambda: len(widget.panel.cases.rows) > before, _SECONDS_TO_ADD, "the case is in the table")


def _scan(number: int) -> tuple[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLSegmentationNode]:
    """One frame of a phantom and the segment that the model would have found at its best."""
    from MedSegDLLib.phantom import cine_phantom
    from MedSegDLLib.zoo import find_model, read_model

    phantom = cine_phantom(_MOST_CASES)
    image, labels = phantom.images[number], phantom.labelmaps[number]
    value = next(label.value for label in phantom.labels.labels if label.name == "Left ventricle")
    (label,) = read_model(find_model(MODEL))[1].labels
    volumeNode = slicer.util.addVolumeFromArray(image.array[0], image.geometry.affine_ijk_to_ras, f"scan {number}")
    segmentationNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"scan {number} segments")
    segmentationNode.CreateDefaultDisplayNodes()
    segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    segmentId = segmentationNode.GetSegmentation().AddEmptySegment("", label.name)
    mask = (labels.array == value).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentationNode, segmentId, volumeNode)
    return volumeNode, segmentationNode


def _writeJob(widget: Any) -> None:
    node = widget.logic.getParameterNode()
    node.startFrom, node.minutes = f"model:{MODEL}", 5
    press(widget.ui.writeJobButton, widget.ui.writeJobReason)
    waitUntil(lambda: bool(node.job), _SECONDS_TO_PLAN, "the job is written")


def _start(widget: Any) -> None:
    press(widget.ui.startButton, widget.ui.startReason)
    waitUntil(lambda: _state(widget) == "running", _SECONDS_TO_BEGIN, "the training works")
    waitUntil(lambda: widget.ui.lossButton.enabled, _SECONDS_TO_BEGIN, "there is a loss to plot")


def _stop(widget: Any) -> None:
    press(widget.ui.stopButton)
    waitUntil(lambda: _state(widget) in ("stopped", "finished"), 60, "the training has stopped")


def _state(widget: Any) -> str:
    watch = widget.panel.runs.selected
    return watch.status.state if watch is not None else ""
