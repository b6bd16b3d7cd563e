"""Segments of a node as the label table of a new case folder."""

from __future__ import annotations

import slicer

from MedSegDLLib.errors import InputError
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLScene.matching import TISSUE, terminologyOf
from MedSegDLTrainLib.cases import LARGEST_LABEL


def tableOfSegments(segmentationNode: slicer.vtkMRMLSegmentationNode, leftOut: str) -> LabelTable:
    """Names, colours and terminology in the order of the segments, values 1, 2, 3…; without the segment called `leftOut`.

    Raises InputError for a name that occurs twice, no name, and more segments than a case folder may have labels.
    """
    segments = segmentationNode.GetSegmentation()
    chosen = [segments.GetSegment(segmentId) for segmentId in segments.GetSegmentIDs()]
    chosen = [segment for segment in chosen if segment.GetName() != leftOut]
    names = [segment.GetName() for segment in chosen]
    if not names or not all(name.strip() for name in names):
        raise InputError(f"'{segmentationNode.GetName()}' needs segments with names: give each of them one.")
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InputError(f"Two segments are called '{repeated[0]}': give them different names.")
    if len(names) > LARGEST_LABEL:
        raise InputError(f"A case folder has at most {LARGEST_LABEL} labels, but there are {len(names)} segments.")
    return LabelTable(tuple(_label(value, segment) for value, segment in enumerate(chosen, 1)))


def _label(value: int, segment: slicer.vtkSegment) -> Label:
    terminology = terminologyOf(segment)
    if terminology and (terminology.type.scheme, terminology.type.value) == TISSUE:
        terminology = None  # Slicer's default, which says nothing
    return Label(value, segment.GetName(), tuple(round(255 * part) for part in segment.GetColor()), terminology)
