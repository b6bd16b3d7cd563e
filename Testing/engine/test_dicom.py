"""DICOM folders: series chosen, slices in order, values as the scanner meant them."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, generate_uid

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import describe, read_image
from MedSegDLLib.geometry import Geometry
from Testing.engine.dicom_slices import (
    AXIAL,
    COLUMNS,
    OBLIQUE,
    REPORT,
    ROWS,
    SPACING,
    UID,
    numbers,
    pixels,
    saved,
    slice_at,
    stack,
)
from Testing.engine.grids import rotation

DATA = Path(__file__).parents[3] / "shared" / "data"
BIVME = DATA / "lv_cine" / "bivme"


@pytest.mark.parametrize("axes", [AXIAL, OBLIQUE, AXIAL[:, [1, 2, 0]]], ids=["axial", "oblique", "sagittal"])
def test_a_stack_by_hand(tmp_path, axes):
    image = read_image(saved(tmp_path / "scan", stack([0, 4.5, 9, 13.5], axes)))
    expected = Geometry((7, 6, 4), (*SPACING, 4.5), (-100.5, 20.25, 7), tuple(axes.ravel()))
    assert image.geometry.same_grid(expected, 1e-4)
    assert np.array_equal(image.array[0], [pixels(number) for number in range(4)])
    assert image.name == "scan"


def test_slices_are_ordered_by_position_and_not_by_name_or_number(tmp_path):
    slices = stack([0, 4, 8, 12])
    for number, one in zip((3, 1, 4, 2), slices, strict=True):
        one.InstanceNumber = number
    image = read_image(saved(tmp_path, [slices[n] for n in (2, 0, 3, 1)]))
    assert numbers(image) == [0, 1, 2, 3]
    assert image.geometry.origin == (-100.5, 20.25, 7)


def test_a_scan_from_head_to_foot_is_turned_so_that_its_axes_are_right_handed(tmp_path):
    image = read_image(saved(tmp_path, stack([12, 8, 4, 0])))
    assert numbers(image) == [3, 2, 1, 0]
    assert np.linalg.det(image.geometry.axes) == pytest.approx(1)


def test_subfolders_are_searched_and_other_files_left_out(tmp_path):
    saved(tmp_path / "DICOM" / "A", stack([0, 4]))
    saved(tmp_path / "DICOM" / "B", stack([0, 4, 8])[2:])
    (tmp_path / "README.txt").write_text("a CD", encoding="utf-8")
    (tmp_path / ".DS_Store").touch()
    report = Dataset()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID, report.file_meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, REPORT
    report.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    report.SOPClassUID, report.Modality = REPORT, "SR"
    saved(tmp_path / "DICOM" / "C", [report])
    assert numbers(read_image(tmp_path)) == [0, 1, 2]


def test_the_same_image_twice_counts_once(tmp_path):
    slices = stack([0, 4, 8])
    saved(tmp_path / "a", slices)
    saved(tmp_path / "b", slices)
    assert numbers(read_image(tmp_path)) == [0, 1, 2]


def test_a_single_file(tmp_path):
    saved(tmp_path, stack([0, 4, 8], OBLIQUE), "IM{}.dcm")
    image = read_image(tmp_path / "IM1.dcm")
    assert (image.geometry.size, image.geometry.spacing) == ((7, 6, 1), (*SPACING, 3))
    assert (numbers(image), image.name) == ([1], "IM1")


def test_a_single_file_without_suffix_or_thickness(tmp_path):
    one = slice_at((0, 0, 0))
    del one.SliceThickness
    saved(tmp_path, [one])
    assert read_image(tmp_path / "IM000").geometry.spacing == (*SPACING, 1)
    assert describe(tmp_path / "IM000").warnings == ("The file does not tell the slice thickness; 1 mm is taken.",)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, RLELossless])
def test_other_transfer_syntaxes(tmp_path, syntax):
    slices = stack([0, 4])
    for one in slices:
        if syntax.is_compressed:
            one.compress(syntax)
        one.file_meta.TransferSyntaxUID = syntax
    assert np.array_equal(read_image(saved(tmp_path, slices)).array[0], [pixels(0), pixels(1)])


# Values


def test_values_are_rescaled_slice_by_slice(tmp_path):
    slices = stack([0, 4, 8])
    for one, slope in zip(slices, (1, 0.5, 2), strict=True):
        one.RescaleSlope, one.RescaleIntercept = slope, -10
    image = read_image(saved(tmp_path, slices))
    assert image.array.dtype == np.float32
    assert np.allclose(image.array[0], [pixels(n) * slope - 10.0 for n, slope in enumerate((1, 0.5, 2))])


def test_hounsfield_units_stay_whole_numbers(tmp_path):
    image = read_image(saved(tmp_path, stack([0, 4], RescaleSlope=1, RescaleIntercept=-1024)))
    assert np.issubdtype(image.array.dtype, np.signedinteger)
    assert np.array_equal(image.array[0], [pixels(n).astype(int) - 1024 for n in range(2)])


@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": 2, "RescaleIntercept": -50}])
def test_monochrome1_is_inverted(tmp_path, rescale):
    plain = read_image(saved(tmp_path / "2", stack([0, 4], **rescale))).array
    inverted = read_image(saved(tmp_path / "1", stack([0, 4], PhotometricInterpretation="MONOCHROME1", **rescale))).array
    lowest, highest = (rescale.get("RescaleSlope", 1) * end + rescale.get("RescaleIntercept", 0) for end in (0, 4095))
    assert np.array_equal(inverted.astype(int), lowest + highest - plain.astype(int))


def test_colour_is_refused(tmp_path):
    colour = slice_at((0, 0, 0), SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    colour.BitsAllocated, colour.BitsStored, colour.HighBit = 8, 8, 7
    colour.PixelData = bytes(ROWS * COLUMNS * 3)
    with pytest.raises(InputError, match="IM000 is a colour image"):
        read_image(saved(tmp_path, [colour]))


# Several series


@pytest.fixture
def two_series(tmp_path) -> Path:
    saved(tmp_path / "a", stack([0, 4, 8], SeriesDescription="T1 axial"))
    return saved(tmp_path / "b", stack([0, 5], OBLIQUE, series="3", SeriesDescription="Größe")).parent


def test_several_series_are_listed(two_series):
    with pytest.raises(InputError) as caught:
        read_image(two_series)
    assert str(caught.value) == (
        f"{two_series} holds 2 DICOM series; choose one with --series and its UID: "
        f"{UID}2 (T1 axial, 3 images); {UID}3 (Größe, 2 images)."
    )


@pytest.mark.parametrize(("series", "size"), [(UID + "2", 3), ("T1 axial", 3), (UID + "3", 2)])
def test_one_of_several_series_is_chosen(two_series, series, size):
    assert read_image(two_series, series=series).geometry.size[2] == size


def test_a_series_that_is_not_there(two_series):
    with pytest.raises(InputError, match=r"holds no DICOM series 9\.9; there is .*T1 axial"):
        read_image(two_series, series="9.9")


def test_describe_lists_series_and_describes_the_largest(two_series):
    said = describe(two_series)
    assert [(one.uid, one.description, one.slices) for one in said.series] == [
        (UID + "2", "T1 axial", 3),
        (UID + "3", "Größe", 2),
    ]
    assert (said.kind, said.size) == ("DICOM", (7, 6, 3))
    assert "2 series" in said.warnings[0]
    assert describe(two_series, series=UID + "3").size == (7, 6, 2)


def test_series_of_one_position_each_are_one_stack(tmp_path):
    slices = stack([0, 8, 16], OBLIQUE, SeriesDescription="cine sax")
    long_axis = slice_at((0, 0, 0), rotation(90, 0, 0), 5, "9", SeriesDescription="cine 4ch")
    for number, one in enumerate(slices):
        one.SeriesInstanceUID = f"{UID}{number + 2}"
    saved(tmp_path, [*slices, long_axis])
    image = read_image(tmp_path, series="cine sax")
    assert (numbers(image), image.geometry.spacing[2]) == ([0, 1, 2], pytest.approx(8, abs=1e-4))
    said = describe(tmp_path, series=UID + "3")
    assert [(one.uid, one.slices) for one in said.series] == [(UID + "2", 3), (UID + "9", 1)]
    assert said.warnings == ("3 series of one slice position each were put together into one stack.",)


def test_series_at_the_same_position_are_not_joined(tmp_path):
    slices = [slice_at((0, 0, 0), number=n, series=str(n + 2), SeriesDescription="again") for n in range(2)]
    with pytest.raises(InputError, match="holds 2 DICOM series"):
        read_image(saved(tmp_path, slices))


def test_segmentation_objects_beside_a_series_are_no_choice(tmp_path):
    saved(tmp_path / "a", stack([0, 4, 8]))
    saved(tmp_path / "b", stack([0, 4], series="3", Modality="SEG"))
    assert numbers(read_image(tmp_path)) == [0, 1, 2]


# A real scan


@pytest.mark.skipif(not BIVME.is_dir(), reason="the shared data are not here")
def test_a_real_short_axis_stack_equals_its_nifti():
    dicom, nifti = read_image(BIVME / "dicom_SAX_frame00"), read_image(BIVME / "patient1_SAX_frame00.nii.gz")
    assert dicom.geometry.same_grid(nifti.geometry, 1e-3)
    assert np.array_equal(dicom.array, nifti.array)
    assert dicom.geometry.spacing == pytest.approx((1.40625, 1.40625, 17.7), abs=1e-3)
