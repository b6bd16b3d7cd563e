"""Cases come, are corrected and go: what is kept, what never moves, what is refused, and two at once."""

import json
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK

from MedSegDLLib.errors import InputError, OutputError
from MedSegDLLib.files import read_image, read_labelmap, write_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.strict_json import write_json
from MedSegDLTrainLib.case_folder import NewCase, add_case, problems_of, remove_case
from MedSegDLTrainLib.cases import (
    Case,
    earlier_label_path,
    image_path,
    label_path,
    prepared_folder,
    read_case_list,
    read_cases,
    write_cases,
)
from Testing.training.added_cases import GEOMETRY, TABLE, add_scan, labels_file, scan_file


def test_a_case_is_copied_as_it_is(folder, tmp_path):
    case = add_scan(folder, tmp_path)
    assert (case.name, case.patient, case.split, case.status, case.version) == ("scan-0", "A", "train", "corrected", 1)
    stored, given = read_image(image_path(folder, case)), read_image(tmp_path / "scan 0.nii.gz")
    assert (stored.array == given.array).all() and stored.geometry.same_grid(GEOMETRY, 1e-6)
    assert read_labelmap(label_path(folder, case)).array.sum() == 4
    assert read_cases(folder) == (case,)
    assert json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["labels"] == {
        "background": 0,
        "left": 1,
        "right": 2,
        "ignore": 3,
    }
    assert problems_of(folder, read_cases(folder)) == []


def test_a_correction_keeps_the_earlier_labels_and_the_split(folder, tmp_path):
    first, other = add_scan(folder, tmp_path, status="predicted"), add_scan(folder, tmp_path, 1, patient="B")
    second = add_scan(folder, tmp_path, value=2, status="approved")
    assert (second.name, second.version, second.status, second.split) == (first.name, 2, "approved", first.split)
    assert read_cases(folder) == (second, other)
    assert read_labelmap(label_path(folder, second)).array.max() == 2
    assert read_labelmap(earlier_label_path(folder, first)).array.max() == 1


