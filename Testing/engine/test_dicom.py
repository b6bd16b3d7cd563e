"""DICOM folders made by pydicom: series chosen, slices in order, frames, and everything that makes no regular grid."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, generate_uid

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import describe, read_frames, read_image
from MedSegDLLib.geometry import Geometry
from Testing.engine.grids import rotation

DATA = Path(__file__).parents[3] / "shared" / "data"
BIVME = DATA / "lv_cine" / "bivme"
MR, ENHANCED_MR, REPORT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.88.11"
AXIAL, OBLIQUE = np.eye(3), rotation(20, -35, 50)
ROWS, COLUMNS, SPACING = 6, 7, (0.7, 1.25)
UID = "1.2.826.0.1.3680043.8.498."


def pixels(number: int) -> np.ndarray:
    return (np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) + 100 * number).astype(np.uint16)


def dataset(sop_class: str, values: np.ndarray, series: str, **tags) -> Dataset:
    """A data set with pixels (rows, columns) or (frames, rows, columns) and no place in the patient yet."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    one = Dataset()
    one.file_meta = meta
    one.SOPClassUID, one.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    one.StudyInstanceUID, one.SeriesInstanceUID, one.Modality = UID + "1", UID + series, "MR"
    one.Rows, one.Columns = values.shape[-2:]
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
    one.PixelData = values.tobytes()
    for name, value in tags.items():
        setattr(one, name, value)
    return one


def slice_at(position, axes=AXIAL, number=0, series="2", **tags) -> Dataset:
    """A classic MR slice whose first pixel is at `position`; the columns of `axes` are the directions of x, y, z."""
    place = {
        "ImagePositionPatient": [f"{value:.6g}" for value in position],
        "ImageOrientationPatient": [f"{value:.8f}" for value in axes[:, :2].T.ravel()],
        "PixelSpacing": [SPACING[1], SPACING[0]],
        "SliceThickness": 3,
        "InstanceNumber": number + 1,
    }
    return dataset(MR, pixels(number), series, **(place | tags))


def stack(depths, axes=AXIAL, origin=(-100.5, 20.25, 7.0), **tags) -> list[Dataset]:
    """Slices at distances in mm along the normal; slice n has 100·n in its first pixel."""
    return [slice_at(origin + depth * axes[:, 2], axes, number, **tags) for number, depth in enumerate(depths)]


def saved(folder: Path, slices: list[Dataset], names="IM{:03d}") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(slices):
        one.save_as(folder / names.format(number), enforce_file_format=True)
    return folder


