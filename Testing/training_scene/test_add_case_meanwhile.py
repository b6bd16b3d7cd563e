"""A case is added in steps, so that the window stays alive: what may happen between two of them."""

import os
import signal
import sys
import time

import numpy as np
import pytest
import slicer

from MedSegDLLib.files import read_image
from MedSegDLScene import steps
from MedSegDLScene.grids import arrayFromImageData
from MedSegDLScene.interpreter import Interpreter, this_interpreter
from MedSegDLTrainLib.cases import case_labels, image_path, read_cases, read_dataset
from MedSegDLTrainScene import case_files
from MedSegDLTrainScene.add_case import AnnotatedSlices, Which, addCase, annotatedSlicesInSteps
from Testing.training_scene.heart import GRID, added, draft, ended, labels_array, segments, volume


@pytest.fixture
def one_slice_a_poll(monkeypatch):
    """The smallest steps, as a large volume has them."""
    monkeypatch.setattr(steps, "_SLAB_VOXELS", 1)
    monkeypatch.setattr(steps, "_SECONDS_AT_A_TIME", 0)


def nothing_was_made(tmp_path, places):
    return not (tmp_path / "cases").exists() and list(places.iterdir()) == []


def stored(tmp_path):
    (case,) = read_cases(tmp_path / "cases")
    return read_image(image_path(tmp_path / "cases", case)), case_labels(
        tmp_path / "cases", case, read_dataset(tmp_path / "cases")
    )


def test_no_poll_of_a_large_volume_takes_long_and_all_of_it_arrives(tmp_path):
    """Of 60 × 512 × 512 voxels; in one piece they took 0.4 s. The command is left out: it compresses for seconds."""
    array = np.random.default_rng(0).integers(0, 1000, (60, 512, 512)).astype(np.int16)
    volume_node = slicer.util.addVolumeFromArray(array, name="large")
    labels = np.zeros(array.shape, np.uint8)
    labels[10:40, 100:400, 100:400] = 1
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    for name in ("one", "another", "a third"):
        segment = node.GetSegmentation().AddEmptySegment("", name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(labels, node, segment, volume_node)
    case_draft = draft(tmp_path / "cases", volumeNode=volume_node, segmentationNode=node)
    code = "import sys; sys.path.insert(0, sys.argv[-1]); from MedSegDLLib.files import *; from pathlib import Path\n"
    code += "image, labels = (Path(sys.argv[sys.argv.index(name) + 1]) for name in ('--image', '--labels'))\n"
    code += "print(read_image(image).array.sum(), read_labelmap(labels).array.sum()); raise SystemExit(1)"
    times = [time.thread_time()]  # the processor's, which a busy machine does not stretch
    adding = addCase(case_draft, Interpreter((sys.executable, "-c", code), this_interpreter().environment))
    while not adding.ended:
        adding.poll()
        times.append(time.thread_time())
    assert adding.sentence == f"{array.sum(dtype=int)} {3 * labels.sum(dtype=int)}"  # the third label wins
    assert len(times) > 10 and np.diff(times).max() < 0.2


def test_each_step_does_a_part_of_what_is_to_be_done(tmp_path, places, one_slice_a_poll):
    adding = addCase(draft(tmp_path / "cases"), this_interpreter())
    sizes = []
    while not list(places.glob("*/labels.csv")):
        adding.poll()
        sizes.append(sum(path.stat().st_size for path in places.glob("*/*.mha")))
    assert len(sizes) > 3 * GRID.size[2]  # the image's slices, those of the segments, those of the label map
    assert ended(adding).caseName == "cine"


@pytest.mark.usefixtures("one_slice_a_poll")
@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int32, np.float32, np.float64])
def test_every_type_of_voxel_arrives(tmp_path, kind):
    array = (labels_array() * 50 - 3 * (kind is not np.uint16)).astype(kind)
    node = slicer.util.addVolumeFromArray(array, GRID.affine_ijk_to_ras, "cine")
    assert added(draft(tmp_path / "cases", volumeNode=node, segmentationNode=segments(node))).sentence == ""
    image, labels = stored(tmp_path)
    np.testing.assert_array_equal(image.array[0], array)
    np.testing.assert_array_equal(labels.array, labels_array())


