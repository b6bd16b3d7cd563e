"""Where results go: transform, reference geometry, Subject Hierarchy, and what Slicer's DICOM SEG export asks for."""

import pytest
import slicer
import vtk

from MedSegDLLib.labels import LabelTable
from MedSegDLLib.segmentation import Segmentation
from MedSegDLScene.placing import placeWithVolume
from MedSegDLScene.segments import Existing, addSegmentation, updateSegmentation
from Testing.scene.examples import ALGORITHM, FEMUR, GRIDS, VENTRICLE, labelmapOn, linearTransform, rotation, tagOf, volumeOn

GRID = GRIDS["oblique"]
INSTANCES = "1.2.840.1 1.2.840.2"


@pytest.fixture
def hierarchy():
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def _dicomVolume(hierarchy):
    """A volume as Slicer's DICOM module leaves it: patient, study, series, and its image files by UID."""
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "patient")
    study = hierarchy.CreateStudyItem(patient, "study")
    volume = volumeOn(GRID)
    volume.SetAttribute("DICOM.instanceUIDs", INSTANCES)
    item = hierarchy.CreateItem(study, volume)
    hierarchy.SetItemUID(item, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMUIDName(), "1.2.840.9")
    return volume, study


def _twoLabels():
    labelmap = labelmapOn(GRID)
    labelmap.array[labelmap.array == 3] = 0
    return Segmentation(labelmap, LabelTable((VENTRICLE, FEMUR)))


def test_the_result_lies_beside_the_volume_in_its_study(hierarchy):
    volume, study = _dicomVolume(hierarchy)
    node = addSegmentation(_twoLabels(), volume, ALGORITHM)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study


def test_an_item_that_the_application_has_made_already_is_moved(hierarchy):
    volume, study = _dicomVolume(hierarchy)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    updateSegmentation(node, _twoLabels(), volume, Existing.REPLACE_ALL, ALGORITHM)
    assert hierarchy.GetItemByDataNode(node) == item
    assert hierarchy.GetItemParent(item) == study


def test_a_node_that_keeps_segments_stays_where_somebody_put_it(hierarchy):
    volume, _ = _dicomVolume(hierarchy)
    node = addSegmentation(_twoLabels(), volume, ALGORITHM)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "mine")
    item = hierarchy.CreateItem(folder, node)
    updateSegmentation(node, _twoLabels(), volume, Existing.KEEP, ALGORITHM)
    assert hierarchy.GetItemParent(item) == folder


def test_a_volume_outside_of_the_hierarchy_has_its_result_at_the_top(hierarchy):
    node = addSegmentation(_twoLabels(), volumeOn(GRID), ALGORITHM)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == hierarchy.GetSceneItemID()


def test_the_volume_is_the_reference_geometry():
    volume = volumeOn(GRID)
    volume.SetAndObserveTransformNodeID(linearTransform(rotation(40, "y")).GetID())
    node = addSegmentation(_twoLabels(), volume, ALGORITHM)
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) == volume
    image = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(image)
    expected = slicer.vtkSegmentationConverter.SerializeImageGeometry(image, volume.GetImageData())
    name = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    assert node.GetSegmentation().GetConversionParameter(name) == expected


def test_a_result_of_another_volume_forgets_the_files_of_the_first(hierarchy):
    volume, _ = _dicomVolume(hierarchy)
    node = addSegmentation(_twoLabels(), volume, ALGORITHM)
    placeWithVolume(node, volumeOn(GRID, "no DICOM"))
    assert hierarchy.GetItemAttribute(hierarchy.GetItemByDataNode(node), "DICOM.ReferencedInstanceUIDs") == ""


def test_all_that_slicers_dicom_seg_export_reads_is_there(hierarchy):
    """Read as DICOMSegmentationPlugin.py of the extension QuantitativeReporting reads it (October 2025)."""
    volume, study = _dicomVolume(hierarchy)
    node = addSegmentation(_twoLabels(), volume, ALGORITHM)
    # examineForExport: the image files that have to be in the DICOM database
    item = hierarchy.GetItemByDataNode(node)
    assert hierarchy.GetItemAttribute(item, "DICOM.ReferencedInstanceUIDs").split() == INSTANCES.split()
    # getReferencedVolumeFromSegmentationNode, getDICOMFileList
    reference = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
    assert reference.GetAttribute("DICOM.instanceUIDs") == INSTANCES
    # The export window works on studies.
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy()
    assert hierarchy.GetItemAncestorAtLevel(item, level) == study
    for segmentId, label in (("left_ventricle", VENTRICLE), ("femur_left", FEMUR)):
        segment = node.GetSegmentation().GetSegment(segmentId)
        # isSegmentEmpty: an array without this name counts as empty
        values = segment.GetRepresentation("Binary labelmap").GetPointData().GetArray("ImageScalars").GetValueRange()
        assert values[1] > 0
        # _createSegmentData: an automatic segment without the algorithm's name is refused
        assert tagOf(segment, "DICOM.SegmentAlgorithmType") == "AUTOMATIC"
        assert tagOf(segment, "DICOM.SegmentAlgorithmName") == ALGORITHM
        _checkTerminology(segment, label.terminology)
        # createLabelNodeFromSegment
        merged, ids = slicer.vtkOrientedImageData(), vtk.vtkStringArray()
        ids.InsertNextValue(segmentId)
        node.GenerateMergedLabelmapForAllSegments(merged, 0, None, ids)
        assert merged.GetScalarRange() == (0, 1)
        assert merged.GetDimensions() == GRID.size


def _checkTerminology(segment, terminology):
    entry = slicer.vtkSlicerTerminologyEntry()
    tag = tagOf(segment, segment.GetTerminologyEntryTagName())
    assert slicer.modules.terminologies.logic().DeserializeTerminologyEntry(tag, entry)
    for code, read in (
        (terminology.category, entry.GetCategoryObject()),
        (terminology.type, entry.GetTypeObject()),
        (terminology.type_modifier, entry.GetTypeModifierObject()),
        (terminology.region, entry.GetRegionObject()),
    ):
        expected = (code.scheme, code.value, code.meaning) if code else (None, None, None)
        assert (read.GetCodingSchemeDesignator(), read.GetCodeValue(), read.GetCodeMeaning()) == expected
