"""A real, oblique short-axis stack (Sunnybrook SC-HF-I-1) through the scene and back."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk

from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.segmentation import Segmentation
from MedSegDLScene.grids import arrayFromImageData, geometryFromMatrix
from MedSegDLScene.labelmaps import labelmapFromSegmentation
from MedSegDLScene.segments import addSegmentation
from MedSegDLScene.volumes import imageFromVolume
from Testing.scene.examples import ALGORITHM

DATA = Path(__file__).parents[3] / "shared" / "data" / "lv_cine"
IMAGE, LABEL = DATA / "SC-HF-I-1_ED_img.nii.gz", DATA / "SC-HF-I-1_ED_lab.nii.gz"
LABELS = LabelTable((Label(1, "LV cavity", (230, 25, 75)), Label(2, "LV myocardium", (60, 180, 75))))


@pytest.mark.skipif(not IMAGE.exists(), reason=f"needs the real data {IMAGE}, which is not part of the repository")
def test_a_heart_stays_where_simpleitk_sees_it():
    volumes = slicer.modules.volumes.logic()
    volume = volumes.AddArchetypeVolume(str(IMAGE), "heart", 0)
    image = imageFromVolume(volume)
    label = sitk.ReadImage(str(LABEL), sitk.sitkUInt8)
    # Onto Slicer's grid by SimpleITK, since Slicer's reader may have turned the slices round.
    grid = sitk.GetImageFromArray(image.array[0])
    grid.SetSpacing(image.geometry.spacing)
    grid.SetOrigin(image.geometry.origin)
    grid.SetDirection(image.geometry.direction)
    array = sitk.GetArrayFromImage(sitk.Resample(label, grid, sitk.Transform(), sitk.sitkNearestNeighbor))
    assert (array > 0).sum() == (sitk.GetArrayFromImage(label) > 0).sum() > 1000

    node = addSegmentation(Segmentation(LabelMap(array, image.geometry), LABELS), volume, ALGORITHM)
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(label)
    for each, segmentId in zip(LABELS.labels, ("LV_cavity", "LV_myocardium"), strict=True):
        exported = slicer.vtkOrientedImageData()
        node.GetBinaryLabelmapRepresentation(segmentId, exported)
        centre = _centreOfVoxels(exported)
        np.testing.assert_allclose(centre, shape.GetCentroid(each.value), atol=0.01)
    np.testing.assert_array_equal(labelmapFromSegmentation(node, volume, LABELS).labelmap.array, array)


def _centreOfVoxels(image: slicer.vtkOrientedImageData) -> np.ndarray:
    """Mean position of the voxels that are not 0, in LPS."""
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    index = np.argwhere(arrayFromImageData(image))[:, ::-1]
    return geometryFromMatrix(matrix, image.GetExtent()).index_to_physical(index).mean(axis=0)
