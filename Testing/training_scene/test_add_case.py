"""What a person sees in the scene becomes a case of a case folder: grid, labels, patient, source, annotated slices."""

import numpy as np
import pytest
import slicer

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import read_image, read_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Label, LabelTable, read_label_table
from MedSegDLLib.segmentation import Segmentation
from MedSegDLScene.interpreter import Interpreter, this_interpreter
from MedSegDLScene.run_report import MODEL_ID, MODEL_SHA256
from MedSegDLScene.segments import addSegmentation
from MedSegDLScene.steps import finished
from MedSegDLTrainLib.cases import IGNORE, case_labels, earlier_label_path, image_path, read_cases, read_dataset
from MedSegDLTrainScene.add_case import (
    AnnotatedSlices,
    Source,
    Which,
    addCase,
    annotatedSlicesInSteps,
    labelTableFor,
    sliceAxes,
    sourceOf,
    suggestedPatient,
)
from Testing.scene.examples import bendingTransform, linearTransform, rotation
from Testing.training_scene.heart import GRID, TABLE, added, draft, ended, labels_array, segments, volume


def only_case(folder):
    (case,) = read_cases(folder)
    return case


def stored(folder, case):
    return case_labels(folder, case, read_dataset(folder))


def test_a_new_folder_gets_the_image_its_labels_and_their_names_colours_and_codes(tmp_path, places):
    folder = tmp_path / "cases"
    adding = added(draft(folder, status="approved"))
    assert (adding.sentence, adding.caseName, adding.version) == ("", "cine", 1)
    case = only_case(folder)
    assert (case.patient, case.status, case.split, case.source, case.model) == ("P1", "approved", "train", "cine.mha", "")
    image, labels = read_image(image_path(folder, case)), stored(folder, case)
    assert image.geometry.same_grid(GRID) and labels.geometry.same_grid(GRID)
    assert np.array_equal(image.array[0], slicer.util.arrayFromVolume(slicer.util.getNode("cine")))
    assert np.array_equal(labels.array, labels_array())
    assert read_label_table(folder / "labels.csv") == TABLE
    assert list(places.iterdir()) == []


def test_the_same_image_again_gets_new_labels_and_keeps_the_earlier_ones(tmp_path):
    folder = tmp_path / "cases"
    volumeNode = volume()
    added(draft(folder, volumeNode=volumeNode))
    corrected = labels_array()
    corrected[2, 6:14, 6:12] = 0
    adding = added(draft(folder, volumeNode=volumeNode, segmentationNode=segments(volumeNode, corrected)))
    assert (adding.caseName, adding.version) == ("cine", 2)
    case = only_case(folder)
    assert np.array_equal(stored(folder, case).array, corrected)
    earlier = earlier_label_path(folder, case).with_name("cine.1.nii.gz")
    assert np.array_equal(read_labelmap(earlier).array, labels_array())


def test_segments_are_matched_by_name_and_terminology_not_by_order_or_value(tmp_path):
    folder = tmp_path / "cases"
    added(draft(folder))
    other = volume("second", seed=1)
    node = segments(other)
    names = node.GetSegmentation()
    names.GetNthSegment(0).SetName("renamed, but its code is that of the ventricle")
    names.ReorderSegments([names.GetNthSegmentID(1), names.GetNthSegmentID(0)])
    assert added(draft(folder, volumeNode=other, segmentationNode=node, patient="P2")).sentence == ""
    case = read_cases(folder)[1]
    assert np.array_equal(stored(folder, case).array, labels_array())


def test_a_segment_that_is_no_label_is_told_or_left_out_on_request(tmp_path):
    folder = tmp_path / "cases"
    added(draft(folder))
    other = volume("second", seed=1)
    node = segments(other)
    node.GetSegmentation().AddEmptySegment("mine", "scratch")
    with pytest.raises(InputError, match="scratch"):
        addCase(draft(folder, volumeNode=other, segmentationNode=node), this_interpreter())
    assert added(draft(folder, volumeNode=other, segmentationNode=node, leaveOutOthers=True)).caseName == "second"


def test_only_the_slices_named_count_as_annotated(tmp_path):
    folder = tmp_path / "cases"
    annotated = AnnotatedSlices(Which.LISTED, numbers="2-3, 5")
    case_draft = draft(folder, annotated=annotated)
    sentence = finished(annotatedSlicesInSteps(case_draft))
    assert sentence == "Slices 2–3, 5 of 0–5 (axial) count as annotated; the others take no part."
    added(case_draft)
    expected = labels_array()
    expected[[0, 1, 4]] = IGNORE
    assert np.array_equal(stored(folder, only_case(folder)).array, expected)


