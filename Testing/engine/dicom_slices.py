"""DICOM files made by pydicom, whose pixels tell which slice or frame they are."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import read_image
from Testing.engine.grids import rotation

MR, ENHANCED_MR, REPORT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.88.11"
AXIAL, OBLIQUE = np.eye(3), rotation(20, -35, 50)
ROWS, COLUMNS, SPACING = 6, 7, (0.7, 1.25)
UID = "1.2.826.0.1.3680043.8.498."


def pixels(number: int) -> np.ndarray:
    """A slice (rows, columns) with 100·number in its first pixel."""
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
    """The folder, with a file for each data set."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(slices):
        one.save_as(folder / names.format(number), enforce_file_format=True)
    return folder


def numbers(image) -> list[int]:
    """Which slices an image consists of, by the hundreds of their first pixels."""
    return (image.array[0, :, 0, 0] // 100).tolist()


def refused(folder: Path, slices: list[Dataset]) -> str:
    """The sentence with which a folder of these data sets is refused; it names the folder."""
    with pytest.raises(InputError) as caught:
        read_image(saved(folder, slices))
    assert str(folder) in str(caught.value)
    return str(caught.value)


def sequence(**tags) -> Sequence:
    """A sequence of one item with these tags."""
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
