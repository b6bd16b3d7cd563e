"""Prepared cases: labels stay where they are in the patient; the cache is whole, noticed when stale, never in the way."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import read_image, write_image
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.itk_files import image_from
from MedSegDLLib.model_card import Inference, NetworkSpec, Normalisation, Preprocessing
from MedSegDLLib.preprocess import preprocess, turn_for
from MedSegDLTrainLib.cases import IGNORE, Case, image_path, new_dataset, prepared_folder, write_case_labels, write_cases
from MedSegDLTrainLib.job import Optimisation, Sampling, TrainingJob
from MedSegDLTrainLib.prepared import (
    PreparedCase,
    index_of_classes,
    labels_of_job,
    prepared_cases,
    prepared_one_by_one,
    slice_table,
    training_preprocessing,
)

LABELS = {"left": 1, "right": 2, "other": 5}
CASES = (Case("a", "A", "train"), Case("b", "B", "train"))
ZSCORE = Normalisation("zscore")


def _rotation(degrees_z, degrees_x):
    c, s = np.cos(np.radians(degrees_z)), np.sin(np.radians(degrees_z))
    d, t = np.cos(np.radians(degrees_x)), np.sin(np.radians(degrees_x))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, d, -t], [0, t, d]])


OBLIQUE = _rotation(25, -35)
GRIDS = {
    "oblique": Geometry((24, 18, 12), (0.8, 1.1, 2.5), (-31.0, 12.5, 77.0), tuple(OBLIQUE.ravel())),
    "permuted": Geometry((12, 24, 18), (2.5, 0.8, 1.1), (4.0, -5.0, 6.0), tuple((OBLIQUE[:, [2, 0, 1]] * [1, -1, 1]).ravel())),
    "left-handed": Geometry((20, 22, 9), (1.0, 1.0, 3.0), (100.0, -40.0, 3.0), (-1, 0, 0, 0, 1, 0, 0, 0, 1)),
    "even": Geometry((16, 16, 8), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
}

LARGE = Geometry((48, 48, 40))  # its image and labels are mapped, not read


def _blobs(shape, seed=0):
    """Random boxes of every label and of IGNORE."""
    random, labels = np.random.default_rng(seed), np.zeros(shape, np.uint8)
    for value in (*LABELS.values(), IGNORE, 1, 2):
        start = [random.integers(0, size // 2) for size in shape]
        labels[tuple(slice(begin, begin + max(2, size // 2)) for begin, size in zip(start, shape, strict=True))] = value
    return labels


def _folder(path, geometry, cases=CASES, labels=None):
    for part in ("imagesTr", "labelsTr"):
        (path / part).mkdir(parents=True)
    write_cases(path, cases, LABELS, "MR")
    for seed, case in enumerate(cases):
        image = np.random.default_rng(seed).normal(200, 50, (1, *geometry.shape_zyx)).astype(np.float32)
        write_image(Image(image, geometry), image_path(path, case))
        _set_labels(path, case, geometry, _blobs(geometry.shape_zyx, seed) if labels is None else labels)
    return path


def _set_labels(path, case, geometry, array):
    write_case_labels(path, case, LabelMap(array, geometry), new_dataset(LABELS, "MR"))


def _job(spacing=(None, None, None), orientation="LPS", labels=(), classes=4, normalisation=ZSCORE):
    return TrainingJob(
        cases="cases",
        network=NetworkSpec("unet_3d", 1, classes),
        preprocessing=Preprocessing(orientation, spacing, normalisation),
        sampling=Sampling((8, 8, 8), 2, "uniform"),
        optimisation=Optimisation(0.01, 1),
        inference=Inference((8, 8, 8), "softmax"),
        loss="dice_and_cross_entropy",
        seed=0,
        labels=labels,
    )


def _silent(sentence):
    raise AssertionError(f"nothing was to be told, but: {sentence}")


def _prepared(folder, job, tell=_silent):
    return prepared_cases(folder, CASES[:1], job, tell)[0]


def _entries(folder, case=CASES[0]):
    return sorted(entry for entry in prepared_folder(folder, case).iterdir() if entry.name != ".lock")


@pytest.fixture
def folder(tmp_path):
    return _folder(tmp_path / "cases", GRIDS["oblique"])


def _nearest(labels, source, target):
    """SimpleITK's own nearest resampling; IGNORE + 1 outside of the source, and just between two of its voxels."""
    resampled = sitk.Resample(
        image_from(labels.astype(np.int16), source),
        image_from(np.zeros(target.shape_zyx, np.int16), target),
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
        IGNORE + 1,
    )
    index = np.moveaxis(np.indices(target.shape_zyx)[::-1], 0, -1)
    fraction = source.physical_to_index(target.index_to_physical(index)) % 1
    between = (np.abs(fraction - 0.5) < 1e-6).any(axis=-1)
    return np.where(between, IGNORE + 1, sitk.GetArrayFromImage(resampled))


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(
    ("orientation", "spacing"), [("RAS", (None, None, None)), ("SLA", (2.1, 2.3, None)), ("PIR", (3.7, 1.5, 4.3))]
)
def test_labels_lie_where_they_lay_in_the_patient(tmp_path, grid, orientation, spacing):
    source = GRIDS[grid]
    folder = _folder(tmp_path, source, CASES[:1])
    case = _prepared(folder, _job(spacing, orientation))
    turn = turn_for(source, orientation)
    target = source.permuted(turn.order, turn.flipped).resampled(case.spacing_zyx[::-1])
    assert case.image.shape[1:] == case.labels.shape == target.shape_zyx
    expected = _nearest(_blobs(source.shape_zyx), source, target)
    told = expected <= IGNORE
    classes = {0: 0, 1: 1, 2: 2, 5: 3, IGNORE: IGNORE}
    assert told.mean() > 0.2 and len(np.unique(expected[told])) >= 4
    assert np.array_equal(case.labels[told], np.vectorize(classes.get)(expected[told]))


