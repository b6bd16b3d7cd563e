"""Which image to correct next, on images that a known model finds easy or hard (Testing/models.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from MedSegDLLib.__main__ import main
from MedSegDLLib.files import read_labels, write_image, write_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLTrainLib import next_cases
from MedSegDLTrainLib.case_folder import NewCase, add_case, content_of, remove_case
from MedSegDLTrainLib.cases import Case, image_path, label_path, next_folder, write_cases
from Testing.models import BRIGHT, write_bright_model

GRID = Geometry((24, 24, 3), (1.0, 1.0, 5.0))


def box_image(noise: float, seed: int = 0) -> Image:
    """A bright box: the more noise, the less sure the model."""
    array = np.random.default_rng(seed).normal(0, noise, (1, *GRID.shape_zyx))
    array[0, 1, 8:16, 8:16] += 100
    return Image(array.astype(np.float32), GRID)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Cases easy and hard, which are predicted, and done, which is corrected."""
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "zoo"))
    write_bright_model(tmp_path / "zoo")
    folder = tmp_path / "cases"
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    cases, noises = [], {"easy": 1, "hard": 60, "done": 60}
    for number, (name, noise) in enumerate(noises.items()):
        image = box_image(noise, number)
        status = "corrected" if name == "done" else "predicted"
        cases.append(Case(name, name, "train", status, image_sha256=content_of(image)))
        write_image(image, image_path(folder, cases[-1]))
        write_labelmap(LabelMap((image.array[0] > 50).astype(np.uint8), GRID), label_path(folder, cases[-1]))
    write_cases(folder, cases, {"Bright": 1}, "MR")
    return folder


def ask(folder, capsys, *more):
    """The lines of `cases next --json`."""
    assert main(["cases", "next", str(folder), "--model", "bright", "--device", "cpu", "--json", *map(str, more)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_least_sure_prediction_comes_first_and_corrected_cases_do_not_come(folder, capsys):
    *progress, last = ask(folder, capsys)
    assert [image["case"] for image in last["images"]] == ["hard", "easy"]
    assert last["images"][0]["mean_entropy"] > last["images"][1]["mean_entropy"] >= 0
    assert [(line["done"], line["of"], line["name"]) for line in progress] == [(0, 2, "easy"), (1, 2, "hard"), (2, 2, "")]
    prediction = read_labels(Path(last["images"][1]["prediction"]))
    assert prediction.labels == BRIGHT
    assert prediction.labelmap.array[1, 8:16, 8:16].all()


def test_what_is_known_is_not_segmented_again(folder, capsys, monkeypatch):
    before = ask(folder, capsys)[-1]
    monkeypatch.setattr(next_cases, "segment", lambda *arguments, **more: pytest.fail("segmented again"))
    assert ask(folder, capsys)[-1] == before
    assert len(ask(folder, capsys, "--limit", 1)[-1]["images"]) == 1


def test_a_damaged_score_or_another_image_is_scored_again(folder, capsys):
    before = ask(folder, capsys)[-1]["images"]
    for path in next_folder(folder).rglob("*.json"):
        path.write_text("{", encoding="utf-8")
    assert ask(folder, capsys)[-1]["images"] == before
    write_image(box_image(100, 9), image_path(folder, Case("easy", "easy", "train")))
    assert ask(folder, capsys)[-1]["images"][0]["case"] == "easy"


def test_images_that_are_no_cases_yet_count_and_known_ones_do_not(folder, capsys, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    write_image(box_image(200, 7), images / "new.nrrd")
    write_image(box_image(60, 2), images / "same_as_done.nii.gz")
    (images / "broken.nii.gz").write_bytes(b"no image")
    (images / "notes.txt").write_text("no image", encoding="utf-8")
    lines = ask(folder, capsys, "--images", images)
    found = {(image["case"], Path(image["image"]).name) for image in lines[-1]["images"]}
    assert found == {("easy", "easy_0000.nii.gz"), ("hard", "hard_0000.nii.gz"), ("", "new.nrrd")}
    (warning,) = [line["text"] for line in lines if line["event"] == "warning"]
    assert warning.startswith("broken.nii.gz is left out: ")


def test_a_folder_that_is_not_begun_can_be_asked_about_images_and_begun_afterwards(folder, capsys, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    write_image(box_image(1), images / "first.nrrd")
    (image,) = ask(tmp_path / "new", capsys, "--images", images)[-1]["images"]
    add_case(tmp_path / "new", NewCase(images / "first.nrrd", Path(image["prediction"]), "A"), BRIGHT)
    assert ask(tmp_path / "new", capsys, "--images", images)[-1]["images"] == []


def test_a_case_that_is_removed_leaves_no_prediction_behind(folder, capsys):
    ask(folder, capsys)
    assert len(list(next_folder(folder).rglob("*.*"))) == 4
    remove_case(folder, "hard")
    assert len(list(next_folder(folder).rglob("*.*"))) == 2


def test_a_person_gets_a_table_or_a_sentence(folder, capsys, tmp_path):
    assert main(["cases", "next", str(folder), "--model", "bright", "--device", "cpu"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[0].split()[:2] == ["IMAGE", "BITS"]
    assert told.out.splitlines()[1].startswith("hard")
    assert "looking at image 2 of 2: hard" in told.err
    for name in ("easy", "hard"):
        remove_case(folder, name)
    assert main(["cases", "next", str(folder), "--model", "bright", "--device", "cpu"]) == 0
    assert "There is nothing to correct" in capsys.readouterr().out
    assert main(["cases", "next", str(tmp_path / "absent"), "--model", "bright"]) == 2
    assert main(["cases", "next", str(folder), "--model", "bright", "--images", str(tmp_path / "absent")]) == 2
    assert main(["cases", "next", str(folder), "--model", "bright", "--limit", "0"]) == 2
    assert "Traceback" not in capsys.readouterr().err
