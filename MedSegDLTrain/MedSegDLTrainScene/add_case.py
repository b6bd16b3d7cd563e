"""The volume and the segments that a person sees, as a case of a case folder."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import slicer

from MedSegDLLib.errors import InputError, ModelError
from MedSegDLLib.files import write_image, write_labelmap
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Label, LabelTable, write_label_table
from MedSegDLLib.model_card import ModelCard
from MedSegDLLib.zoo import find_model, read_model
from MedSegDLScene.interpreter import Interpreter
from MedSegDLScene.labelmaps import labelmapFromSegmentation
from MedSegDLScene.run_report import MODEL_ID, MODEL_SHA256
from MedSegDLScene.volumes import geometryOfVolume, imageFromVolume
from MedSegDLTrainLib.cases import CASES_FILE, IGNORE, IGNORE_NAME, STATUSES, label_table_of
from MedSegDLTrainScene.annotated_slices import AnnotatedSlices, Which, sentence_of, slice_axes, with_ignored
from MedSegDLTrainScene.command_work import CommandWork
from MedSegDLTrainScene.segment_labels import tableOfSegments

__all__ = ["Adding", "AnnotatedSlices", "CaseDraft", "Source", "Which", "addCase", "suggestedPatient"]


@dataclass(frozen=True)
class Source:
    """The model whose prediction a segmentation began as; empty texts where it was drawn by hand."""

    modelId: str = ""
    modelSha256: str = ""


@dataclass(frozen=True)
class CaseDraft:
    """What is to be added. `split`: train, validation or test for a patient who is new; None: drawn.

    `modality`: of a new folder; "" takes the model's, else the DICOM series', else MR.
    """

    folder: Path
    volumeNode: slicer.vtkMRMLScalarVolumeNode | None
    segmentationNode: slicer.vtkMRMLSegmentationNode | None
    patient: str
    status: str = "corrected"
    annotated: AnnotatedSlices = field(default_factory=AnnotatedSlices)
    split: str | None = None
    leaveOutOthers: bool = False
    modality: str = ""


def addCase(draft: CaseDraft, interpreter: Interpreter) -> Adding:
    """Begin to add a case; a process checks and writes it, so that nobody waits for the compression of a large volume.

    Segments become labels by id, terminology or name (`labelTableFor`); a segment called "ignore" marks what nobody
    annotated. An image that the folder has already gets the new labels, and the earlier ones are kept.
    Raises InputError for what can be told at once, OutputError where the temporary files cannot be written.
    """
    if not draft.patient.strip():
        raise InputError("Say whose image this is: images of one patient must stay together.")
    if draft.status not in STATUSES:
        raise InputError(f"The status is one of {', '.join(STATUSES)}, not '{draft.status}'.")
    image = imageFromVolume(draft.volumeNode)
    table = labelTableFor(draft.folder, draft.segmentationNode)
    labelmap = with_ignored(_labelmapOf(draft, table), draft.annotated)
    place = Path(tempfile.mkdtemp(prefix="medsegdl-case-"))
    try:
        files = [place / f"{_fileName(draft.volumeNode)}.nii", place / "labels.nii", place / "labels.csv"]
        write_image(image, files[0])
        write_labelmap(labelmap, files[1])
        write_label_table(table, files[2])
        return Adding(interpreter, _arguments(draft, files), place)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


class Adding(CommandWork):
    """A case on its way into its folder; `caseName` and `version` are told when it is there."""

    def __init__(self, interpreter: Interpreter, arguments: list[str], place: Path) -> None:
        self._place = place
        self.caseName, self.version = "", 0
        super().__init__(interpreter, arguments)

    def cancel(self) -> None:
        """End the process; the folder stays as it was."""
        super().cancel()
        shutil.rmtree(self._place, ignore_errors=True)

    def _hear(self, event: dict) -> None:
        if event.get("event") == "added":
            self.caseName, self.version = event["name"], event["version"]

    def _end(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)


def labelTableFor(folder: Path, segmentationNode: slicer.vtkMRMLSegmentationNode | None) -> LabelTable:
    """The labels that a case of this folder has.

    Those of the folder; of a folder that is new those of the model that made the segments, if it knows them all (a label
    that it did not find here is one all the same), else the segments themselves. Raises InputError.
    """
    if (folder / CASES_FILE).is_file():
        return label_table_of(folder)
    if segmentationNode is None or segmentationNode.GetSegmentation().GetNumberOfSegments() == 0:
        raise InputError("There are no segments: choose a segmentation that has some.")
    table = tableOfSegments(segmentationNode, leftOut=IGNORE_NAME)
    known = _modelOf(sourceOf(segmentationNode))
    names = {label.name for label in table.labels}
    return known[1] if known and names <= {label.name for label in known[1].labels} else table


def sourceOf(segmentationNode: slicer.vtkMRMLSegmentationNode | None) -> Source:
    """The model that a segmentation began as."""
    if segmentationNode is None:
        return Source()
    return Source(*(segmentationNode.GetAttribute(key) or "" for key in (MODEL_ID, MODEL_SHA256)))


def suggestedPatient(volumeNode: slicer.vtkMRMLVolumeNode | None) -> str:
    """A key for the patient, to be looked at by a person: DICOM's patient id, else the name of the Subject Hierarchy's
    patient, else the volume's name, as if every volume were another patient's.
    """
    if volumeNode is None:
        return ""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    constants = slicer.vtkMRMLSubjectHierarchyConstants
    item = hierarchy.GetItemByDataNode(volumeNode)
    patient = hierarchy.GetItemAncestorAtLevel(item, constants.GetDICOMLevelPatient()) if item else 0
    if not patient:
        return volumeNode.GetName()
    told = (
        hierarchy.GetItemAttribute(patient, constants.GetDICOMPatientIDAttributeName()),
        hierarchy.GetItemUID(patient, constants.GetDICOMUIDName()),
        hierarchy.GetItemName(patient),
    )
    return next((text.strip() for text in told if text and text.strip()), volumeNode.GetName())


def sliceAxes(volumeNode: slicer.vtkMRMLVolumeNode) -> tuple[str, ...]:
    """axial, coronal and sagittal, the volume's own slices first."""
    return slice_axes(geometryOfVolume(volumeNode))