def test_a_single_voxel_is_found_at_its_place_by_hand(tmp_path):
    """Turned from RAS-like to LPS, halved along x: x index 3 of 8 voxels of 1 mm becomes 7 − 3 = 4, in the pair 2."""
    source = Geometry((8, 4, 4), (1.0, 1.0, 1.0), (5.0, 6.0, 7.0), (-1, 0, 0, 0, -1, 0, 0, 0, 1))
    labels = np.zeros(source.shape_zyx, np.uint8)
    labels[2, 1, 2:4] = 2
    case = _prepared(_folder(tmp_path, source, labels=labels), _job((2.0, None, None)))
    assert np.argwhere(case.labels == 2).tolist() == [[2, 2, 2]]
    assert case.spacing_zyx == (1.0, 1.0, 2.0) and case.labels.shape == (4, 4, 4)


def test_the_image_is_what_users_images_become(folder):
    how = Preprocessing("RAS", (2.0, 2.2, None), Normalisation("zscore", percentiles=(1.0, 99.0)))
    case = _prepared(folder, _job(how.spacing, how.orientation, normalisation=how.normalisation))
    users = preprocess(read_image(image_path(folder, CASES[0])), how)
    assert np.array_equal(case.image, users.array) and case.image.dtype == np.float32
    assert case.spacing_zyx == (2.5, 2.2, 2.0)


def test_axes_keep_their_own_spacing_unless_they_are_much_finer():
    geometry = Geometry((8, 8, 8), (0.5, 0.8, 3.0))
    how = Preprocessing("LPS", (1.0, 1.0, 1.0), ZSCORE)
    assert training_preprocessing(geometry, how).spacing == (1.0, None, None)
    assert training_preprocessing(geometry, replace(how, spacing=(None, 1.1, None))).spacing == (None, 1.1, None)
    turned = geometry.permuted((2, 0, 1), (False, True, False))
    assert training_preprocessing(turned, how).spacing == (1.0, None, None)
    assert training_preprocessing(geometry, replace(how, orientation="slices")).spacing == (1.0, None, None)


def test_classes_are_the_labels_of_the_job_in_its_order(folder):
    everything = _prepared(folder, _job())
    chosen = _prepared(folder, _job(labels=("other", "left"), classes=3))
    for old, new in ((0, 0), (1, 2), (2, 0), (3, 1), (IGNORE, IGNORE)):
        there = everything.labels == old
        assert there.any() and (chosen.labels[there] == new).all()


def test_labels_that_do_not_fit_are_sentences(folder):
    dataset = new_dataset({"b": 2, "a": 1}, "MR")
    assert labels_of_job(_job(classes=3), dataset) == ("a", "b")
    with pytest.raises(InputError, match="no label 'heart'; its labels are 'left', 'right', 'other'"):
        _prepared(folder, _job(labels=("heart",), classes=2))
    with pytest.raises(InputError, match=r"has 3 labels \('left', 'right', 'other'\), but the network tells 1 apart"):
        _prepared(folder, _job(classes=1))


def test_voxels_of_the_classes_are_indexed():
    labels = np.array([[[0, 3, IGNORE], [1, 3, 1]], [[3, 0, 0], [1, IGNORE, 0]]], np.uint8)
    positions, starts = index_of_classes(labels, 4)
    assert positions.tolist() == [3, 5, 9, 1, 4, 6] and starts.tolist() == [0, 0, 3, 3, 6, 6]
    assert [np.unique(labels.ravel()[positions[a:b]]).tolist() for a, b in ((0, 3), (3, 6))] == [[1], [3]]


