"""Finding models on the search path and knowing whether they are intact."""

import os
from pathlib import Path

import pytest

from MedSegDLLib import zoo
from MedSegDLLib.checksums import sha256_of
from MedSegDLLib.errors import InputError, ModelError
from MedSegDLLib.folders import cache_folder, data_folder
from MedSegDLLib.zoo import bundled_zoo, find_model, list_models, read_zoo, search_path, user_zoo, verify_model
from Testing.engine.small_model import LABELS, write_model

ROOT = Path(__file__).parents[2]


@pytest.fixture
def zoos(tmp_path, monkeypatch):
    """Three empty zoos: bundled, the user's, and one that MEDSEGDL_MODELS names."""
    bundled, listed = tmp_path / "bundled", tmp_path / "listed"
    monkeypatch.setattr(zoo, "bundled_zoo", lambda: bundled)
    monkeypatch.setattr(zoo, "data_folder", lambda: tmp_path / "data")
    monkeypatch.setenv("MEDSEGDL_MODELS", str(listed))
    for folder in (bundled, tmp_path / "data" / "models", listed):
        folder.mkdir(parents=True)
    return bundled, tmp_path / "data" / "models", listed


def test_sha256_by_the_standards_example(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(InputError, match="cannot be read"):
        sha256_of(tmp_path / "absent")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no XDG folders")
def test_user_folders_follow_the_environment(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "d"))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / "d" / "MedSegDL"
    assert cache_folder() == tmp_path / ".cache" / "MedSegDL"
    monkeypatch.setattr("sys.platform", "darwin")
    assert user_zoo() == tmp_path / "Library" / "Application Support" / "MedSegDL" / "models"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder() == tmp_path / "local" / "MedSegDL" / "Cache"


def test_bundled_zoo_of_this_checkout_is_at_its_root():
    assert bundled_zoo() == ROOT / "models_zoo"


def test_bundled_zoo_is_beside_the_library_first_then_at_the_root_then_in_share(tmp_path, monkeypatch):
    modules, share = tmp_path / "repository" / "modules", tmp_path / "prefix" / "share" / "medsegdl"
    (modules / "MedSegDLLib").mkdir(parents=True)
    monkeypatch.setattr(zoo, "__file__", str(modules / "MedSegDLLib" / "zoo.py"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / "prefix"))
    assert bundled_zoo() is None
    for place in (share, tmp_path / "repository", modules):
        (place / "models_zoo").mkdir(parents=True)
        assert bundled_zoo() == place / "models_zoo"


def test_search_path_has_the_bundled_the_users_and_the_listed_zoos(zoos, monkeypatch, tmp_path):
    assert search_path() == list(zoos)
    monkeypatch.setenv("MEDSEGDL_MODELS", f"{tmp_path / 'a'}{os.pathsep}{os.pathsep}{tmp_path / 'b'}")
    assert search_path() == [*zoos[:2], tmp_path / "a", tmp_path / "b"]
    monkeypatch.delenv("MEDSEGDL_MODELS")
    assert search_path() == list(zoos[:2])


def test_models_are_listed_in_order_and_found_by_id(zoos):
    folders = [write_model(place, model_id) for place, model_id in zip(zoos, ("one", "two", "three"), strict=True)]
    (zoos[0] / "not_a_model").mkdir()
    (zoos[0] / "card.schema.json").write_text("{}", encoding="utf-8")
    assert [(model.folder, model.card.id) for model in list_models()] == list(
        zip(folders, ("one", "two", "three"), strict=True)
    )
    assert [find_model(model_id) for model_id in ("one", "two", "three")] == folders
    assert read_zoo().problems == read_zoo().hidden == ()


def test_nothing_takes_the_place_of_a_bundled_model(zoos):
    first, *others = [write_model(place) for place in zoos]
    assert find_model("small") == first
    assert [model.folder for model in list_models()] == [first]
    assert read_zoo().hidden == tuple(f"{folder} is hidden by the model of the same id in {first}." for folder in others)


