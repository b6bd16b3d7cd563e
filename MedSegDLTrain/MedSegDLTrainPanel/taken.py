"""Which segments of a segmentation become which labels of a case folder: in words, before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from MedSegDLLib.labels import Label, LabelTable
from MedSegDLScene.matching import labelsOfSegments
from MedSegDLTrainLib.cases import IGNORE_NAME
from MedSegDLTrainScene.case_table import is_case_folder

_MOST_NAMES = 8


@dataclass(frozen=True)
class Taken:
    """`pairs`: a segment's name and the label that it becomes; `leftOut`: names of segments that become none."""

    pairs: tuple[tuple[str, Label], ...]
    leftOut: tuple[str, ...]
    hasIgnore: bool
    isNew: bool

    def sentences(self) -> str:
        """What will be taken, as text of several lines."""
        lines = [_("A new case folder: its labels are named after these segments.")] if self.isNew else []
        lines += [_("Taken: {names}.").format(names=_listed([_pairText(*pair) for pair in self.pairs]))] if self.pairs else []
        if self.leftOut:
            lines += [_("Left out, because they are no labels of the folder: {names}.").format(names=_listed(self.leftOut))]
        if self.hasIgnore:
            lines += [_("The segment “ignore” marks what nobody annotated.")]
        return "\n".join(lines)


def takenOf(folder: Path, segmentationNode: slicer.vtkMRMLSegmentationNode, table: LabelTable) -> Taken:
    """What a case folder with the label table `table` takes of a segmentation node."""
    segments = segmentationNode.GetSegmentation()
    names = {segmentId: segments.GetSegment(segmentId).GetName() for segmentId in segments.GetSegmentIDs()}
    labels = labelsOfSegments(segments, table)
    return Taken(
        tuple((names[segmentId], labels[segmentId]) for segmentId in names if segmentId in labels),
        tuple(name for segmentId, name in names.items() if segmentId not in labels and name != IGNORE_NAME),
        IGNORE_NAME in names.values(),
        not is_case_folder(folder),
    )


def _pairText(name: str, label: Label) -> str:
    shown = label.name if name == label.name else _("{segment} as {label}").format(segment=name, label=label.name)
    return f"{shown} ({label.value})"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    return _("{names} and {more} more").format(names=shown, more=more) if more > 0 else shown