def test_only_slices_with_segments_count_along_any_axis(tmp_path):
    folder = tmp_path / "cases"
    added(draft(folder, annotated=AnnotatedSlices(Which.WITH_SEGMENTS, axis="sagittal")))
    expected = labels_array()
    expected[:, :, :6] = expected[:, :, 14:] = IGNORE
    assert np.array_equal(stored(folder, only_case(folder)).array, expected)


def test_a_segment_called_ignore_marks_what_nobody_annotated(tmp_path):
    folder = tmp_path / "cases"
    array = labels_array()
    array[5] = 3
    table = LabelTable((*TABLE.labels, Label(3, "ignore", (1, 1, 1))))
    volumeNode = volume()
    added(draft(folder, volumeNode=volumeNode, segmentationNode=segments(volumeNode, array, table)))
    assert read_dataset(folder).labels == {"left ventricle": 1, "wall": 2}
    assert np.array_equal(stored(folder, only_case(folder)).array, np.where(array == 3, IGNORE, array))


@pytest.mark.parametrize("kind", ["turned", "bent"])
def test_a_volume_under_a_transform_is_stored_on_its_own_grid_with_the_segments_that_lie_over_it(tmp_path, kind):
    folder = tmp_path / "cases"
    case_draft = draft(folder)
    transform = linearTransform(rotation(30, "z")) if kind == "turned" else bendingTransform()
    for node in (case_draft.volumeNode, case_draft.segmentationNode):
        node.SetAndObserveTransformNodeID(transform.GetID())
    assert added(case_draft).sentence == ""
    case = only_case(folder)
    assert read_image(image_path(folder, case)).geometry.same_grid(GRID)
    assert np.array_equal(stored(folder, case).array, labels_array())


def test_a_segmentation_that_lies_elsewhere_than_its_volume_is_stored_as_it_is_seen(tmp_path):
    """The volume alone is shifted by one slice: the segments lie one slice lower on its grid."""
    folder = tmp_path / "cases"
    case_draft = draft(folder)
    shift = np.eye(4)
    shift[2, 3] = 8.0
    case_draft.volumeNode.SetAndObserveTransformNodeID(linearTransform(shift).GetID())
    added(case_draft)
    expected = np.roll(labels_array(), -1, axis=0)
    assert np.array_equal(stored(folder, only_case(folder)).array, expected)


def test_the_model_that_was_corrected_is_remembered_and_gives_all_its_labels_to_a_new_folder(tmp_path, zoo):
    folder = tmp_path / "cases"
    volumeNode = volume()
    bright = LabelTable((Label(1, "Bright", (1, 2, 3)),))
    node = segments(volumeNode, (labels_array() == 1).astype(np.uint8), bright)
    node.SetAttribute(MODEL_ID, "bright")
    node.SetAttribute(MODEL_SHA256, "ab" * 32)
    assert sourceOf(node) == Source("bright", "ab" * 32)
    assert labelTableFor(folder, node).labels[0].colour == (230, 60, 60)  # the model's, not the segment's
    assert added(draft(folder, volumeNode=volumeNode, segmentationNode=node)).sentence == ""
    case = only_case(folder)
    assert (case.model, case.model_sha256) == ("bright", "ab" * 32)


def test_a_segment_drawn_beside_those_of_a_model_makes_the_segments_the_label_table(tmp_path, zoo):
    node = segments(volume())
    node.SetAttribute(MODEL_ID, "bright")
    assert labelTableFor(tmp_path / "cases", node) == TABLE
    node.SetAttribute(MODEL_ID, "gone")
    assert labelTableFor(tmp_path / "cases", node) == TABLE


def test_the_patient_is_suggested_from_the_dicom_id_the_hierarchy_or_the_volume():
    volumeNode = volume("cine sax")
    assert suggestedPatient(volumeNode) == "cine sax"
    assert suggestedPatient(None) == ""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Doe^Jane")
    study = hierarchy.CreateStudyItem(patient, "Heart")
    hierarchy.CreateItem(study, volumeNode)
    assert suggestedPatient(volumeNode) == "Doe^Jane"
    hierarchy.SetItemUID(patient, "DICOM", "4711")
    assert suggestedPatient(volumeNode) == "4711"
    hierarchy.SetItemAttribute(patient, "DICOM.PatientID", "0815")
    assert suggestedPatient(volumeNode) == "0815"


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"patient": "  "}, "whose image"),
        ({"status": "finished"}, "The status is one of"),
        ({"annotated": AnnotatedSlices(Which.LISTED, numbers="9")}, "There is no slice 9"),
        ({"annotated": AnnotatedSlices(Which.LISTED, numbers="two")}, "no list of slices"),
    ],
)
def test_what_cannot_be_a_case_is_told_at_once_and_leaves_nothing(tmp_path, places, changes, words):
    with pytest.raises(InputError, match=words):
        addCase(draft(tmp_path / "cases", **changes), this_interpreter())
    assert not (tmp_path / "cases").exists()
    assert list(places.iterdir()) == []


