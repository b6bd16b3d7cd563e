"""Which segment stands for which label: by id, by terminology, by name, and never by label value.

Slicer changes a segment's label value when the segment moves to a layer of its own, and people rename and reorder segments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from functools import partial

import slicer
import vtk

from MedSegDLLib.labels import Label, LabelTable, Terminology, terminology_from_text
from MedSegDLLib.segmentation_file import segment_ids

TISSUE = ("SCT", "85756007")  # Slicer gives this type to every segment of which nobody said what it is


def segmentIds(labels: LabelTable) -> dict[Label, str]:
    """The segment id of each label, which files and scenes have in common; the same in every result of one table."""
    return dict(zip(labels.labels, segment_ids(labels.labels), strict=True))


def labelsOfSegments(segments: slicer.vtkSegmentation, labels: LabelTable) -> dict[str, Label]:
    """The label of each segment id that stands for one; other segments are left out.

    A segment with the id that `segmentIds` gives a label is that label, whatever it is called now. Of the rest, a segment
    and a label belong together if they alone have one terminology (type, region and modifiers; the default, tissue, says
    nothing), and then if they alone have one name.
    """
    ids = segmentIds(labels)
    matched: dict[str, Label] = {}
    for ofSegment, ofLabel in (
        (lambda segmentId: segmentId, ids.get),
        (lambda segmentId: _codesOf(terminologyOf(segments.GetSegment(segmentId))), lambda label: _codesOf(label.terminology)),
        (lambda segmentId: segments.GetSegment(segmentId).GetName(), lambda label: label.name),
    ):
        segmentsLeft = [segmentId for segmentId in segments.GetSegmentIDs() if segmentId not in matched]
        labelsLeft = [label for label in labels.labels if label not in matched.values()]
        labelByKey = _alone(labelsLeft, ofLabel)
        for key, segmentId in _alone(segmentsLeft, ofSegment).items():
            if key in labelByKey:
                matched[segmentId] = labelByKey[key]
    return matched


def pairedSegments(first: slicer.vtkSegmentation, second: slicer.vtkSegmentation) -> dict[str, str]:
    """For each segment id of `first` that of the segment of `second` that means the same; others are left out.

    Two belong together if they alone have one terminology (the default, tissue, says nothing), else one name (whatever its
    capitals), else one id that somebody has chosen, for "Segment_1" says nothing either.
    """
    paired: dict[str, str] = {}
    for keyOf in (
        lambda segments, segmentId: _codesOf(terminologyOf(segments.GetSegment(segmentId))),
        lambda segments, segmentId: segments.GetSegment(segmentId).GetName().strip().casefold() or None,
        lambda segments, segmentId: None if segmentId.startswith("Segment_") else segmentId,
    ):
        left = [each for each in first.GetSegmentIDs() if each not in paired]
        others = _alone([each for each in second.GetSegmentIDs() if each not in paired.values()], partial(keyOf, second))
        paired |= {each: others[key] for key, each in _alone(left, partial(keyOf, first)).items() if key in others}
    return paired


def _alone(items: list, keyOf: Callable[..., Hashable | None]) -> dict:
    """The items by their keys, without those that have no key or share it."""
    keys = [keyOf(item) for item in items]
    counts = Counter(keys)
    return {key: item for key, item in zip(keys, items, strict=True) if key is not None and counts[key] == 1}


def terminologyOf(segment: slicer.vtkSegment) -> Terminology | None:
    """What a segment is tagged with, also Slicer's default, whose type is TISSUE."""
    text = vtk.mutable("")
    segment.GetTag(segment.GetTerminologyEntryTagName(), text)
    return terminology_from_text(str(text))


def _codesOf(terminology: Terminology | None) -> tuple | None:
    """What two terminologies must agree in: scheme and value, whatever the meanings are called."""
    if terminology is None or (terminology.type.scheme, terminology.type.value) == TISSUE:
        return None
    codes = (terminology.type, terminology.type_modifier, terminology.region, terminology.region_modifier)
    return tuple((code.scheme, code.value) if code else None for code in codes)