def test_a_correction_that_was_stopped_and_done_again_keeps_the_first_labels(folder, tmp_path, monkeypatch):
    first = add_scan(folder, tmp_path)
    with monkeypatch.context() as stopped:
        stopped.setattr("MedSegDLTrainLib.case_folder.write_case_list", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            add_scan(folder, tmp_path, value=2)
    assert read_cases(folder) == (first,)
    assert add_scan(folder, tmp_path, value=2).version == 2
    assert read_labelmap(earlier_label_path(folder, first)).array.max() == 1


@pytest.mark.parametrize("full", ["write_case_labels", "write_case_list"])
def test_a_case_that_cannot_be_listed_leaves_no_files(folder, tmp_path, monkeypatch, full):
    add_scan(folder, tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with monkeypatch.context() as disk:
        disk.setattr(f"MedSegDLTrainLib.case_folder.{full}", lambda *_: (_ for _ in ()).throw(OutputError("The disk is full.")))
        for seed in (0, 1):  # a correction, and a case that is new
            with pytest.raises(OutputError):
                add_scan(folder, tmp_path, seed, value=2)
            assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [add_scan(folder, tmp_path, seed, value=2).version for seed in (0, 1)] == [2, 1]


def _refused_first(folder, tmp_path):
    with pytest.raises(InputError, match="the value 7"):
        add_scan(folder, tmp_path, value=7)


def _full_first(folder, tmp_path):
    with pytest.MonkeyPatch.context() as disk:
        disk.setattr("MedSegDLTrainLib.cases.write_json", _refuse_cases_file)
        with pytest.raises(OutputError):
            add_scan(folder, tmp_path)


def _refuse_cases_file(document, path):
    if path.name == "cases.json":
        raise OutputError("The disk is full.")
    write_json(document, path)


@pytest.mark.parametrize("fail", [_refused_first, _full_first])
def test_a_first_case_that_fails_leaves_nothing(tmp_path, fail):
    (tmp_path / "mine").mkdir()
    for folder, gone in ((tmp_path / "new" / "deep" / "cases", tmp_path / "new"), (tmp_path / "mine", tmp_path / "mine" / "x")):
        fail(folder, tmp_path)
        assert not gone.exists()
        assert add_scan(folder, tmp_path).version == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["mine", "new"]


def test_a_first_case_that_fails_leaves_what_was_there(folder, tmp_path):
    (folder / "imagesTr").mkdir(parents=True)
    (folder / "imagesTr" / "x_0000.nii.gz").touch()
    (folder / "dataset.json").write_text("{}", encoding="utf-8")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    _refused_first(folder, tmp_path)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert not (folder / "labelsTr").exists()


def test_nobody_moves_while_a_hundred_cases_come_and_go(folder, tmp_path):
    """One by one in random order, several a patient, now and then one removed and later added again."""
    order = random.Random(5)
    splits, waiting = {}, list(range(100))
    order.shuffle(waiting)
    while waiting:
        number = waiting.pop()
        add_scan(folder, tmp_path, number, patient=f"P{number % 37}")
        if order.random() < 0.2:
            gone = order.choice(read_case_list(folder).cases)
            remove_case(folder, gone.name)
            if number < 80:
                waiting.insert(0, int(gone.name.removeprefix("scan-")))
        document = read_case_list(folder)
        for patient in document.patients:
            assert splits.setdefault(patient.key, (patient.split, patient.fold)) == (patient.split, patient.fold)
        assert all(splits[case.patient][0] == case.split for case in document.cases)
    assert {split for split, _ in splits.values()} == {"train", "validation"}


def test_a_frame_of_an_image_over_time_is_a_case(folder, tmp_path):
    """The labels are drawn for the frame alone, or for all of them."""
    frames = np.random.default_rng(0).integers(0, 99, (3, *GEOMETRY.shape_zyx), np.int16)
    scan, drawn = tmp_path / "cine.nii.gz", tmp_path / "drawn.nii.gz"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(frames, isVector=False), str(scan))
    every = np.zeros(frames.shape, np.uint8)
    every[1, 1, 1:3, 1:3] = 1
    every[2, 1, 2, 2] = 1
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(every, isVector=False), str(drawn))
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(every[1]), str(tmp_path / "one.nii.gz"))
    with pytest.raises(InputError, match="holds 3 frames: choose one with --frame"):
        add_case(folder, NewCase(scan, drawn, "A"), TABLE)
    second = add_case(folder, NewCase(scan, tmp_path / "one.nii.gz", "A", frame=1), TABLE)
    third = add_case(folder, NewCase(scan, drawn, "A", frame=2))
    assert (second.name, second.source) == ("cine-frame-1", "cine.nii.gz, frame 1")
    assert third.name == "cine-frame-2"
    assert (read_image(image_path(folder, second)).array[0] == frames[1]).all()
    assert [int(read_labelmap(label_path(folder, case)).array.sum()) for case in (second, third)] == [4, 1]


def test_one_person_is_one_patient_however_the_key_is_typed(folder, tmp_path):
    """Else the same person could be trained on and validated on: the second patient of a folder is."""
    add_scan(folder, tmp_path, patient="Müller 1")
    for seed, typed in enumerate((" Müller  1\n", "Mu\u0308ller 1"), 1):
        assert add_scan(folder, tmp_path, seed, patient=typed).patient == "Müller 1"
    with pytest.raises(InputError, match="There is a patient 'Müller 1' already: write 'MÜLLER 1' the same way"):
        add_scan(folder, tmp_path, 3, patient="MÜLLER 1")
    with pytest.raises(InputError, match="patient's key is empty"):
        add_scan(folder, tmp_path, 3, patient="  ")
    assert [patient.key for patient in read_case_list(folder).patients] == ["Müller 1"]


def test_a_key_that_a_folder_has_already_stays_as_it_is(folder, tmp_path):
    case = add_scan(folder, tmp_path)
    cases = tuple(replace(case, patient="A ") for case in (case,))
    write_cases(folder, cases, {"left": 1, "right": 2}, "MR")
    assert {add_scan(folder, tmp_path, seed, patient=typed).patient for seed, typed in ((1, "A "), (2, "A"))} == {"A "}


def test_a_key_is_found_among_those_that_differ_in_capitals_only(folder, tmp_path):
    """As a folder may hold that nobody kept from it."""
    first, second = (add_scan(folder, tmp_path, seed, patient=key) for seed, key in enumerate(("a", "B")))
    write_cases(folder, (first, replace(second, patient="A", split=first.split)), {"left": 1, "right": 2}, "MR")
    assert add_scan(folder, tmp_path, 2, patient=" A ").patient == "A"


