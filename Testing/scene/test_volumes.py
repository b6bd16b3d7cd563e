"""Volume nodes to Image and LabelMap."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk

from MedSegDLLib.errors import InputError
from MedSegDLScene.volumes import imageFromVolume, labelmapFromVolume
from Testing.scene.examples import GRIDS, bendingTransform, linearTransform, rotation, volumeOn


def _written(array, geometry, path):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    sitk.WriteImage(image, str(path))


def _voxelsAt(geometry, array, geometryOfArray):
    """Values of `array` at the places of all voxels of another grid over the same box, both (Z, Y, X)."""
    index = np.moveaxis(np.indices(geometry.size), 0, -1)
    i, j, k = np.moveaxis(geometryOfArray.physical_to_index(geometry.index_to_physical(index)), -1, 0)
    np.testing.assert_allclose([i, j, k], np.rint([i, j, k]), atol=1e-3)
    return array[np.rint(k).astype(int), np.rint(j).astype(int), np.rint(i).astype(int)].T


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nii.gz"])
@pytest.mark.parametrize("grid", GRIDS)
def test_a_file_that_slicer_loads_has_the_voxels_and_grid_that_simpleitk_wrote(grid, suffix, tmp_path):
    geometry = GRIDS[grid]
    array = np.random.default_rng(2).integers(-500, 500, geometry.shape_zyx).astype(np.int16)
    _written(array, geometry, tmp_path / f"image{suffix}")
    node = slicer.modules.volumes.logic().AddArchetypeVolume(str(tmp_path / f"image{suffix}"), "image", 0)
    image = imageFromVolume(node)
    assert image.name == "image"
    assert image.array.dtype == np.int16
    # Slicer's reader turns the slices of left-handed volumes round, so voxels are compared where they lie in the patient.
    np.testing.assert_array_equal(image.array[0], _voxelsAt(image.geometry, array, geometry))
    assert image.geometry.same_grid(geometry, 1e-4) == (grid != "left-handed")
    # Slicer's own matrix against the one that the engine makes of the same grid.
    ijkToRas = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(ijkToRas)
    np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(ijkToRas), image.geometry.affine_ijk_to_ras, atol=1e-6)


def test_ras_becomes_lps():
    ijkToRas = np.array([[2, 0, 0, 10], [0, 3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1.0]])
    node = slicer.util.addVolumeFromArray(np.zeros((4, 3, 2), np.uint8), ijkToRas)
    geometry = imageFromVolume(node).geometry
    assert geometry.size == (2, 3, 4)
    assert geometry.spacing == (2, 3, 4)
    assert geometry.origin == (-10, -20, 30)
    assert geometry.direction == (-1, 0, 0, 0, -1, 0, 0, 0, 1)


def test_voxels_are_copied_and_floats_become_float32():
    node = slicer.util.addVolumeFromArray(np.full((2, 2, 2), 1.5))
    image = imageFromVolume(node)
    assert image.array.dtype == np.float32
    slicer.util.arrayFromVolume(node)[:] = 9
    assert (image.array == 1.5).all()


@pytest.mark.parametrize("make", [lambda: linearTransform(rotation(30, "y") * 2), bendingTransform])
def test_a_transform_above_the_volume_leaves_its_own_grid_as_it_is(make):
    geometry = GRIDS["oblique"]
    node = volumeOn(geometry)
    node.SetAndObserveTransformNodeID(make().GetID())
    assert imageFromVolume(node).geometry.same_grid(geometry, 1e-6)


def test_an_extent_that_does_not_start_at_zero_shifts_the_origin():
    geometry = GRIDS["oblique"]
    node = volumeOn(geometry)
    image = node.GetImageData()
    image.SetExtent(3, 9, -2, 3, 10, 14)  # the same number of voxels, elsewhere on the grid
    expected = geometry.index_to_physical((3, -2, 10))
    np.testing.assert_allclose(imageFromVolume(node).geometry.origin, expected)


def test_label_map():
    geometry = GRIDS["left-handed"]
    array = np.random.default_rng(3).integers(0, 300, geometry.shape_zyx).astype(np.int16)
    node = slicer.util.addVolumeFromArray(array, geometry.affine_ijk_to_ras, "bones", "vtkMRMLLabelMapVolumeNode")
    labelmap = labelmapFromVolume(node)
    assert labelmap.name == "bones"
    np.testing.assert_array_equal(labelmap.array, array)
    assert labelmap.geometry.same_grid(geometry, 1e-6)


def test_label_map_with_whole_numbers_in_floats():
    node = slicer.util.addVolumeFromArray(np.full((2, 2, 2), 7.0), None, "x", "vtkMRMLLabelMapVolumeNode")
    labelmap = labelmapFromVolume(node)
    assert labelmap.array.dtype == np.int32
    assert (labelmap.array == 7).all()


def _new(className):
    return slicer.mrmlScene.AddNewNodeByClass(className, "X")


def _colour():
    image = vtk.vtkImageData()
    image.SetDimensions(4, 3, 2)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    node = _new("vtkMRMLVectorVolumeNode")
    node.SetAndObserveImageData(image)
    return node


def _labels(value=1):
    return slicer.util.addVolumeFromArray(np.full((2, 2, 2), value), None, "X", "vtkMRMLLabelMapVolumeNode")


def _image(array=((((1.0, 2.0),),)), matrix=None):
    return slicer.util.addVolumeFromArray(np.array(array, float).reshape(1, 1, -1), matrix, "X")


_SHEARED = np.array([[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
_FLAT = np.diag([1.0, 1.0, 0.0, 1.0])


@pytest.mark.parametrize(
    ("read", "make", "sentence"),
    [
        (imageFromVolume, lambda: None, "No volume is chosen"),
        (imageFromVolume, lambda: _new("vtkMRMLScalarVolumeNode"), "'X' is empty"),
        (imageFromVolume, _colour, "'X' has 3 values a voxel"),
        (imageFromVolume, lambda: _labels(np.int16(1)), "'X' is a label map, but an image"),
        (imageFromVolume, lambda: _image([1, np.nan, np.inf, 2]), "'X' has 2 voxels without a finite value"),
        (imageFromVolume, lambda: _image(matrix=_SHEARED), "not perpendicular"),
        (imageFromVolume, lambda: _image(matrix=_FLAT), "three positive spacings"),
        (labelmapFromVolume, lambda: None, "No volume is chosen"),
        (labelmapFromVolume, lambda: _new("vtkMRMLLabelMapVolumeNode"), "'X' is empty"),
        (labelmapFromVolume, _image, "'X' is an image, but a label map"),
        (labelmapFromVolume, lambda: _labels(1.5), "'X' has values that are no whole numbers"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(read, make, sentence):
    with pytest.raises(InputError, match=sentence):
        read(make())