def numbers(image) -> list[int]:
    """Which slices an image consists of, by the hundreds of their first pixels."""
    return (image.array[0, :, 0, 0] // 100).tolist()


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


# Slices that make no regular grid


def refused(folder: Path, slices: list[Dataset]) -> str:
    with pytest.raises(InputError) as caught:
        read_image(saved(folder, slices))
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_missing_slices_are_counted_and_placed(tmp_path):
    sentence = refused(tmp_path, stack([0, 4, 8, 16, 20, 32]))
    assert "3 slices are missing: most are 4.00 mm apart" in sentence
    assert "8.00 mm between IM002 and IM003, 12.00 mm between IM004 and IM005" in sentence


def test_one_missing_slice(tmp_path):
    assert "One slice is missing: most are 4.00 mm apart" in refused(tmp_path, stack([0, 4, 12, 16]))


def test_uneven_slices(tmp_path):
    sentence = refused(tmp_path, stack([0, 4, 8, 13, 17]))
    assert "The slices are not evenly spaced: most are 4.00 mm apart, but 5.00 mm between IM002 and IM003" in sentence


def test_positions_rounded_to_six_digits_are_even(tmp_path):
    spacing = 1 / 3
    image = read_image(saved(tmp_path, stack(np.arange(20) * spacing, origin=(-100.5, 20.25, 900.0))))
    assert image.geometry.spacing[2] == pytest.approx(spacing, rel=1e-4)


def test_a_tilted_gantry(tmp_path):
    tilt = np.array([0, np.tan(np.radians(12)), 1])
    sentence = refused(tmp_path, [slice_at(4 * n * tilt, number=n) for n in range(5)])
    assert "The gantry was tilted" in sentence
    assert "12.0°" in sentence


def test_a_slice_shifted_sideways(tmp_path):
    slices = stack([0, 4, 8, 12])
    slices[2].ImagePositionPatient = ["-97.5", "20.25", "15"]
    sentence = refused(tmp_path, slices)
    assert "do not lie straight above each other: IM002 is 3.0 mm beside the first one, IM000" in sentence


def test_mixed_orientations(tmp_path):
    sentence = refused(tmp_path, [*stack([0, 4, 8]), slice_at((0, 0, 0), OBLIQUE, 3)])
    assert "mixes 2 slice orientations (3 + 1 images" in sentence


def test_a_fan_of_slices(tmp_path):
    assert "mixes 4 slice orientations" in refused(tmp_path, [slice_at((0, 0, 0), rotation(15 * n, 0, 0), n) for n in range(4)])


def test_mixed_pixel_and_image_sizes(tmp_path):
    other = stack([0, 4, 8])
    other[1].PixelSpacing = [1, 1]
    assert "mixes pixel sizes (0.7 × 1.25, 1 × 1)" in refused(tmp_path / "a", other)
    other = stack([0, 4, 8])
    other[1].Rows, other[1].PixelData = 3, pixels(1)[:3].tobytes()
    assert "mixes image sizes (7 × 3, 7 × 6)" in refused(tmp_path / "b", other)


@pytest.mark.parametrize("tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_images_without_a_place_in_the_patient(tmp_path, tag):
    slices = stack([0, 4])
    delattr(slices[1], tag)
    assert "does not tell where in the patient its pixels lie" in refused(tmp_path, slices)


def test_huge_spacing(tmp_path):
    assert "too large for a patient" in refused(tmp_path, stack([0, 4000, 8000]))


# Time


def cine(places: int = 3, frames: int = 4, **tags) -> list[Dataset]:
    """Frame f of place p has 100·(10 p + f) in its first pixel; tags are functions of place and frame."""
    return [
        slice_at((0, 0, 8 * place), number=10 * place + frame, **{name: of(place, frame) for name, of in tags.items()})
        for place in range(places)
        for frame in range(frames)
    ]


BACKWARDS = {"InstanceNumber": lambda place, frame: 99 - frame}


@pytest.mark.parametrize(
    ("tags", "times"),
    [
        ({"TriggerTime": lambda place, frame: 35 * frame + place, **BACKWARDS}, (1, 36, 71, 106)),
        ({"TemporalPositionIdentifier": lambda place, frame: frame, **BACKWARDS}, ()),
        ({"TriggerTime": lambda place, frame: 0, "AcquisitionNumber": lambda place, frame: frame, **BACKWARDS}, ()),
        ({"InstanceNumber": lambda place, frame: 5 * place + frame}, ()),
    ],
    ids=["trigger time", "temporal position", "acquisition", "instance number"],
)
def test_images_at_one_position_are_frames(tmp_path, tags, times):
    slices = cine(**tags)
    saved(tmp_path, [slices[n] for n in np.random.default_rng(0).permutation(len(slices))])
    frames = read_frames(tmp_path)
    assert [numbers(frame) for frame in frames] == [[0, 10, 20], [1, 11, 21], [2, 12, 22], [3, 13, 23]]
    assert {frame.geometry.spacing for frame in frames} == {(*SPACING, 8)}
    assert describe(tmp_path).frame_times_ms == times


def test_frames_are_listed_and_chosen(tmp_path):
    saved(tmp_path, cine(TriggerTime=lambda place, frame: 35.5 * frame))
    with pytest.raises(InputError, match=r"holds 4 frames: .* 0 \(0 ms\), 1 \(35.5 ms\), 2 \(71 ms\), 3 \(106.5 ms\)"):
        read_image(tmp_path)
    assert numbers(read_image(tmp_path, frame=2)) == [2, 12, 22]


def test_cine_with_a_series_for_each_position(tmp_path):
    slices = cine(SeriesInstanceUID=lambda place, frame: f"{UID}{place + 2}", TriggerTime=lambda place, frame: 35 * frame)
    assert [numbers(frame) for frame in read_frames(saved(tmp_path, slices))][1] == [1, 11, 21]


def test_frames_missing_at_one_position(tmp_path):
    sentence = refused(tmp_path, cine()[:-1])
    assert "Most slice positions of the series have 4 images, but some have another number: 3 at 16.0 mm (IM008)" in sentence


def test_frames_that_nothing_tells_apart(tmp_path):
    sentence = refused(tmp_path, cine(InstanceNumber=lambda place, frame: 1))
    assert "has 4 images at one position" in sentence


# Enhanced multi-frame files


def sequence(**tags) -> Sequence:
    item = Dataset()
    for name, value in tags.items():
        setattr(item, name, value)
    return Sequence([item])


def enhanced(depths, delays=None, slopes=None) -> Dataset:
    """One file with a frame for each of `depths`; frame n has 100·n in its first pixel."""
    one = dataset(ENHANCED_MR, np.stack([pixels(n) for n in range(len(depths))]), "2", NumberOfFrames=len(depths))
    shared, frames = Dataset(), []
    cosines = [f"{value:.8f}" for value in OBLIQUE[:, :2].T.ravel()]
    shared.PlaneOrientationSequence = sequence(ImageOrientationPatient=cosines)
    shared.PixelMeasuresSequence = sequence(PixelSpacing=[SPACING[1], SPACING[0]], SliceThickness=3)
    for n, depth in enumerate(depths):
        frame = Dataset()
        frame.PlanePositionSequence = sequence(ImagePositionPatient=[f"{value:.8g}" for value in depth * OBLIQUE[:, 2]])
        if delays:
            frame.CardiacSynchronizationSequence = sequence(NominalCardiacTriggerDelayTime=float(delays[n]))
        if slopes:
            frame.PixelValueTransformationSequence = sequence(RescaleIntercept=0, RescaleSlope=slopes[n], RescaleType="US")
        frames.append(frame)
    one.SharedFunctionalGroupsSequence, one.PerFrameFunctionalGroupsSequence = Sequence([shared]), Sequence(frames)
    return one


@pytest.mark.parametrize(("depths", "order"), [((0, 4, 8), [0, 1, 2]), ((8, 4, 0), [2, 1, 0]), ((4, 8, 0), [2, 0, 1])])
def test_enhanced_frames_are_ordered_by_position(tmp_path, depths, order):
    image = read_image(saved(tmp_path, [enhanced(depths)]) / "IM000")
    assert image.geometry.same_grid(Geometry((7, 6, 3), (*SPACING, 4), (0, 0, 0), tuple(OBLIQUE.ravel())), 1e-4)
    assert np.array_equal(image.array[0], [pixels(n) for n in order])


def test_enhanced_cine(tmp_path):
    saved(tmp_path, [enhanced((0, 0, 4, 4, 8, 8), delays=(40, 0, 40, 0, 40, 0))])
    assert [numbers(frame) for frame in read_frames(tmp_path)] == [[1, 3, 5], [0, 2, 4]]
    assert describe(tmp_path).frame_times_ms == (0, 40)


def test_enhanced_frames_with_a_gap(tmp_path):
    assert "One slice is missing: most are 4.00 mm apart, but 8.00 mm" in refused(tmp_path, [enhanced((0, 4, 8, 16))])


def test_enhanced_rescaling(tmp_path):
    image = read_image(saved(tmp_path / "same", [enhanced((0, 4), slopes=(0.5, 0.5))]))
    assert np.allclose(image.array[0], [pixels(0) * 0.5, pixels(1) * 0.5])
    assert "scales its frames differently" in refused(tmp_path / "different", [enhanced((0, 4), slopes=(0.5, 2))])


def test_multi_frame_files_without_positions(tmp_path):
    ultrasound = dataset("1.2.840.10008.5.1.4.1.1.3.1", np.zeros((3, 6, 7), np.uint16), "2", NumberOfFrames=3)
    assert "does not tell where in the patient" in refused(tmp_path, [ultrasound])


# Damage


def test_folders_without_dicom(tmp_path):
    with pytest.raises(InputError, match="holds no DICOM image; give the folder or file"):
        read_image(tmp_path)
    (tmp_path / "scan.nii").write_bytes(bytes(500))
    with pytest.raises(InputError, match="holds no DICOM image"):
        describe(tmp_path)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_slice_is_named_and_nothing_printed(tmp_path, share, capfd):
    path = saved(tmp_path, stack([0, 4, 8])) / "IM002"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"(IM002 cannot be read as DICOM|damaged or cut short: IM002)"):
        read_image(tmp_path)
    with pytest.raises(InputError, match="IM002"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("slices", [stack([0, 4]), [enhanced((0, 0, 4, 4), delays=(0, 1, 0, 1))]], ids=["classic", "enhanced"])
def test_any_damage_is_a_sentence_or_goes_unnoticed(tmp_path, slices):
    path, random = saved(tmp_path, slices) / "IM000", np.random.default_rng(5)
    content = path.read_bytes()
    for _ in range(100):
        damaged = bytearray(content)
        for byte in random.integers(132, len(content), 2):
            damaged[byte] = random.choice([0, 255, *b"-9n\\", random.integers(256)])
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):
            read_frames(tmp_path)


def test_text_called_dcm(tmp_path):
    (tmp_path / "a.dcm").write_text("hello\n" * 100, encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.dcm is of no known kind"):
        read_image(tmp_path / "a.dcm")


# A real scan


@pytest.mark.skipif(not BIVME.is_dir(), reason="the shared data are not here")
def test_a_real_short_axis_stack_equals_its_nifti():
    dicom, nifti = read_image(BIVME / "dicom_SAX_frame00"), read_image(BIVME / "patient1_SAX_frame00.nii.gz")
    assert dicom.geometry.same_grid(nifti.geometry, 1e-3)
    assert np.array_equal(dicom.array, nifti.array)
    assert dicom.geometry.spacing == pytest.approx((1.40625, 1.40625, 17.7), abs=1e-3)