def test_a_removed_case_leaves_no_earlier_labels_of_a_correction_that_was_stopped(folder, tmp_path):
    first = add_scan(folder, tmp_path)
    kept = earlier_label_path(folder, first)
    kept.parent.mkdir()
    kept.write_bytes(b"of a correction that was killed before it was listed")
    remove_case(folder, first.name)
    assert not kept.exists()


def test_what_is_no_case_is_refused_and_changes_nothing(folder, tmp_path):
    add_scan(folder, tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    shifted = Geometry(GEOMETRY.size, GEOMETRY.spacing, (8.0, -8.0, 9.0), GEOMETRY.direction)
    image, empty = scan_file(tmp_path, 1), labels_file(tmp_path, 0)
    refused = {
        "different grids": NewCase(image, labels_file(tmp_path, 1, shifted, "shifted"), "B"),
        "the value 7, which is none of 1, 2": NewCase(image, labels_file(tmp_path, 7), "B"),
        "labels are empty": NewCase(image, empty, "B"),
        "already as case scan-0 of patient A": NewCase(tmp_path / "scan 0.nii.gz", labels_file(tmp_path), "B"),
        "belongs to train for ever": NewCase(image, labels_file(tmp_path), "A", split="test"),
        "no slice 3: the labels have slices 0…2": NewCase(image, labels_file(tmp_path), "B", slices=(3,)),
    }
    for sentence, new in refused.items():
        with pytest.raises(InputError, match=sentence):
            add_case(folder, new)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_check_finds_what_was_spoiled_afterwards(folder, tmp_path):
    cases = [add_scan(folder, tmp_path, number, patient=f"P{number}") for number in range(4)]
    label_path(folder, cases[0]).unlink()
    image_path(folder, cases[2]).write_bytes(image_path(folder, cases[1]).read_bytes())
    write_labelmap(LabelMap(np.full(GEOMETRY.shape_zyx, 9, np.uint8), GEOMETRY), label_path(folder, cases[3]))
    problems = problems_of(folder, cases)
    assert [problem.split(":")[0] for problem in problems] == ["scan-0", "scan-2", "scan-3"]
    assert "same image as scan-1" in problems[1] and "the value 9" in problems[2]


def test_removing_takes_the_files_but_not_the_patient(folder, tmp_path):
    add_scan(folder, tmp_path, 0, "A")
    add_scan(folder, tmp_path, 0, "A", value=2)
    kept = add_scan(folder, tmp_path, 1, "B")
    (prepared_folder(folder, kept) / "key").mkdir(parents=True)
    (prepared_folder(folder, read_cases(folder)[0]) / "key").mkdir(parents=True)
    remove_case(folder, "scan-0")
    assert read_cases(folder) == (kept,)
    assert [patient.key for patient in read_case_list(folder).patients] == ["A", "B"]
    assert not [path for path in folder.rglob("*") if "scan-0" in path.name]
    assert prepared_folder(folder, kept).is_dir()
    with pytest.raises(InputError, match="no case scan-0"):
        remove_case(folder, "scan-0")


def test_a_folder_of_somebody_elses_gets_places_for_its_patients(folder, tmp_path):
    """cases.json as a recipe writes it: cases with splits, no patients."""
    case = add_scan(folder, tmp_path)
    write_cases(folder, [Case(case.name, "A", "test")], {"left": 1, "right": 2}, "MR")
    added = add_scan(folder, tmp_path, 1, "A")
    assert added.split == "test"


def test_two_processes_at_once_lose_nothing(folder, tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from MedSegDLTrainLib.case_folder import NewCase, add_case\n"
        "from MedSegDLLib.labels import Label, LabelTable\n"
        "table = LabelTable((Label(1, 'left', (200, 0, 0)),))\n"
        "folder, labels, *images = map(Path, sys.argv[1:])\n"
        "for image in images: add_case(folder, NewCase(image, labels, image.name), table)\n"
    )
    labels, images = labels_file(tmp_path), [scan_file(tmp_path, seed) for seed in range(12)]
    processes = [
        subprocess.Popen([sys.executable, "-c", program, folder, labels, *images[part::2]], stderr=subprocess.PIPE, text=True)
        for part in range(2)
    ]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0)] * 2
    document = read_case_list(folder)
    assert {case.name for case in document.cases} == {f"scan-{seed}" for seed in range(12)}
    assert len(document.patients) == 12
