"""What is chosen in the panels survives saving and loading a scene. NOT YET RUN in the application."""

from __future__ import annotations

import tempfile
from pathlib import Path

import slicer

from .application import openModule
from .phantoms import addPhantom


def choicesAreSavedWithTheScene() -> str:
    """Into an .mrb file, out of the emptied scene, and back: values and nodes of both parameter nodes."""
    _choose(addPhantom())
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "scene.mrb")
        assert slicer.util.saveScene(file)
        slicer.mrmlScene.Clear(0)
        assert openModule("MedSegDL").logic.getParameterNode().inputVolume is None
        slicer.util.loadScene(file)
    _checkSegmenting(openModule("MedSegDL").logic.getParameterNode())
    _checkTraining(openModule("MedSegDLTrain").logic.getParameterNode())
    return "device, model, postprocessing, case folder, patient and nodes came back"


def _choose(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
    node = openModule("MedSegDL").logic.getParameterNode()
    node.inputVolume, node.modelId, node.device, node.postprocessing = volumeNode, "lv_cine_mr", "cpu", False
    node = openModule("MedSegDLTrain").logic.getParameterNode()
    node.volume, node.caseFolder, node.patient, node.minutes = volumeNode, "/nowhere/cases", "P 1", 7


def _checkSegmenting(node: object) -> None:
    assert node.inputVolume is not None and node.inputVolume.GetImageData() is not None
    assert (node.modelId, node.device, node.postprocessing) == ("lv_cine_mr", "cpu", False)
    widget = slicer.util.getModuleWidget("MedSegDL")
    assert widget.ui.inputSelector.currentNode() is node.inputVolume
    assert not widget.ui.postprocessingCheckBox.checked


def _checkTraining(node: object) -> None:
    assert (node.caseFolder, node.patient, node.minutes) == ("/nowhere/cases", "P 1", 7)
    assert node.volume is not None
