"""From image to segmentation, with a model that marks what is bright (Testing/models.py)."""

import dataclasses

import numpy as np
import pytest
import torch

from MedSegDLLib.checkpoint import load_model
from MedSegDLLib.errors import Cancelled, DeviceError, InputError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.model_card import Normalisation, Postprocessing, Preprocessing
from MedSegDLLib.options import Region, SegmentOptions
from MedSegDLLib.progress import CancelToken
from MedSegDLLib.segment import segment
from Testing.engine.grids import GRIDS
from Testing.models import BRIGHT_AND_BRIGHTEST, write_bright_model

PLAIN = SegmentOptions(device="cpu", precision="float32")


@pytest.fixture
def bright(tmp_path):
    return load_model(write_bright_model(tmp_path))


@pytest.fixture
def two(tmp_path):
    return load_model(write_bright_model(tmp_path, labels=BRIGHT_AND_BRIGHTEST))


def _with(model, **card):
    return dataclasses.replace(model, card=dataclasses.replace(model.card, **card))


def _image(geometry: Geometry = Geometry((40, 45, 6), (1.2, 1.2, 8))) -> Image:  # noqa: B008 (immutable)
    array = np.random.default_rng(2).normal(100, 10, (1, *geometry.shape_zyx)).astype(np.int16)
    return Image(array, geometry, "noise")


def _levels(image: Image, *thresholds: float) -> np.ndarray:
    z = (image.array[0] - image.array.mean()) / image.array.std()
    return np.digitize(z, thresholds, right=True)


@pytest.mark.parametrize("orientation", ["slices", "LPS", "SRA"])
@pytest.mark.parametrize("name", GRIDS)
def test_the_result_lies_on_the_source_grid_whatever_it_is(bright, name, orientation):
    image = _image(GRIDS[name])
    model = _with(bright, preprocessing=Preprocessing(orientation, (None, None, None), Normalisation("zscore")))
    result = segment(image, model, PLAIN)
    labelmap = result.segmentation.labelmap
    assert labelmap.geometry == image.geometry
    assert labelmap.name == "noise"
    assert np.array_equal(labelmap.array, _levels(image, 1))
    assert result.segmentation.labels == bright.labels


def test_report_of_what_was_done(bright):
    result = segment(_image(), bright, PLAIN)
    assert (result.device, result.precision) == ("cpu", "float32")
    assert list(result.seconds) == ["preprocess", "network", "stitch", "postprocess"]
    assert all(seconds > 0 for seconds in result.seconds.values())
    assert result.peak_memory_mib > 50


def test_labels_that_are_not_asked_for_are_dropped_after_they_have_competed(two):
    image = _image()
    everything = segment(image, two, PLAIN).segmentation.labelmap.array
    assert np.array_equal(everything, _levels(image, 1, 3))
    assert (everything == 2).any()
    some = segment(image, two, dataclasses.replace(PLAIN, labels=("Bright",))).segmentation
    assert [label.name for label in some.labels.labels] == ["Bright"]
    assert np.array_equal(some.labelmap.array, np.where(everything == 1, 1, 0))


def test_values_of_the_label_table_need_not_be_consecutive(two):
    labels = LabelTable((Label(3, "Bright", (1, 1, 1)), Label(400, "Brightest", (1, 1, 1))))
    image = _image()
    found = segment(image, dataclasses.replace(two, labels=labels), PLAIN).segmentation.labelmap.array
    assert np.array_equal(found, np.array([0, 3, 400])[_levels(image, 1, 3)])


def test_a_region_is_that_part_of_the_whole(bright):
    image = _image(GRIDS["oblique, left-handed"])
    region = Region((1, 2, -3), (4, 3, 6))
    found = segment(image, bright, dataclasses.replace(PLAIN, region=region)).segmentation.labelmap.array
    expected = np.zeros_like(found)
    expected[0:3, 2:5, 1:5] = _levels(image, 1)[0:3, 2:5, 1:5]
    assert np.array_equal(found, expected)
    assert expected.any()


