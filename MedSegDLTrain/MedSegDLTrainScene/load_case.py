"""A case, or an image that is to become one, in the scene: volume and segments, ready to be corrected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import slicer

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import name_of, read_image, read_labels
from MedSegDLLib.image import Image
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.segmentation import Segmentation
from MedSegDLScene.placing import placeWithVolume
from MedSegDLScene.run_report import MODEL_ID, MODEL_SHA256
from MedSegDLScene.segments import addSegments
from MedSegDLTrainLib.cases import (
    IGNORE,
    IGNORE_NAME,
    Case,
    check_same_grid,
    image_path,
    label_table_of,
    read_case,
    read_dataset,
)
from MedSegDLTrainScene.case_table import case_called
from MedSegDLTrainScene.next_case import Candidate

_FOLDER, _CASE, _PATIENT, _STATUS = (f"MedSegDL.{name}" for name in ("caseFolder", "case", "patient", "caseStatus"))
_IGNORE = Label(IGNORE, IGNORE_NAME, (128, 128, 128))
_IGNORE_OPACITY = 0.15  # what nobody annotated is seen through


@dataclass(frozen=True)
class LoadedCase:
    """The nodes that a case was loaded into."""

    volumeNode: slicer.vtkMRMLScalarVolumeNode
    segmentationNode: slicer.vtkMRMLSegmentationNode


@dataclass(frozen=True)
class Remembered:
    """The case that a volume was loaded from: adding it again gives that case new labels."""

    folder: Path
    case: str
    patient: str
    status: str


def loadCase(folder: Path, name: str) -> LoadedCase:
    """The image and the labels of a case, one segment for each label of the folder, also where nothing is marked.

    What nobody annotated is a segment called "ignore". One undo step. Raises InputError.
    """
    case = _caseCalled(folder, name)
    image, labels = read_case(folder, case, read_dataset(folder))
    return _loaded(image, Segmentation(labels, label_table_of(folder)), folder, case, (case.model, case.model_sha256))


def loadCandidate(folder: Path, candidate: Candidate) -> LoadedCase:
    """An image that nobody has corrected with a model's prediction of it; of a case, or of none yet. Raises InputError."""
    case = _caseCalled(folder, candidate.case) if candidate.case else None
    image = replace(read_image(candidate.image), name=case.name if case else name_of(candidate.image))
    prediction = read_labels(candidate.prediction)
    check_same_grid(image, prediction.labelmap)
    return _loaded(image, prediction, folder, case, (candidate.model_id, candidate.model_sha256))


def rememberedCase(volumeNode: slicer.vtkMRMLVolumeNode | None) -> Remembered | None:
    """The case that a volume was loaded from, also after the scene was saved and opened again."""
    if volumeNode is None or not volumeNode.GetAttribute(_CASE):
        return None
    folder, *texts = (volumeNode.GetAttribute(key) or "" for key in (_FOLDER, _CASE, _PATIENT, _STATUS))
    return Remembered(Path(folder), *texts)


def _caseCalled(folder: Path, name: str) -> Case:
    case = case_called(folder, name)
    if case is None:
        raise InputError(f"There is no case {name} in {folder}: look at the table again.")
    if not image_path(folder, case).is_file():
        raise InputError(f"The image of case {name} is missing in {folder}: bring it back, or remove the case.")
    return case


def _loaded(image: Image, segmentation: Segmentation, folder: Path, case: Case | None, model: tuple[str, str]) -> LoadedCase:
    slicer.mrmlScene.SaveStateForUndo()
    name = case.name if case else image.name
    volumeNode = slicer.util.addVolumeFromArray(image.array[0], image.geometry.affine_ijk_to_ras, name)
    volumeNode.CreateDefaultDisplayNodes()
    if case:
        for key, text in zip((_FOLDER, _CASE, _PATIENT, _STATUS), (str(folder), name, case.patient, case.status), strict=True):
            volumeNode.SetAttribute(key, text)
    segmentationNode = _segmentsOf(segmentation, volumeNode, f"{name} segmentation")
    for key, text in zip((MODEL_ID, MODEL_SHA256), model, strict=True):
        if text:
            segmentationNode.SetAttribute(key, text)
    return LoadedCase(volumeNode, segmentationNode)


def _segmentsOf(
    segmentation: Segmentation, volumeNode: slicer.vtkMRMLScalarVolumeNode, name: str
) -> slicer.vtkMRMLSegmentationNode:
    """All labels as segments, so that one that nobody has found can be drawn."""
    labelmap, labels = segmentation.labelmap, segmentation.labels.labels
    ignored = IGNORE not in {label.value for label in labels} and bool((labelmap.array == IGNORE).any())
    table = LabelTable((*labels, _IGNORE)) if ignored else segmentation.labels
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", slicer.mrmlScene.GenerateUniqueName(name))
    with slicer.util.NodeModify(node):
        placeWithVolume(node, volumeNode)
        ids = addSegments(node, Segmentation(labelmap, table), list(table.labels), labelmap.geometry, "MedSegDL")
        if ignored:
            node.GetDisplayNode().SetSegmentOpacity2DFill(ids[_IGNORE], _IGNORE_OPACITY)
    return node
