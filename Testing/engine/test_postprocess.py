"""Pieces, holes and small parts by hand."""

import numpy as np
import pytest

from MedSegDLLib.errors import ModelError
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.model_card import Postprocessing
from MedSegDLLib.postprocess import only, postprocess

TABLE = LabelTable((Label(1, "a", (1, 2, 3)), Label(2, "b", (1, 2, 3)), Label(7, "c", (1, 2, 3))))


def _plane(text: str) -> np.ndarray:
    return np.array([[int(digit) for digit in line] for line in text.split()], np.uint8)[None]


def _done(text: str, ml: float = 0.001, **how) -> np.ndarray:
    return postprocess(_plane(text), Postprocessing(**how), TABLE, ml)


def test_largest_component_of_the_labels_that_ask_for_it():
    found = _done("1100220 0010000 1000022 2000002", largest_component=("b",))
    assert np.array_equal(found, _plane("1100000 0010000 1000022 0000002"))
    found = _done("1100220 0010000 1000022 2000002", largest_component=("a",))
    assert np.array_equal(found, _plane("1100220 0010000 0000022 2000002"))  # corners touch


def _stack(slices: str, bridged_slices: int) -> str:
    """The largest piece of a column of one-voxel slices, "101" for a label that the middle slice has not."""
    column = np.array([int(digit) for digit in slices], np.uint8)[:, None, None]
    how = Postprocessing(largest_component=("a",), bridged_slices=bridged_slices)
    return "".join(map(str, postprocess(column, how, TABLE, 0.001).ravel()))


@pytest.mark.parametrize("bridged, kept", [(0, "1100000000"), (1, "1101100000"), (2, "1101100100"), (99, "1101100100")])
def test_slices_in_which_an_organ_was_missed_do_not_part_it(bridged, kept):
    assert _stack("1101100100", bridged) == kept


def test_a_bridge_needs_pieces_that_overlap_seen_along_the_slices():
    stack = np.zeros((3, 1, 5), np.uint8)
    stack[0, 0, :3] = stack[2, 0, 2:4] = 1
    how = Postprocessing(largest_component=("a",), bridged_slices=1)
    assert np.array_equal(postprocess(stack, how, TABLE, 1), stack)
    aside = np.zeros_like(stack)
    aside[0, 0, :2] = aside[2, 0, 4] = 1
    assert not postprocess(aside, how, TABLE, 1)[2].any()


def test_pieces_that_a_bridge_joins_are_weighed_together_and_nothing_is_added():
    column = np.array([1, 0, 1, 0, 0, 1], np.uint8)[:, None, None]
    done = postprocess(column, Postprocessing(minimum_volume_ml=2.0, bridged_slices=1), TABLE, 1.0)
    assert done.ravel().tolist() == [1, 0, 1, 0, 0, 0]


def test_of_equal_components_the_first_is_kept():
    assert np.array_equal(_done("11011", largest_component=("a",)), _plane("11000"))


def test_minimum_volume_removes_every_smaller_piece_of_every_label():
    # voxels of 0.5 ml: 1 ml is two voxels, which stay
    assert np.array_equal(_done("1101022070777", ml=0.5, minimum_volume_ml=1.0), _plane("1100022000777"))


def test_holes_take_their_label_but_never_anothers():
    found = _done("11111 10021 12001 11111", fill_holes=("a",), fill_holes_by_slice=True)
    assert np.array_equal(found, _plane("11111 11121 12111 11111"))


def test_a_gap_at_a_corner_is_no_way_out_and_an_open_side_is():
    assert np.array_equal(_done("110 101 111", fill_holes=("a",), fill_holes_by_slice=True), _plane("110 111 111"))
    assert np.array_equal(_done("101 101 111", fill_holes=("a",), fill_holes_by_slice=True), _plane("101 101 111"))


def test_holes_of_the_volume_and_of_slices():
    ring = np.repeat(_plane("111 101 111"), 3, axis=0)
    tunnel = postprocess(ring, Postprocessing(fill_holes=("a",)), TABLE, 1)
    assert np.array_equal(tunnel, ring)  # open at both ends
    assert postprocess(ring, Postprocessing(fill_holes=("a",), fill_holes_by_slice=True), TABLE, 1).all()
    closed = np.concatenate([np.ones_like(ring[:1]), ring, np.ones_like(ring[:1])])
    assert postprocess(closed, Postprocessing(fill_holes=("a",)), TABLE, 1).all()


def test_holes_left_by_removed_pieces_are_filled():
    found = _done(
        "1111 1201 1111", largest_component=("b",), minimum_volume_ml=0.0015, fill_holes=("a",), fill_holes_by_slice=True
    )
    assert np.array_equal(found, _plane("1111 1111 1111"))


def test_input_stays_and_nothing_asked_is_nothing_done():
    labels = _plane("1100220")
    assert postprocess(labels, Postprocessing(), TABLE, 1) is labels
    postprocess(labels, Postprocessing(minimum_volume_ml=99), TABLE, 1)
    assert labels.sum() == 6


def test_absent_labels_and_an_empty_map_are_fine():
    how = Postprocessing(("a", "c"), ("a",), False, 1.0)
    assert not postprocess(np.zeros((2, 3, 4), np.uint16), how, TABLE, 1).any()


def test_a_label_that_the_model_does_not_have():
    with pytest.raises(ModelError, match="labels that the model does not have: heart"):
        _done("1", largest_component=("heart",))


def test_only_some_labels():
    found = only(_plane("0127"), {2, 7})
    assert found.dtype == np.uint8
    assert np.array_equal(found, _plane("0027"))
