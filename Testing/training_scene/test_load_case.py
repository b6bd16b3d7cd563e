"""A case comes back into the scene, is corrected by code and added again; so does an image that is no case yet."""

import numpy as np
import pytest
import slicer

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import write_image
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.segmentation_file import write_segmentation
from MedSegDLScene.labelmaps import labelmapFromSegmentation
from MedSegDLTrainLib.cases import IGNORE, image_path, label_table_of, read_cases
from MedSegDLTrainScene.add_case import AnnotatedSlices, Source, Which, sourceOf
from MedSegDLTrainScene.load_case import Remembered, loadCandidate, loadCase, rememberedCase
from MedSegDLTrainScene.next_case import Candidate
from Testing.scene.examples import segmentNames
from Testing.training_scene.heart import GRID, TABLE, added, draft, labels_array, segments, volume


@pytest.fixture
def folder(tmp_path):
    """One case of patient P1, of which slices 2 to 5 are annotated; the wall is not in it."""
    folder = tmp_path / "cases"
    added(draft(folder, volumeNode=(node := volume()), segmentationNode=segments(node), patient="P0"))
    without = np.where(labels_array() == 2, 0, labels_array()).astype(np.uint8)
    node = volume("partly", seed=1)
    annotated = AnnotatedSlices(Which.LISTED, numbers="2-5")
    added(draft(folder, volumeNode=node, segmentationNode=segments(node, without), annotated=annotated))
    slicer.mrmlScene.Clear(0)
    return folder


def test_a_case_is_loaded_with_all_labels_as_segments_on_its_own_grid(folder):
    loaded = loadCase(folder, "cine")
    assert np.array_equal(slicer.util.arrayFromVolume(loaded.volumeNode).shape, GRID.shape_zyx)
    assert segmentNames(loaded.segmentationNode) == ["left ventricle", "wall"]
    result = labelmapFromSegmentation(loaded.segmentationNode, loaded.volumeNode, TABLE)
    assert np.array_equal(result.labelmap.array, labels_array())
    assert result.labelmap.geometry.same_grid(GRID)
    colour = loaded.segmentationNode.GetSegmentation().GetNthSegment(0).GetColor()
    assert np.allclose(colour, np.array((230, 25, 75)) / 255)


def test_what_nobody_annotated_is_a_segment_and_a_label_without_voxels_can_be_drawn(folder):
    loaded = loadCase(folder, "partly")
    assert segmentNames(loaded.segmentationNode) == ["left ventricle", "wall", "ignore"]
    ignore = LabelTable((*label_table_of(folder).labels, Label(IGNORE, "ignore", (0, 0, 0))))
    found = labelmapFromSegmentation(loaded.segmentationNode, loaded.volumeNode, ignore).labelmap.array
    assert (found[:2] == IGNORE).all() and not (found[2:] == IGNORE).any()


def test_a_loaded_case_that_is_added_again_is_the_same_case_with_new_labels(folder):
    loaded = loadCase(folder, "partly")
    assert rememberedCase(loaded.volumeNode) == Remembered(folder, "partly", "P1", "corrected")
    again = added(draft(folder, volumeNode=loaded.volumeNode, segmentationNode=loaded.segmentationNode, status="approved"))
    assert (again.sentence, again.caseName, again.version) == ("", "partly", 2)
    case = read_cases(folder)[1]
    assert case.status == "approved"
    reloaded = loadCase(folder, "partly")  # what was ignored still is
    assert segmentNames(reloaded.segmentationNode)[-1] == "ignore"


def test_a_drawing_in_an_empty_segment_becomes_its_label(folder):
    loaded = loadCase(folder, "partly")
    segmentId = loaded.segmentationNode.GetSegmentation().GetSegmentIdBySegmentName("wall")
    drawn = (labels_array() == 2).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(drawn, loaded.segmentationNode, segmentId, loaded.volumeNode)
    assert added(draft(folder, volumeNode=loaded.volumeNode, segmentationNode=loaded.segmentationNode)).sentence == ""
    result = loadCase(folder, "partly")
    found = labelmapFromSegmentation(result.segmentationNode, result.volumeNode, TABLE, leaveOutOthers=True)
    assert np.array_equal(found.labelmap.array, labels_array())


def test_other_volumes_are_no_cases():
    assert rememberedCase(None) is None
    assert rememberedCase(volume()) is None


def test_a_candidate_is_loaded_with_the_model_s_prediction_whether_it_is_a_case_or_not(folder, tmp_path):
    bright = LabelTable((Label(1, "left ventricle", (1, 2, 3)),))
    prediction = tmp_path / "prediction.seg.nrrd"
    write_segmentation(Segmentation(LabelMap((labels_array() == 1).astype(np.uint8), GRID), bright), prediction)
    image = tmp_path / "fresh.nrrd"
    write_image(Image(np.random.default_rng(9).random((1, *GRID.shape_zyx), np.float32), GRID), image)
    fresh = loadCandidate(folder, Candidate("", image, 0.5, prediction, "bright", "ab"))
    assert fresh.volumeNode.GetName() == "fresh"
    assert rememberedCase(fresh.volumeNode) is None
    assert sourceOf(fresh.segmentationNode) == Source("bright", "ab")
    case = read_cases(folder)[0]
    known = loadCandidate(folder, Candidate("cine", image_path(folder, case), 0.5, prediction, "bright", "ab"))
    assert rememberedCase(known.volumeNode).case == "cine"
    found = labelmapFromSegmentation(known.segmentationNode, known.volumeNode, bright).labelmap.array
    assert np.array_equal(found, labels_array() == 1)


def test_what_is_not_there_is_a_sentence_and_adds_no_node(folder, tmp_path):
    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(InputError, match="There is no case gone"):
        loadCase(folder, "gone")
    image_path(folder, read_cases(folder)[0]).unlink()
    with pytest.raises(InputError, match="The image of case cine is missing"):
        loadCase(folder, "cine")
    with pytest.raises(InputError):
        loadCandidate(folder, Candidate("", tmp_path / "gone.nrrd", 0.5, tmp_path / "gone.seg.nrrd", "m", ""))
    assert slicer.mrmlScene.GetNumberOfNodes() == before
