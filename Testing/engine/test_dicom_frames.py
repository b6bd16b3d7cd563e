"""DICOM over time and enhanced multi-frame files: frames told apart, in order, with their times."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import describe, read_frames, read_image
from MedSegDLLib.geometry import Geometry
from Testing.engine.dicom_slices import OBLIQUE, SPACING, UID, dataset, enhanced, numbers, pixels, refused, saved, slice_at

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
