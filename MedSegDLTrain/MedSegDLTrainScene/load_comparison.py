"""A case of a run's report in the scene: the reference filled, what the run's model marked as outlines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import slicer

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import read_labelmap
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.segmentation import Segmentation
from MedSegDLScene.segments import addSegmentation
from MedSegDLTrainLib.cases import label_table_of
from MedSegDLTrainLib.report_note import REPORT_FOLDER, ReportNote, read_note
from MedSegDLTrainScene.known_runs import job_of
from MedSegDLTrainScene.load_case import loadCase


@dataclass(frozen=True)
class LoadedComparison:
    """The nodes that a case of a report was loaded into."""

    volumeNode: slicer.vtkMRMLScalarVolumeNode
    referenceNode: slicer.vtkMRMLSegmentationNode
    predictionNode: slicer.vtkMRMLSegmentationNode


def loadComparison(run: Path, case: str) -> LoadedComparison:
    """Load one of `validation.compared_cases`; raises InputError if there is no report, or no such case in it."""
    note = read_note(run)
    if case not in note.cases:
        raise InputError(f"The report of {run.name} has no case {case}: make the report again.")
    folder = Path(job_of(run).cases)
    prediction = read_labelmap(run / REPORT_FOLDER / note.predictions / f"{case}.nii.gz")
    table = _tableOf(note, folder)
    loaded = loadCase(folder, case)
    loaded.segmentationNode.SetName(slicer.mrmlScene.GenerateUniqueName(f"{case} reference"))
    predicted = addSegmentation(
        Segmentation(prediction, table), loaded.volumeNode, "MedSegDL", f"{case} prediction of {run.name}"
    )
    _show(loaded.segmentationNode, filled=True)
    _show(predicted, filled=False)
    return LoadedComparison(loaded.volumeNode, loaded.segmentationNode, predicted)


def _tableOf(note: ReportNote, folder: Path) -> LabelTable:
    """The case folder's colours with the values of the model."""
    known = {label.name: label for label in label_table_of(folder).labels}
    if gone := [name for name in note.labels if name not in known]:
        raise InputError(f"The case folder has no label '{gone[0]}' any more: the prediction cannot be shown beside it.")
    return LabelTable(tuple(replace(known[name], value=value) for value, name in enumerate(note.labels, 1)))


def _show(node: slicer.vtkMRMLSegmentationNode, filled: bool) -> None:
    display = node.GetDisplayNode()
    display.SetVisibility2DFill(filled)
    display.SetVisibility2DOutline(not filled)