def annotatedSlicesSentence(draft: CaseDraft) -> str:
    """Which slices will count as annotated; raises InputError for what cannot be."""
    if draft.annotated.which is Which.ALL:
        return sentence_of(None, draft.annotated)
    return sentence_of(_labelmapOf(draft, labelTableFor(draft.folder, draft.segmentationNode)), draft.annotated)


def _labelmapOf(draft: CaseDraft, table: LabelTable) -> LabelMap:
    """The segments on the volume's grid with the table's values, and IGNORE where a segment says so."""
    ignore = Label(IGNORE, IGNORE_NAME, (128, 128, 128))
    known = LabelTable((*table.labels, ignore)) if max(label.value for label in table.labels) < IGNORE else table
    return labelmapFromSegmentation(draft.segmentationNode, draft.volumeNode, known, draft.leaveOutOthers).labelmap


def _modelOf(source: Source) -> tuple[ModelCard, LabelTable] | None:
    try:
        return read_model(find_model(source.modelId)) if source.modelId else None
    except ModelError:  # it is not here any more
        return None


def _arguments(draft: CaseDraft, files: list[Path]) -> list[str]:
    image, labels, table = map(str, files)
    arguments = ["cases", "add", str(draft.folder), "--json", "--image", image, "--labels", labels, "--table", table]
    arguments += [f"--patient={draft.patient.strip()}", "--status", draft.status, "--modality", _modalityOf(draft)]
    source = sourceOf(draft.segmentationNode)
    arguments += ["--from", source.modelId, f"--from-sha256={source.modelSha256}"] if source.modelId else []
    return arguments + (["--split", draft.split] if draft.split else [])


def _modalityOf(draft: CaseDraft) -> str:
    """Of a new folder; the process does not look at it where there is one."""
    if draft.modality:
        return draft.modality
    if known := _modelOf(sourceOf(draft.segmentationNode)):
        return known[0].modality or "MR"
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    attribute = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName()
    item = hierarchy.GetItemByDataNode(draft.volumeNode)
    return (hierarchy.GetItemAttribute(item, attribute) if item else "") or "MR"


def _fileName(volumeNode: slicer.vtkMRMLVolumeNode) -> str:
    """Of the temporary file, which the case is called after."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", volumeNode.GetName()).strip("-.")[:60] or "case"
