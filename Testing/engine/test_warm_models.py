import dataclasses
import os

import numpy as np
import pytest

from MedSegDLLib import warm_models
from MedSegDLLib.device_list import device_list
from MedSegDLLib.errors import Cancelled, ModelError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from MedSegDLLib.model_card import LABELS_FILE, WEIGHTS_FILE, read_card
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.progress import CancelToken, no_progress
from MedSegDLLib.warm_models import WarmEngine, WarmModels
from Testing.models import write_bright_model, write_card


@pytest.fixture
def loads(monkeypatch):
    """The names of the models that were really loaded."""
    names, load = [], warm_models.load_model

    def counted(folder):
        names.append(folder.name)
        return load(folder)

    monkeypatch.setattr(warm_models, "load_model", counted)
    return names


def test_a_model_is_loaded_once(tmp_path, loads):
    models, folder = WarmModels(), write_bright_model(tmp_path)
    assert models.get(folder) is models.get(folder / ".." / "bright")
    assert loads == ["bright"]


def test_a_model_that_changed_on_disk_is_loaded_anew(tmp_path, loads):
    models, folder = WarmModels(), write_bright_model(tmp_path)
    models.get(folder)
    write_card(dataclasses.replace(read_card(folder), title="Another"), folder)
    assert models.get(folder).card.title == "Another"
    os.utime(folder / LABELS_FILE, (1, 1))
    models.get(folder)
    assert len(loads) == 3


def test_weights_that_were_changed_are_refused_although_the_model_was_in_memory(tmp_path):
    models, folder = WarmModels(), write_bright_model(tmp_path)
    models.get(folder)
    weights = folder / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ModelError, match="damaged or was changed"):
        models.get(folder)


def test_a_model_that_was_removed_is_told(tmp_path):
    models, folder = WarmModels(), write_bright_model(tmp_path)
    models.get(folder)
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        models.get(folder)


def test_the_models_used_longest_ago_make_room(tmp_path, loads, monkeypatch):
    folders = [write_bright_model(tmp_path, name) for name in "abc"]
    models = WarmModels()
    size = sum(tensor.nbytes for tensor in models.get(folders[0]).network.state_dict().values())
    # Two fit into a quarter of what is free, or would be without them.
    monkeypatch.setattr(warm_models, "free_host_bytes", lambda: 4 * 2 * size - 2 * size)
    for name in "bac":
        models.get(tmp_path / name)
    assert loads == ["a", "b", "c"]
    models.get(folders[0])  # stayed: it was used after b
    assert loads == ["a", "b", "c"]
    models.get(folders[1])
    assert loads == ["a", "b", "c", "b"]


def test_one_model_stays_however_little_memory_there_is(tmp_path, loads, monkeypatch):
    monkeypatch.setattr(warm_models, "free_host_bytes", lambda: 0)
    models, folder = WarmModels(), write_bright_model(tmp_path)
    models.get(folder)
    models.get(folder)
    assert loads == ["bright"]


def test_the_engine_segments_with_the_stage_model_first(tmp_path, loads):
    engine, folder = WarmEngine(), write_bright_model(tmp_path)
    engine.load(folder)
    array = np.random.default_rng(0).normal(0, 1, (1, 3, 20, 20))
    array.setflags(write=False)  # as the worker maps it
    told = []
    options = SegmentOptions(device="cpu", precision="float32", uncertainty=True)
    result, model_id, sha256 = engine.segment(
        Image(array, Geometry((20, 20, 3))), folder, options, lambda stage, *_: told.append(stage), CancelToken()
    )
    assert list(dict.fromkeys(told)) == ["model", "preprocess", "network", "postprocess"]
    assert np.array_equal(result.segmentation.labelmap.array, array[0] > array.mean() + array.std())
    assert result.mean_entropy > 0
    assert (model_id, sha256) == ("bright", read_card(folder).weights_sha256)
    assert loads == ["bright"]


def test_a_cancel_that_came_before_the_model_was_loaded_is_heard(tmp_path):
    cancel = CancelToken()
    cancel.cancel()
    image = Image(np.arange(100.0).reshape(1, 1, 10, 10), Geometry((10, 10, 1)))
    with pytest.raises(Cancelled):
        WarmEngine().segment(image, write_bright_model(tmp_path), SegmentOptions("cpu"), no_progress, cancel)


def test_devices_are_told_in_words_the_processor_last():
    devices = device_list()
    assert devices[-1].name == "cpu"
    assert devices[-1].text in ("CPU", "CPU, bfloat16")
    assert all(device.text.endswith("GB free") for device in devices if device.name.startswith("cuda"))
