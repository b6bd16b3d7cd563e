"""Which segment stands for which label."""

import slicer

from MedSegDLLib.labels import Code, Label, LabelTable, Terminology, terminology_to_text
from MedSegDLScene.matching import labelsOfSegments, segmentIds
from Testing.scene.examples import ATRIUM, FEMUR, LABELS, VENTRICLE


def _segments(*rows):
    """Segments of (id, name, terminology or None)."""
    segments = slicer.vtkSegmentation()
    for segmentId, name, terminology in rows:
        segment = slicer.vtkSegment()
        segment.SetName(name)
        if terminology:
            segment.SetTag(segment.GetTerminologyEntryTagName(), terminology_to_text(terminology))
        segments.AddSegment(segment, segmentId)
    return segments


def test_ids_are_names_made_safe_and_differ():
    labels = [Label(1, "femur, left", (0, 0, 0)), Label(2, "femur; left", (0, 0, 0)), Label(3, "T12-L1", (0, 0, 0))]
    assert list(segmentIds(LabelTable(tuple(labels))).values()) == ["femur_left", "femur_left_2", "T12-L1"]


def test_the_id_comes_before_the_terminology_and_the_name():
    segments = _segments(("left_atrium", "left ventricle", VENTRICLE.terminology))
    assert labelsOfSegments(segments, LABELS) == {"left_atrium": ATRIUM}


def test_the_terminology_comes_before_the_name():
    segments = _segments(("Segment_1", "left ventricle", FEMUR.terminology))
    assert labelsOfSegments(segments, LABELS) == {"Segment_1": FEMUR}


def test_meanings_and_category_of_a_terminology_may_be_worded_differently():
    femur = FEMUR.terminology
    words = Terminology(
        Code("SCT", "123037004", "Anatomical Structure"),
        Code(femur.type.scheme, femur.type.value, "thigh bone"),
        femur.type_modifier,
        femur.region,
    )
    assert labelsOfSegments(_segments(("Segment_1", "x", words)), LABELS) == {"Segment_1": FEMUR}


def test_another_side_is_another_terminology():
    right = Terminology(FEMUR.terminology.category, FEMUR.terminology.type, Code("SCT", "24028007", "Right"))
    assert labelsOfSegments(_segments(("Segment_1", "x", right)), LABELS) == {}


def test_slicers_default_terminology_says_nothing():
    tissue = Code("SCT", "85756007", "Tissue")
    table = LabelTable((Label(1, "a", (0, 0, 0), Terminology(tissue, tissue)),))
    assert labelsOfSegments(_segments(("Segment_1", "x", None)), table) == {}


def test_by_name_where_nothing_else_says_it():
    assert labelsOfSegments(_segments(("Segment_1", "left atrium", None)), LABELS) == {"Segment_1": ATRIUM}


def test_two_segments_that_could_be_one_label_are_neither():
    segments = _segments(("Segment_1", "a", FEMUR.terminology), ("Segment_2", "b", FEMUR.terminology))
    assert labelsOfSegments(segments, LABELS) == {}


def test_a_broken_terminology_is_none():
    segments = _segments(("Segment_1", "left atrium", None))
    segment = segments.GetSegment("Segment_1")
    segment.SetTag(segment.GetTerminologyEntryTagName(), "nonsense")
    assert labelsOfSegments(segments, LABELS) == {"Segment_1": ATRIUM}
