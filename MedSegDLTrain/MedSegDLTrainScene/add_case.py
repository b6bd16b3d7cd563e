"""The volume and the segments that a person sees, as a case of a case folder."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import slicer

from MedSegDLLib.atomic import why
from MedSegDLLib.errors import InputError, MedSegDLError, ModelError, OutputError
from MedSegDLLib.failures import fault_of_the_program
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Label, LabelTable, write_label_table
from MedSegDLLib.model_card import ModelCard
from MedSegDLLib.zoo import find_model, read_model
from MedSegDLScene import labelmaps
from MedSegDLScene.grids import BINARY_LABELMAP, arrayFromImageData
from MedSegDLScene.interpreter import Interpreter
from MedSegDLScene.matching import labelsOfSegments
from MedSegDLScene.run_report import MODEL_ID, MODEL_SHA256
from MedSegDLScene.steps import goOn
from MedSegDLScene.volumes import checkHasVoxels, geometryOfVolume
from MedSegDLTrainLib.cases import CASES_FILE, IGNORE, IGNORE_NAME, STATUSES, label_table_of
from MedSegDLTrainScene.annotated_slices import AnnotatedSlices, Which, sentence_of, slice_axes, with_ignored
from MedSegDLTrainScene.case_files import writeImageInSteps, writeLabelmapInSteps
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
    """Begin to add a case: its files are written step by step, then a process checks and adds it; nobody waits for either.

    Segments become labels by id, terminology or name (`labelTableFor`); a segment called "ignore" marks what nobody
    annotated. An image that the folder has already gets the new labels, and the earlier ones are kept. The nodes may go
    meanwhile, but what changes in them makes the adding fail.
    Raises InputError for what can be told at once, OutputError where no temporary folder can be made.
    """
    if not draft.patient.strip():
        raise InputError("Say whose image this is: images of one patient must stay together.")
    if draft.status not in STATUSES:
        raise InputError(f"The status is one of {', '.join(STATUSES)}, not '{draft.status}'.")
    checkHasVoxels(draft.volumeNode)
    table = labelTableFor(draft.folder, draft.segmentationNode)
    if draft.annotated.which is Which.LISTED:
        _listedSlicesSentence(draft)
    try:
        place = Path(tempfile.mkdtemp(prefix="medsegdl-case-"))
    except OSError as reason:
        raise OutputError(f"The case cannot be written: {why(reason)}.") from reason
    try:
        files = [place / f"{_fileName(draft.volumeNode)}.mha", place / "labels.mha", place / "labels.csv"]
        arguments, steps = _arguments(draft, files), _filesInSteps(draft, table, files)
        next(steps)  # what can be told at once
        return Adding(steps, lambda: _AddCommand(interpreter, arguments), place)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


class _AddCommand(CommandWork):
    """The process that adds the case."""

    case: tuple[str, int] | None = None

    def _hear(self, event: dict) -> None:
        if event.get("event") == "added":
            self.case = event["name"], event["version"]


class Adding:
    """A case on its way into its folder; `caseName` and `version` are told when it is there.

    `overlapVoxels`: how many belong to several segments; each is the label that is later in the table. `begin` starts the
    process, once `steps` have written its files into `place`, which goes with the end.
    """

    def __init__(self, steps: Generator[None, None, int], begin: Callable[[], _AddCommand], place: Path) -> None:
        self._steps, self._begin, self._place = self._counting(steps), begin, place
        self._command: _AddCommand | None = None
        self._sentence = ""
        self.caseName, self.version, self.overlapVoxels, self.ended = "", 0, 0, False

    def poll(self) -> None:
        """Take it a little further; never longer than a few hundredths of a second."""
        if self.ended:
            return
        if self._command is None:
            self._write()
        else:
            self._command.poll()
            if self._command.ended:
                self._finish()

    @property
    def failed(self) -> bool:
        """Whether it ended without a case in the folder."""
        return self.ended and not self.caseName

    @property
    def sentence(self) -> str:
        """Why it failed; "" while it works and where it did not."""
        return self._sentence if self.failed else ""

    def cancel(self) -> None:
        """End it; the folder stays as it was."""
        if self._command is None:
            self._end()
        else:
            self._command.cancel()
            shutil.rmtree(self._place, ignore_errors=True)

    def _counting(self, steps: Generator[None, None, int]) -> Generator[None, None, None]:
        self.overlapVoxels = yield from steps

    def _write(self) -> None:
        try:
            if goOn(self._steps):
                return
        except MedSegDLError as problem:
            self._end(str(problem))
        except OSError as reason:
            self._end(f"The case cannot be written: {why(reason)}.")
        except Exception as error:  # else the next poll would go on with half a file
            self._end(fault_of_the_program(error, "this sentence"))
        else:
            self._command = self._begin()

    def _finish(self) -> None:
        if self._command.case:
            self.caseName, self.version = self._command.case
        self._end(self._command.sentence or "The process that adds the case was ended from outside: try again.")

    def _end(self, sentence: str = "") -> None:
        self.ended, self._sentence = True, sentence
        self._steps.close()
        shutil.rmtree(self._place, ignore_errors=True)


def _filesInSteps(draft: CaseDraft, table: LabelTable, files: list[Path]) -> Generator[None, None, int]:
    """Write image, labels and table; the first step tells what is wrong with the nodes, and the last ones do without them.

    Returns how many voxels belong to several segments.
    """
    image, labels = writeImageInSteps(draft.volumeNode, files[0]), _labelmapInSteps(draft, table)
    next(image)
    next(labels)
    yield
    yield from image
    found = yield from labels
    yield
    labelmap = with_ignored(found.labelmap, draft.annotated)
    yield
    yield from writeLabelmapInSteps(labelmap, files[1])
    write_label_table(table, files[2])
    return found.overlapVoxels


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


def annotatedSlicesInSteps(draft: CaseDraft) -> Generator[None, None, str]:
    """Find out, in steps of milliseconds, which slices will count as annotated: a sentence.

    Raises InputError for what cannot be.
    """
    if draft.annotated.which is Which.ALL:
        return sentence_of(None, draft.annotated)
    if draft.annotated.which is Which.LISTED:
        return _listedSlicesSentence(draft)
    found = yield from _labelmapInSteps(draft, labelTableFor(draft.folder, draft.segmentationNode))
    yield
    return sentence_of(found.labelmap, draft.annotated)


def _listedSlicesSentence(draft: CaseDraft) -> str:
    """What slices are listed has nothing to do with the labels: an empty label map does, which takes no memory."""
    checkHasVoxels(draft.volumeNode)
    geometry = geometryOfVolume(draft.volumeNode)
    return sentence_of(LabelMap(np.broadcast_to(np.uint8(0), geometry.shape_zyx), geometry), draft.annotated)


def _labelmapInSteps(draft: CaseDraft, table: LabelTable) -> Generator[None, None, labelmaps.SegmentsOnGrid]:
    """The segments on the volume's grid with the table's values, and IGNORE where a segment says so.

    Raises InputError if all of them lie outside of the volume, say because they are another scan's.
    """
    ignore = Label(IGNORE, IGNORE_NAME, (128, 128, 128))
    known = LabelTable((*table.labels, ignore)) if max(label.value for label in table.labels) < IGNORE else table
    steps = labelmaps.labelmapInSteps(draft.segmentationNode, draft.volumeNode, known, draft.leaveOutOthers)
    next(steps)  # what is wrong with the nodes; from then on they may go
    names, drawn = (draft.segmentationNode.GetName(), draft.volumeNode.GetName()), _drawn(draft.segmentationNode, known)
    yield
    found = yield from steps
    if not found.labelmap.array.any() and any(np.isin(array, values).any() for array, values in drawn):
        raise InputError(
            "Nothing of '{}' lies in the image '{}': choose the image that it was drawn on, or bring both to one place.".format(
                *names
            )
        )
    return found


def _drawn(segmentationNode: slicer.vtkMRMLSegmentationNode, table: LabelTable) -> list[tuple[np.ndarray, list[int]]]:
    """The voxels of its segments and the values of those that are labels; nothing where segments are surfaces."""
    segments, drawn = segmentationNode.GetSegmentation(), []
    if segments.GetSourceRepresentationName() != BINARY_LABELMAP:
        return drawn
    labels = labelsOfSegments(segments, table)
    for layer in range(segments.GetNumberOfLayers()):
        ids = [segmentId for segmentId in segments.GetSegmentIDsForLayer(layer) if segmentId in labels]
        values = [segments.GetSegment(segmentId).GetLabelValue() for segmentId in ids]
        image = segments.GetLayerDataObject(layer)
        if values and image.GetNumberOfPoints():
            drawn.append((arrayFromImageData(image), values))
    return drawn


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