def test_resampling_there_and_back_keeps_a_ball_in_place(bright):
    geometry = Geometry((60, 70, 30), (1, 0.8, 2), direction=GRIDS["oblique"].direction)
    index = np.stack(np.meshgrid(*map(range, geometry.size), indexing="ij"), -1).transpose(2, 1, 0, 3)
    distance = np.linalg.norm((index - [33, 30, 14]) * geometry.spacing, axis=-1)
    image = Image(-distance[None].astype(np.float32), geometry)
    model = _with(bright, preprocessing=Preprocessing("LPS", (1.5, 1.5, 3), Normalisation("zscore")))
    found = segment(image, model, PLAIN).segmentation.labelmap.array > 0
    ball = distance < distance.mean() - distance.std()
    assert 2 * (found & ball).sum() / (found.sum() + ball.sum()) > 0.97
    assert np.argwhere(found).mean(axis=0) == pytest.approx([14, 30, 33], abs=0.1)


def test_postprocessing_of_the_card(bright):
    model = _with(bright, postprocessing=Postprocessing(largest_component=("Bright",)))
    image = Image(np.zeros((1, 5, 20, 20), np.int16), Geometry((20, 20, 5)))
    image.array[0, 1:3, 2:5, 2:5] = 100
    image.array[0, 4, 15, 15] = 100
    found = segment(image, model, PLAIN).segmentation.labelmap.array
    assert found.sum() == 18
    assert found[1:3, 2:5, 2:5].all()
    without = segment(image, model, dataclasses.replace(PLAIN, postprocessing=False)).segmentation.labelmap.array
    assert without.sum() == 19
    assert without[4, 15, 15] == 1


def test_progress_runs_through_the_stages(bright):
    told = []
    segment(_image(), bright, PLAIN, progress=lambda stage, fraction, left: told.append((stage, fraction)))
    assert list(dict.fromkeys(stage for stage, _ in told)) == ["preprocess", "network", "postprocess"]
    for stage in ("preprocess", "network", "postprocess"):
        fractions = [fraction for name, fraction in told if name == stage]
        assert fractions == sorted(fractions)
        assert (fractions[0], fractions[-1]) == (0, 1)


def test_the_trial_of_number_formats_is_a_stage_of_its_own(bright, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSEGDL_CACHE", str(tmp_path))
    told = []
    options = dataclasses.replace(PLAIN, precision="auto")
    segment(_image(), bright, options, progress=lambda stage, fraction, left: told.append((stage, fraction)))
    assert list(dict.fromkeys(stage for stage, _ in told)) == ["preprocess", "trial", "network", "postprocess"]
    assert [fraction for stage, fraction in told if stage == "trial"] == [0, 1]


def test_a_cancelled_run_ends_with_cancelled(bright):
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        segment(_image(), bright, PLAIN, cancel=cancel)


def test_auto_precision_gives_the_labels_of_float32(bright, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSEGDL_CACHE", str(tmp_path / "cache"))
    result = segment(_image(), bright)
    assert result.precision in ("float32", "bfloat16", "float16")
    assert (tmp_path / "cache" / "precision.json").exists()
    assert (result.segmentation.labelmap.array == _levels(_image(), 1)).mean() > 0.99


@pytest.mark.parametrize("value", [0, -3, 12.5])
def test_an_image_of_one_value_is_an_error(bright, value):
    image = Image(np.full((1, 4, 5, 6), value), Geometry((6, 5, 4)))
    with pytest.raises(InputError, match=f"Every voxel of the image has the value {value}: there is nothing to segment"):
        segment(image, bright, PLAIN)


def test_wrong_channels_labels_regions_and_devices_are_sentences(bright):
    image = _image()
    with pytest.raises(InputError, match="needs 1 image channel, but the image has 2"):
        segment(Image(np.concatenate([image.array] * 2), image.geometry), bright, PLAIN)
    with pytest.raises(InputError, match="no label 'Brigth'"):
        segment(image, bright, dataclasses.replace(PLAIN, labels=("Brigth",)))
    with pytest.raises(InputError, match="outside of the image"):
        segment(image, bright, dataclasses.replace(PLAIN, region=Region((99, 0, 0), (1, 1, 1))))
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="No NVIDIA GPU"):
            segment(image, bright, dataclasses.replace(PLAIN, device="cuda"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_gives_the_same_segmentation_and_its_own_peak_memory(bright):
    result = segment(_image(), bright, dataclasses.replace(PLAIN, device="cuda"))
    assert np.array_equal(result.segmentation.labelmap.array, _levels(_image(), 1))
    assert result.device == "cuda:0"
    assert 0 < result.peak_memory_mib < 50