def test_the_table_of_slices_by_hand():
    labels = np.full((4, 3, 5), IGNORE, np.uint8)
    labels[1], labels[2:] = 0, 0
    labels[2, 0:2, 1:4], labels[3, 2, 4] = 2, 1
    labels[2, 0, 0] = IGNORE
    table = slice_table(labels)
    assert table["annotated"].tolist() == [False, True, True, True]
    assert table["foreground"].tolist() == [0, 0, 6, 1]
    assert table["centre_yx"][2:].tolist() == [[0.5, 2.0], [2.0, 4.0]] and np.isnan(table["centre_yx"][:2]).all()


def test_what_cannot_be_trained_on_is_a_sentence_that_names_the_case(folder):
    grid = GRIDS["oblique"]
    shifted = Geometry(grid.size, grid.spacing, (0.0, 0.0, 0.0), grid.direction)
    _set_labels(folder, CASES[0], shifted, _blobs(grid.shape_zyx))
    with pytest.raises(InputError, match="of 'a' lie on different grids: export the segmentation"):
        _prepared(folder, _job())
    _set_labels(folder, CASES[0], grid, np.full(grid.shape_zyx, IGNORE, np.uint8))
    with pytest.raises(InputError, match="Nobody has annotated anything in case a"):
        _prepared(folder, _job())
    with pytest.raises(InputError, match=r"case b has 1 channel\(s\), but the network 2"):
        prepared_cases(folder, CASES[1:], replace(_job(), network=NetworkSpec("unet_3d", 2, 4)), _silent)


def _same(one, other):
    arrays = ("image", "labels", "positions", "starts", "slices")
    assert all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "image") for name in arrays[:-1])
    assert one.slices.tobytes() == other.slices.tobytes()
    assert (one.name, one.patient, one.spacing_zyx) == (other.name, other.patient, other.spacing_zyx)


def test_the_second_time_nothing_is_prepared(folder, monkeypatch):
    first = prepared_cases(folder, CASES, _job(), _silent)
    monkeypatch.setattr("MedSegDLTrainLib.prepared.preprocess", None)
    for before, now in zip(first, prepared_cases(folder, CASES, _job(), _silent), strict=True):
        _same(before, now)
        assert not (now.image.flags.writeable or now.labels.flags.writeable)


def test_cases_come_one_by_one(folder):
    cases = prepared_one_by_one(folder, CASES, _job(), _silent)
    assert next(cases).name == "a" and not prepared_folder(folder, CASES[1]).exists()


def test_changed_labels_image_and_settings_are_noticed(folder):
    before = _prepared(folder, _job())
    labels = _blobs(GRIDS["oblique"].shape_zyx, 7)
    _set_labels(folder, CASES[0], GRIDS["oblique"], labels)
    corrected = _prepared(folder, _job())
    assert not np.array_equal(corrected.labels, before.labels) and np.array_equal(corrected.image, before.image)
    assert [entry.name for entry in _entries(folder)] == [corrected.entry.name]
    shutil.copy(image_path(folder, CASES[1]), image_path(folder, CASES[0]))
    assert not np.array_equal(_prepared(folder, _job()).image, before.image)
    window = _prepared(folder, _job(normalisation=Normalisation("window", window=(0.0, 1000.0))))
    assert window.image.max() < 1 and len(_entries(folder)) == 2


def test_the_three_settings_used_last_are_kept(tmp_path):
    folder = _folder(tmp_path, LARGE, CASES[:1])
    window = [Normalisation("window", window=(0.0, high)) for high in (100.0, 200.0, 300.0, 400.0)]
    first, second, third = (_prepared(folder, _job(normalisation=how)) for how in window[:3])
    _prepared(folder, _job(normalisation=window[0]))
    fourth = _prepared(folder, _job(normalisation=window[3]))
    assert _entries(folder) == sorted(case.entry for case in (first, third, fourth))
    assert 0 < second.image.mean() < 1  # what a running training has mapped stays readable


def test_a_correction_in_the_middle_of_preparing_is_prepared_too(folder, monkeypatch):
    changed = _blobs(GRIDS["oblique"].shape_zyx, 9)
    changes = iter([lambda: _set_labels(folder, CASES[0], GRIDS["oblique"], changed), lambda: None])

    def corrected_meanwhile(*arguments):
        next(changes)()
        return preprocess(*arguments)

    monkeypatch.setattr("MedSegDLTrainLib.prepared.preprocess", corrected_meanwhile)
    case = _prepared(folder, _job())
    assert (case.labels == IGNORE).sum() == (changed == IGNORE).sum()
    _same(case, _prepared(folder, _job()))


