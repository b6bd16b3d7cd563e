"""Which slices count as annotated, on grids that lie any way (no slicer)."""

import numpy as np
import pytest

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLTrainLib.cases import IGNORE
from MedSegDLTrainScene.annotated_slices import (
    AnnotatedSlices,
    Which,
    ranges_of,
    sentence_of,
    slice_axes,
    with_ignored,
)
from Testing.scene.examples import GRIDS

PLAIN = Geometry((5, 4, 6))


def boxed(geometry: Geometry = PLAIN) -> LabelMap:
    array = np.zeros(geometry.shape_zyx, np.uint8)
    array[2:4, 1:3, 3] = 1
    return LabelMap(array, geometry)


def known(labelmap: LabelMap, axis: int) -> list[int]:
    """The slices along an array's axis in which anything is annotated."""
    return np.flatnonzero((labelmap.array != IGNORE).any(axis=tuple({0, 1, 2} - {axis}))).tolist()


def test_all_slices_leave_the_labels_as_they_are():
    assert with_ignored(boxed(), AnnotatedSlices()) is not None
    assert np.array_equal(with_ignored(boxed(), AnnotatedSlices()).array, boxed().array)


@pytest.mark.parametrize("axis, place, expected", [("axial", 0, [2, 3]), ("coronal", 1, [1, 2]), ("sagittal", 2, [3])])
def test_slices_with_segments_are_kept_along_each_axis(axis, place, expected):
    result = with_ignored(boxed(), AnnotatedSlices(Which.WITH_SEGMENTS, axis))
    assert known(result, place) == expected
    assert (result.array == 1).sum() == 4


def test_slices_are_listed_as_the_data_probe_counts_them():
    result = with_ignored(boxed(), AnnotatedSlices(Which.LISTED, "axial", "0, 3–4"))
    assert known(result, 0) == [0, 3, 4]
    assert (result.array[3] == boxed().array[3]).all()


def test_what_was_ignored_before_does_not_count_as_a_segment_and_stays_ignored():
    labelmap = boxed()
    labelmap.array[5] = IGNORE
    result = with_ignored(labelmap, AnnotatedSlices(Which.WITH_SEGMENTS))
    assert known(result, 0) == [2, 3]


def test_names_go_by_the_nearest_direction_and_each_occurs_once():
    assert slice_axes(PLAIN) == ("axial", "sagittal", "coronal")
    assert slice_axes(GRIDS["permuted"])[0] == "sagittal"
    for geometry in GRIDS.values():
        assert sorted(slice_axes(geometry)) == ["axial", "coronal", "sagittal"]


def test_an_image_s_own_slices_lie_across_its_largest_spacing():
    thick = Geometry((5, 4, 6), (1.0, 8.0, 1.0))
    result = with_ignored(boxed(thick), AnnotatedSlices(Which.WITH_SEGMENTS))
    assert slice_axes(thick)[0] == "coronal"
    assert known(result, 1) == [1, 2]


@pytest.mark.parametrize(
    "annotated, words",
    [
        (AnnotatedSlices(Which.LISTED, "", ""), "No slices are listed"),
        (AnnotatedSlices(Which.LISTED, "", "a"), "no list of slices"),
        (AnnotatedSlices(Which.LISTED, "", "6"), "There is no slice 6: the image has slices 0–5"),
        (AnnotatedSlices(Which.LISTED, "oblique", "1"), "axial, coronal or sagittal"),
    ],
)
def test_what_cannot_be_read_is_told(annotated, words):
    with pytest.raises(InputError, match=words):
        with_ignored(boxed(), annotated)


def test_no_slice_with_a_segment_is_told():
    empty = LabelMap(np.zeros(PLAIN.shape_zyx, np.uint8), PLAIN)
    with pytest.raises(InputError, match="No slice has a segment"):
        with_ignored(empty, AnnotatedSlices(Which.WITH_SEGMENTS))


def test_sentences():
    assert sentence_of(boxed(), AnnotatedSlices()).startswith("All slices")
    assert sentence_of(boxed(), AnnotatedSlices(Which.LISTED, "", "2")) == (
        "Slice 2 of 0–5 (axial) counts as annotated; the others take no part."
    )
    assert ranges_of([0, 1, 2, 5, 7, 8]) == "0–2, 5, 7–8"
