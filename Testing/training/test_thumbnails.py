"""Small pictures of cases: pixels by hand, and what makes them new."""

import json
import os

import numpy as np
import pytest

from MedSegDLLib.__main__ import main
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLTrainLib.case_folder import remove_case
from MedSegDLTrainLib.cases import Case, image_path, label_path, read_cases, thumbnail_folder
from MedSegDLTrainLib.thumbnails import SIDE, drawn, kept_thumbnail

RED = LabelTable((Label(1, "a", (255, 0, 0)), Label(2, "b", (0, 0, 255))))


def is_red(picture):
    return (picture == (255, 0, 0)).all(axis=2)


def test_the_whole_slice_is_shown_where_there_is_no_label_with_true_proportions():
    grey = np.linspace(0, 1, 10 * 20).reshape(10, 20)
    picture = drawn(grey, np.zeros((10, 20), np.uint8), (1.0, 1.0), RED)
    assert picture.shape == (SIDE, SIDE, 3)
    assert (picture[: SIDE // 4 - 2] == 0).all()  # 20 mm wide, 10 mm tall: a quarter above and below is empty
    assert picture[SIDE * 3 // 4 - 4].max() > 240
    assert picture[SIDE // 4 + 4].max() < 60
    tall = drawn(grey, np.zeros((10, 20), np.uint8), (2.0, 1.0), RED)
    assert tall[:4].max() > 0 and tall[-4:].min() > 200


def test_labels_are_shown_large_as_edges_of_their_colour():
    labels = np.zeros((100, 100), np.uint8)
    labels[40:60, 40:60] = 1
    picture = drawn(np.random.default_rng(0).random((100, 100)), labels, (1.0, 1.0), RED)
    red = is_red(picture)
    rows = np.flatnonzero(red.any(axis=1))
    assert (rows[0], rows[-1]) == pytest.approx((0.3 * SIDE, 0.7 * SIDE), abs=1.5)  # 20 of 50 mm, in the middle
    assert not red[SIDE // 2, SIDE // 2]
    assert red[rows[0]].sum() == pytest.approx(0.4 * SIDE, abs=2)


def test_what_nobody_annotated_is_darker_and_has_no_edge():
    labels = np.zeros((20, 20), np.uint8)
    labels[:, 10:] = 255
    grey = np.tile([0.0, 1.0], (20, 10))
    picture = drawn(grey, labels, (1.0, 1.0), RED).astype(float)
    assert picture[:, SIDE // 2 + 1 :].mean() == pytest.approx(0.45 * picture[:, : SIDE // 2 - 1].mean(), rel=0.1)
    assert (picture[..., 0] == picture[..., 1]).all()


def test_a_picture_belongs_to_the_files_it_was_made_of(case_folder, capsys):
    a, *_ = read_cases(case_folder)
    assert kept_thumbnail(case_folder, a) is None
    assert main(["cases", "thumbnails", str(case_folder)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["case"], line["done"], line["of"]) for line in lines] == [("a", 1, 3), ("b", 2, 3), ("c", 3, 3)]
    picture = kept_thumbnail(case_folder, a)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
    assert main(["cases", "thumbnails", str(case_folder)]) == 0
    assert capsys.readouterr().out == ""
    os.utime(label_path(case_folder, a), (1, 1))
    assert kept_thumbnail(case_folder, a) is None
    assert main(["cases", "thumbnails", str(case_folder)]) == 0
    assert len(list(thumbnail_folder(case_folder, a).iterdir())) == 1
    remove_case(case_folder, "a")
    assert not thumbnail_folder(case_folder, a).exists()


def test_a_case_that_cannot_be_read_is_told_and_the_others_get_theirs(case_folder, capsys):
    image_path(case_folder, Case("a", "A", "train")).write_bytes(b"damaged")
    label_path(case_folder, Case("b", "B", "train")).unlink()
    assert main(["cases", "thumbnails", str(case_folder)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["warning", "warning", "thumbnail"]
    assert lines[0]["text"].startswith("a: ") and lines[0]["done"] == 1