def test_broken_models_are_told_and_do_not_hide_the_others(zoos):
    write_model(zoos[0], "broken", card_version=2)
    write_model(zoos[0], "whole")
    assert [model.card.id for model in list_models()] == ["whole"]
    [problem] = read_zoo().problems
    assert "card_version is 2, but must be one of 1" in problem


def test_folders_that_the_environment_names_must_exist(zoos, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "absent"))
    assert read_zoo().problems == (f"MEDSEGDL_MODELS names {tmp_path / 'absent'}, which is no folder.",)


def test_unknown_model_is_told_with_what_was_meant(zoos):
    with pytest.raises(ModelError, match="no model 'lv_cine'; no model is installed"):
        find_model("lv_cine")
    write_model(zoos[0], "lv_cine_mr")
    with pytest.raises(ModelError, match="no model 'lv_cine'; did you mean 'lv_cine_mr'"):
        find_model("lv_cine")


@pytest.mark.parametrize("model_id", ["../bundled/small", "small/", ".", "", "SMALL", "/"])
def test_ids_are_never_paths(zoos, model_id):
    write_model(zoos[0])
    with pytest.raises(ModelError, match="There is no model"):
        find_model(model_id)


def test_links_are_not_followed(zoos, tmp_path):
    real = write_model(tmp_path / "elsewhere")
    (zoos[1] / "small").symlink_to(real, target_is_directory=True)
    assert list_models() == []
    assert "is a link, and links are not followed" in read_zoo().problems[0]
    with pytest.raises(ModelError, match="is a link"):
        verify_model(zoos[1] / "small")


@pytest.mark.parametrize("name", ["card.json", "labels.csv", "weights.safetensors"])
def test_files_of_a_model_are_plain_files(tmp_path, name):
    folder = write_model(tmp_path)
    (folder / name).rename(tmp_path / name)
    with pytest.raises(ModelError, match=f"{name} is missing or is not a plain file"):
        verify_model(folder)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(ModelError, match=f"{name} is missing or is not a plain file"):
        verify_model(folder)


def test_intact_model_gives_its_card_and_labels(tmp_path):
    card, labels = verify_model(write_model(tmp_path))
    assert (card.id, labels) == ("small", LABELS)


def test_one_changed_byte_of_the_weights_is_noticed(tmp_path):
    weights = write_model(tmp_path) / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[1000] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelError, match=r"is damaged or was changed: its SHA-256 is .* Do not use the model 'small'"):
        verify_model(weights.parent)


def test_labels_that_disagree_with_the_network_are_noticed(tmp_path):
    folder = write_model(tmp_path, network={"key": "unet_2d", "in_channels": 1, "out_channels": 4})
    with pytest.raises(ModelError, match=r"labels.csv disagrees with its card: .* 3 label\(s\)"):
        verify_model(folder)


def test_a_job_that_the_card_names_must_be_there(tmp_path):
    training = {"data": "none", "data_kind": "synthetic", "patients": 0, "cases": 0, "job": "job.json"}
    with pytest.raises(ModelError, match=r"job\.json is missing"):
        verify_model(write_model(tmp_path, training=training))


def test_files_larger_than_any_model_are_not_read(tmp_path):
    folder = write_model(tmp_path)
    with (folder / "labels.csv").open("ab") as file:
        file.truncate((1 << 20) + 1)
    with pytest.raises(ModelError, match="has 1048577 bytes, more than the 1048576"):
        verify_model(folder)
    with (folder / "weights.safetensors").open("ab") as file:
        file.truncate((2 << 30) + 1)  # a hole, no disk space
    write_model(tmp_path / "other")
    (folder / "labels.csv").write_bytes((tmp_path / "other" / "small" / "labels.csv").read_bytes())
    with pytest.raises(ModelError, match=r"weights.safetensors has 2147483649 bytes"):
        verify_model(folder)


@pytest.mark.parametrize(
    "folder", [folder.parent for folder in (ROOT / "models_zoo").glob("*/card.json")], ids=lambda f: f.name
)
def test_models_of_this_repository_are_intact(folder):
    verify_model(folder)
    assert (folder / "README.md").is_file()
