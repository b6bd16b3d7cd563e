from pathlib import Path

import numpy as np
import pytest

from MedSegDLLib.demo import main as demo
from MedSegDLLib.files import describe, read_frames
from MedSegDLLib.phantom import (
    LABELS,
    LEFT_VENTRICLE,
    MYOCARDIUM,
    RIGHT_VENTRICLE,
    CinePhantom,
    cine_phantom,
    write_cine,
)
from Testing.models import write_bright_model


@pytest.fixture(scope="module")
def phantom() -> CinePhantom:
    """Three frames of 0.3 s; the second is close to end systole."""
    return cine_phantom(frames=3)


def volume_ml(phantom: CinePhantom, frame: int, value: int) -> float:
    labelmap = phantom.labelmaps[frame]
    return np.count_nonzero(labelmap.array == value) * labelmap.geometry.voxel_volume_ml


def test_volumes_are_those_of_an_adult_and_of_the_formula(phantom: CinePhantom):
    # π R² ∫ share² dz of the half ellipsoid with R 26.5 mm and length 82 mm, share² = 1 − (1 − u)^2.2, so 11/16 of a cylinder.
    diastole = volume_ml(phantom, 0, LEFT_VENTRICLE)
    assert diastole == pytest.approx(np.pi * 26.5**2 * 82 * 11 / 16 / 1000, rel=0.04)
    systole = min(volume_ml(phantom, frame, LEFT_VENTRICLE) for frame in range(3))
    assert 55 < 100 * (1 - systole / diastole) < 65
    assert 70 < volume_ml(phantom, 0, MYOCARDIUM) < 140 and 70 < volume_ml(phantom, 0, RIGHT_VENTRICLE) < 160


def test_the_heart_muscle_keeps_most_of_its_volume(phantom: CinePhantom):
    muscle = [volume_ml(phantom, frame, MYOCARDIUM) for frame in range(3)]
    assert max(muscle) / min(muscle) < 1.25


def test_blood_is_bright_muscle_dark_and_air_black(phantom: CinePhantom):
    image, labels = phantom.images[0].array[0], phantom.labelmaps[0].array
    blood, muscle = (np.median(image[labels == value]) for value in (LEFT_VENTRICLE, MYOCARDIUM))
    assert blood > 2 * muscle > 4 * np.median(image[:, :20, :20])
    assert image.dtype == np.int16 and image.min() >= 0


def test_papillary_muscles_are_dark_but_ventricle(phantom: CinePhantom):
    image, labels = phantom.images[0].array[0], phantom.labelmaps[0].array
    middle = labels.shape[0] // 2
    dark = (image[middle] < 0.6 * np.median(image[middle][labels[middle] == LEFT_VENTRICLE])) & (
        labels[middle] == LEFT_VENTRICLE
    )
    assert 0.03 < dark.sum() / np.count_nonzero(labels[middle] == LEFT_VENTRICLE) < 0.2


def test_slices_beyond_the_valves_have_atria_and_no_label(phantom: CinePhantom):
    image, labels = phantom.images[0].array[0], phantom.labelmaps[0].array
    assert not labels[-1].any() and np.count_nonzero(image[-1, 100:160, 90:160] > 200) > 500


def test_the_same_seed_gives_the_same_phantom_and_another_gives_another():
    first, again, other = (cine_phantom(frames=1, slices=2, seed=seed).images[0].array for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_file_has_the_oblique_grid_the_frames_and_their_times(phantom: CinePhantom, tmp_path: Path):
    path = tmp_path / "phantom.nii.gz"
    write_cine(phantom, path)
    frames = read_frames(path)
    for frame, image in zip(frames, phantom.images, strict=True):
        np.testing.assert_array_equal(frame.array, image.array)
        assert frame.geometry.same_grid(image.geometry)
    axes = phantom.images[0].geometry.axes
    assert np.linalg.det(axes) == pytest.approx(1) and np.abs(axes).max() < 0.95
    assert describe(path).frame_times_ms == pytest.approx([0, 300, 600])


def test_label_values_are_the_tables(phantom: CinePhantom):
    assert [label.value for label in LABELS.labels] == [LEFT_VENTRICLE, MYOCARDIUM, RIGHT_VENTRICLE]
    assert set(np.unique(phantom.labelmaps[0].array)) == {0, 1, 2, 3}


def test_the_demo_says_that_it_is_a_phantom_and_leaves_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    write_bright_model(tmp_path / "zoo")
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "zoo"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert demo(tmp_path / "demo", "bright", frames=2) == 0
    printed = capsys.readouterr().out
    assert "PHANTOM" in printed and "ejection fraction" in printed and "seconds for 2 frames" in printed
    assert {"phantom.nii.gz", "phantom_frame00.seg.nrrd", "phantom_frame01.seg.nrrd", "phantom_volumes.png", "report.json"} <= {
        path.name for path in (tmp_path / "demo").iterdir()
    }
    assert len(list((tmp_path / "demo").glob("overlay_frame*.png"))) == 2