@pytest.mark.parametrize("name", ["image.npy", "labels.npy", "positions.npy", "starts.npy", "slices.npy", "about.json"])
def test_a_damaged_entry_is_made_again(tmp_path, name):
    folder = _folder(tmp_path, LARGE, CASES[:1])
    before = _prepared(folder, _job())
    file = before.entry / name
    whole = file.read_bytes()
    for damaged in (b"", whole[:5], whole[: len(whole) // 2], whole[:-1]):
        file.unlink()  # mapped by `before`, which goes on
        file.write_bytes(damaged)
        _same(before, _prepared(folder, _job()))
        assert file.read_bytes() == whole
    file.unlink()
    _same(before, _prepared(folder, _job()))


def test_an_array_of_another_shape_is_made_again(folder):
    before = _prepared(folder, _job())
    np.save(before.entry / "labels.npy", before.labels[1:])
    assert _prepared(folder, _job()).labels.shape == before.image.shape[1:]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_full_disk_is_told_once_and_leaves_what_was_there(folder):
    """The limit of a file's size stands for a full disk: both end in the middle of writing."""
    program = (
        "import json, resource, signal, sys; from pathlib import Path\n"
        "from Testing.training.test_prepared import CASES, _job, prepared_cases\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "told = []\n"
        "cases = prepared_cases(Path(sys.argv[1]), CASES, _job((2.0, 2.0, 2.0)), told.append)\n"
        "print(json.dumps([told, [case.entry is None for case in cases], float(cases[0].image.std())]))\n"
    )
    before = _prepared(folder, _job())
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = subprocess.run([sys.executable, "-c", program, folder], env=_environment(), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    told, in_memory, deviation = json.loads(result.stdout)
    assert in_memory == [True, True] and abs(deviation - 1) < 1e-5
    assert len(told) == 1 and "cannot be kept" in told[0] and told[0].endswith("They are held in memory instead.")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == files
    _same(before, _prepared(folder, _job()))


def test_where_nothing_can_be_written_cases_are_held_in_memory(folder):
    (folder / ".prepared").write_text("a file where the folder should be", encoding="utf-8")
    told = []
    held = prepared_cases(folder, CASES, _job(), told.append)
    assert [case.entry for case in held] == [None, None] and len(told) == 1
    (folder / ".prepared").unlink()
    _same(held[0], _prepared(folder, _job()))


def _environment():
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}


def test_pickling_carries_the_place_and_not_the_arrays(folder):
    case = _prepared(folder, _job())
    carried = pickle.dumps(case)
    assert len(carried) < 500
    _same(case, pickle.loads(carried))
    shutil.rmtree(case.entry)
    with pytest.raises(InputError, match=r"prepared case a in .* has gone or is damaged"):
        pickle.loads(carried)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_small_limit_of_open_files_is_no_limit_of_cases(tmp_path):
    import resource

    carried = pickle.dumps(_prepared(_folder(tmp_path, LARGE, CASES[:1]), _job()))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        assert len([pickle.loads(carried) for _ in range(200)]) == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_case_without_any_label_is_kept_too(folder):
    _set_labels(folder, CASES[0], GRIDS["oblique"], np.zeros(GRIDS["oblique"].shape_zyx, np.uint8))
    first = _prepared(folder, _job())
    assert len(first.positions) == 0 and first.starts.tolist() == [0] * 5 and not first.slices["foreground"].any()
    _same(first, _prepared(folder, _job()))


def test_a_case_in_memory_is_pickled_whole(folder):
    case = _prepared(folder, _job())
    held = PreparedCase("x", "X", case.image, case.labels, case.spacing_zyx, case.positions, case.starts)
    _same(replace(case, name="x", patient="X"), pickle.loads(pickle.dumps(held)))


def test_many_processes_at_once_end_well(folder):
    """They begin together, on whole cases and on a damaged one."""
    (_prepared(folder, _job()).entry / "labels.npy").write_bytes(b"")
    program = (
        "import sys; from pathlib import Path\n"
        "from Testing.training.test_prepared import CASES, _job, _silent, prepared_cases\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
        "print([int(case.labels.sum()) for case in prepared_cases(Path(sys.argv[1]), CASES, _job(), _silent)])\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", program, folder], env=_environment(), **pipes) for _ in range(3)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
    for process in processes:
        process.stdin.close()
    told = {process.stdout.read() for process in processes}
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert told == {f"{[int(case.labels.sum()) for case in prepared_cases(folder, CASES, _job(), _silent)]}\n"}
    assert [len(_entries(folder, case)) for case in CASES] == [1, 1]