def test_segments_without_names_or_with_one_name_twice_are_told(tmp_path):
    case_draft = draft(tmp_path / "cases")
    case_draft.segmentationNode.GetSegmentation().GetNthSegment(1).SetName("left ventricle")
    with pytest.raises(InputError, match="Two segments are called"):
        addCase(case_draft, this_interpreter())
    case_draft.segmentationNode.GetSegmentation().RemoveAllSegments()
    with pytest.raises(InputError, match="no segments"):
        addCase(case_draft, this_interpreter())


def test_what_the_process_finds_wrong_is_one_sentence_and_no_temporary_file_stays(tmp_path, places):
    folder = tmp_path / "cases"
    volumeNode = volume()
    added(draft(folder, volumeNode=volumeNode))
    adding = added(draft(folder, volumeNode=volumeNode, segmentationNode=segments(volumeNode), patient="Somebody else"))
    assert adding.failed
    assert adding.sentence.startswith("This image is there already as case cine of patient P1")
    assert list(places.iterdir()) == []


def test_an_interpreter_that_cannot_be_started_is_a_sentence(tmp_path, places):
    adding = ended(addCase(draft(tmp_path / "cases"), Interpreter(("/nowhere/python",), {})))
    assert adding.failed and "/nowhere/python" in adding.sentence
    assert list(places.iterdir()) == []


def test_a_cancelled_case_leaves_nothing(tmp_path, places):
    adding = addCase(draft(tmp_path / "cases"), this_interpreter())
    adding.cancel()
    assert list(places.iterdir()) == []
    while not adding.ended:
        adding.poll()
    assert not (tmp_path / "cases" / "cases.json").exists()


def test_the_slices_of_a_volume_are_named_after_what_is_nearest():
    assert sliceAxes(volume()) == ("axial", "sagittal", "coronal")


def test_segments_of_another_scan_that_lie_elsewhere_are_refused(tmp_path):
    elsewhere = Geometry((24, 20, 6), (1.5, 1.5, 8.0), (500.0, 5.0, 30.0))
    other = slicer.util.addVolumeFromArray(labels_array().astype(np.int16), elsewhere.affine_ijk_to_ras, "other scan")
    segmentationNode = addSegmentation(Segmentation(LabelMap(labels_array(), elsewhere), TABLE), other, "by hand")
    adding = ended(addCase(draft(tmp_path / "cases", segmentationNode=segmentationNode), this_interpreter()))
    assert adding.failed and "Nothing of 'other scan segmentation' lies in the image 'cine'" in adding.sentence
    assert not (tmp_path / "cases").exists()


def test_segments_that_were_erased_are_an_image_without_any(tmp_path):
    volumeNode = volume()
    segmentationNode = segments(volumeNode)
    for segmentId in segmentationNode.GetSegmentation().GetSegmentIDs():
        slicer.util.updateSegmentBinaryLabelmapFromArray(0 * labels_array(), segmentationNode, segmentId, volumeNode)
    adding = added(draft(tmp_path / "cases", volumeNode=volumeNode, segmentationNode=segmentationNode, status="approved"))
    assert adding.sentence == "" and adding.overlapVoxels == 0
    assert not stored(tmp_path / "cases", only_case(tmp_path / "cases")).array.any()


def test_voxels_of_several_segments_are_counted(tmp_path):
    volumeNode = volume()
    segmentationNode = segments(volumeNode)
    wall = segmentationNode.GetSegmentation().GetSegmentIDs()[1]
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        (labels_array() > 0).astype(np.uint8), segmentationNode, wall, volumeNode
    )  # now also where the ventricle is
    adding = added(draft(tmp_path / "cases", volumeNode=volumeNode, segmentationNode=segmentationNode))
    assert adding.overlapVoxels == np.count_nonzero(labels_array() == 1)
    assert not (stored(tmp_path / "cases", only_case(tmp_path / "cases")).array == 1).any()