@pytest.mark.usefixtures("one_slice_a_poll")
def test_a_scene_that_is_closed_in_between_takes_nothing_from_the_case(tmp_path):
    case_draft = draft(tmp_path / "cases")
    array = slicer.util.arrayFromVolume(case_draft.volumeNode).copy()
    adding = addCase(case_draft, this_interpreter())
    adding.poll()
    slicer.mrmlScene.Clear(0)
    del case_draft
    assert ended(adding).caseName == "cine"
    image, labels = stored(tmp_path)
    np.testing.assert_array_equal(image.array[0], array)
    np.testing.assert_array_equal(labels.array, labels_array())


@pytest.mark.usefixtures("one_slice_a_poll")
@pytest.mark.parametrize("changed", ["the volume", "the segments"])
def test_what_changes_in_between_is_not_added_half(tmp_path, places, changed):
    case_draft = draft(tmp_path / "cases")
    adding = addCase(case_draft, this_interpreter())
    adding.poll()
    if changed == "the volume":
        slicer.util.updateVolumeFromArray(case_draft.volumeNode, np.zeros(GRID.shape_zyx, np.int16))
    else:  # as the Segment Editor paints
        layer = case_draft.segmentationNode.GetSegmentation().GetLayerDataObject(0)
        arrayFromImageData(layer)[:] = 0
        layer.Modified()
    assert "changed at the same time: try again" in ended(adding).sentence
    assert nothing_was_made(tmp_path, places)


@pytest.mark.usefixtures("one_slice_a_poll")
@pytest.mark.parametrize("polls", [0, 3, 15])
def test_who_cancels_in_between_gets_nothing(tmp_path, places, polls):
    adding = addCase(draft(tmp_path / "cases"), this_interpreter())
    for _ in range(polls):
        adding.poll()
    adding.cancel()
    assert adding.ended and adding.failed and adding.sentence == ""
    assert nothing_was_made(tmp_path, places)


def test_values_that_are_no_numbers_are_a_sentence(tmp_path, places):
    array = labels_array().astype(np.float32)
    array[0, 0, :3] = np.nan
    array[-1, 0, 0] = np.inf
    node = slicer.util.addVolumeFromArray(array, GRID.affine_ijk_to_ras, "cine")
    adding = added(draft(tmp_path / "cases", volumeNode=node, segmentationNode=segments(node)))
    assert adding.sentence.startswith("'cine' has 4 voxels without a finite value")
    assert nothing_was_made(tmp_path, places)


@pytest.mark.parametrize("error, words", [
    (OSError(28, "No space left on device"), "The case cannot be written: the disk is full"),
    (TypeError("x"), "MedSegDL has a fault (TypeError: x)"),
])  # fmt: skip
def test_what_goes_wrong_in_a_step_is_a_sentence_and_leaves_nothing(tmp_path, places, monkeypatch, error, words):
    def fail(*_):
        raise error

    monkeypatch.setattr(case_files, "metaimage_header", fail)
    adding = added(draft(tmp_path / "cases"))
    assert adding.failed and words in adding.sentence
    assert nothing_was_made(tmp_path, places)


def test_no_segment_in_any_slice_is_told(tmp_path, places):
    node = segments(volume())
    for segment in list(node.GetSegmentation().GetSegmentIDs()):
        node.GetSegmentation().RemoveSegment(segment)
    node.GetSegmentation().AddEmptySegment("", "left ventricle")
    case_draft = draft(tmp_path / "cases", segmentationNode=node, annotated=AnnotatedSlices(Which.WITH_SEGMENTS))
    assert added(case_draft).sentence.startswith("No slice has a segment")
    assert nothing_was_made(tmp_path, places)


def test_a_process_that_is_ended_from_outside_is_a_sentence(tmp_path, places):
    code = f"import os, signal; os.kill(os.getpid(), {int(signal.SIGTERM if os.name == 'nt' else signal.SIGKILL)})"
    adding = ended(addCase(draft(tmp_path / "cases"), Interpreter((sys.executable, "-c", code), dict(os.environ))))
    assert adding.sentence == "The process that adds the case was ended from outside: try again."
    assert nothing_was_made(tmp_path, places)


@pytest.mark.usefixtures("one_slice_a_poll")
def test_which_slices_count_is_found_out_in_steps(tmp_path):
    case_draft = draft(tmp_path / "cases", annotated=AnnotatedSlices(Which.WITH_SEGMENTS))
    looking, taken = annotatedSlicesInSteps(case_draft), 0
    while True:
        try:
            next(looking)
            taken += 1
        except StopIteration as end:
            assert end.value.startswith("Slices 2–4 of 0–5 (axial)")
            break
    assert taken > GRID.size[2]
