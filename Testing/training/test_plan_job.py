"""Whole plans on small case folders, with made-up times."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from MedSegDLLib.errors import DeviceError, InputError, ModelError, OutputError
from MedSegDLLib.files import write_image
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.labels import Label, LabelTable, write_label_table
from MedSegDLLib.model_card import JOB_FILE
from MedSegDLTrainLib.cases import (
    Case,
    CaseList,
    image_path,
    new_dataset,
    read_dataset,
    write_case_labels,
    write_case_list,
    write_cases,
)
from MedSegDLTrainLib.job import read_job, write_job
from MedSegDLTrainLib.planning.job import path_from, planned_job
from MedSegDLTrainLib.planning.wishes import Wishes
from MedSegDLTrainLib.splits import Patient
from Testing.engine.small_model import write_model
from Testing.training.conftest import write_square_case
from Testing.training.plan_examples import machine

FAST = machine(0.1)


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A folder for models with the labels left and right."""
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "zoo"))
    return tmp_path / "zoo"


@pytest.fixture
def volumes(tmp_path):
    """Three CT volumes of 48 × 48 × 32 voxels with six boxes."""
    folder = tmp_path / "volumes"
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    table = {f"bone {number}": number for number in range(1, 7)}
    labels = np.zeros((32, 48, 48), np.uint8)
    for number in range(6):
        labels[8:24, 4 + 7 * number : 10 + 7 * number, 10:40] = number + 1
    geometry = Geometry((48, 48, 32), (1.0, 1.0, 1.5))
    cases = [Case(name, name, "validation" if name == "c" else "train") for name in "abc"]
    for case in cases:
        write_image(Image((100.0 * labels[None]).astype(np.float32), geometry), image_path(folder, case))
        write_case_labels(folder, case, LabelMap(labels, geometry), new_dataset(table, "CT"))
    write_cases(folder, cases, table, "CT")
    return folder


def every_reason_names_a_setting(job):
    for name in job.reasons:
        value = job
        for part in name.split("."):
            value = getattr(value, part)


def test_slices_with_one_label(case_folder, tmp_path):
    job = planned_job(case_folder, tmp_path / "job.json", Wishes(network="unet_2d", seed=7), FAST)
    assert (job.network.key, job.network.out_channels, job.inference.activation) == ("unet_2d", 1, "sigmoid")
    assert job.labels == ("square",) and job.seed == 7 and job.start_from == ""
    assert (job.preprocessing.orientation, job.preprocessing.spacing) == ("slices", (2.0, 2.0, None))
    assert job.sampling.patch_size == job.inference.patch_size == (20, 24, 1)  # the whole image, in whole 4
    assert job.network.numbers["features_per_stage"] == (32, 64, 128) and job.sampling.batch_size == 24
    assert job.sampling.empty_slice_fraction == 0.25  # one slice of three
    assert (job.augmentation.right_angles, job.inference.mirror_axes) == (True, "xy")
    assert (job.optimisation.epochs, job.optimisation.steps_per_epoch, job.optimisation.minutes) == (40, 250, None)
    assert (
        job.reasons["optimisation.epochs"] == "10,000 steps, about 21 minutes with validation: a step took 0.1 s on a machine"
    )
    assert job.reasons["validation.fold"].endswith(
        "set fold to 0 (leaves 1 case of 1 patient out), or name some of the patients in patients, or add cases of another "
        "patient with --split validation"
    )
    every_reason_names_a_setting(job)


def test_a_single_patient_is_not_advised_to_leave_somebody_out(case_folder, tmp_path):
    """Patient A is in fold 1; whoever took fold 0 and whoever is held out are no help."""
    alone = Case("a", "A", "train")
    write_cases(case_folder, [alone, Case("c", "C", "test")], {"square": 1}, "MR")
    job = planned_job(case_folder, tmp_path / "job.json", Wishes(network="unet_2d"), FAST)
    why = job.reasons["validation.fold"]
    assert why.endswith("the last ones are kept: add cases of another patient with --split validation")


def test_the_fold_that_is_advised_holds_somebody(case_folder, tmp_path):
    """The second patient, who has fold 0, has left."""
    write_square_case(case_folder, Case("d", "D", "train"), 5)
    places = (Patient("A", "train", 1), Patient("B", "train", 0), Patient("D", "train", 2))
    document = CaseList((Case("a", "A", "train"), Case("d", "D", "train")), places)
    write_case_list(case_folder, document, read_dataset(case_folder))
    job = planned_job(case_folder, tmp_path / "job.json", Wishes(network="unet_2d"), FAST)
    assert "set fold to 1 (leaves 1 case of 1 patient out)" in job.reasons["validation.fold"]


def test_volumes_with_many_labels(volumes, tmp_path):
    job = planned_job(volumes, tmp_path / "job.json", Wishes(network="no_new_net"), FAST)
    assert (job.network.out_channels, job.inference.activation) == (7, "softmax")
    assert job.preprocessing.normalisation.window == (100, 600)
    assert job.sampling.sampler == "balanced" and job.loss == "dice_of_all_classes_and_cross_entropy"
    assert job.sampling.patch_size == (48, 48, 32)
    assert (job.optimisation.epochs, job.optimisation.learning_rate) == (20, 1e-3)
    assert job.reasons["validation.fold"] == "the best weights are told by 1 case of 1 patient of the split validation"
    every_reason_names_a_setting(job)


def test_minutes_choose_the_network_and_the_run_decides_how_long(case_folder, tmp_path):
    def seconds(trial):
        return 0.03 * trial.network.numbers["features_per_stage"][0]

    job = planned_job(case_folder, tmp_path / "job.json", Wishes(network="unet_2d", minutes=25), machine(seconds))
    # 2,000 steps in 0.8 · 25 minutes are 0.6 s a step: 16 features take 0.48 s, 24 would take 0.72 s
    assert job.network.numbers["features_per_stage"][0] == 16
    assert (job.optimisation.minutes, job.optimisation.epochs) == (25, 10)  # 2,500 steps
    assert "a first guess of what fits into 25 minutes" in job.reasons["optimisation.epochs"]
    short = planned_job(case_folder, tmp_path / "short.json", Wishes(network="unet_2d", minutes=1), machine(seconds))
    assert "a first guess of what fits into 60 s" in short.reasons["optimisation.epochs"]


def test_a_short_run_has_short_epochs(case_folder, tmp_path):
    job = planned_job(case_folder, tmp_path / "job.json", Wishes(network="unet_2d", minutes=1), machine(1.0))
    assert (job.optimisation.steps_per_epoch, job.optimisation.epochs) == (10, 4)  # 48 steps
    assert "do not fit: allow more time" in job.reasons["network"]


def test_epochs_win_over_minutes(case_folder, tmp_path):
    wishes = Wishes(network="unet_2d", epochs=3, steps_per_epoch=20, minutes=5)
    job = planned_job(case_folder, tmp_path / "job.json", wishes, FAST)
    assert (job.optimisation.epochs, job.optimisation.steps_per_epoch, job.optimisation.minutes) == (3, 20, None)
    assert job.reasons["optimisation.epochs"].startswith("60 steps")


def test_a_short_try_gets_no_larger_network_than_a_usual_run(case_folder, tmp_path):
    slow = machine(lambda trial: 0.03 * trial.network.numbers["features_per_stage"][0])  # 10,000 steps in 2 hours: 0.58 s
    jobs = [planned_job(case_folder, tmp_path / "job.json", Wishes(network="unet_2d", epochs=n), slow) for n in (1, 40, 400)]
    assert [job.network.numbers["features_per_stage"][0] for job in jobs] == [16, 16, 16]


def test_the_plan_is_read_back_and_moves_with_its_cases(case_folder, tmp_path):
    output = tmp_path / "jobs" / "job.json"
    output.parent.mkdir()
    job = planned_job(case_folder, output, Wishes(network="unet_2d"), FAST)
    write_job(job, output)
    assert read_job(output) == job and job.cases == "../cases"


def test_another_drive_has_no_way_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr("os.path.relpath", lambda *paths: (_ for _ in ()).throw(ValueError("path is on mount 'D:'")))
    assert path_from(tmp_path / "job.json", tmp_path / "cases") == str((tmp_path / "cases").resolve())


def test_going_on_from_a_model_with_other_labels(zoo, case_folder, tmp_path):
    write_model(zoo, postprocessing={"largest_component": ["left"]}, modality="CT")
    job = planned_job(case_folder, tmp_path / "job.json", Wishes(like="small"), FAST)
    assert (job.start_from, job.labels) == ("small", ("square",))
    assert job.network.numbers == {"features_per_stage": (4, 8)}
    assert (job.network.out_channels, job.inference.activation) == (1, "sigmoid")
    assert job.postprocessing.largest_component == ()
    assert job.sampling.patch_size == job.inference.patch_size == (16, 16, 1) and job.sampling.batch_size == 12
    assert (job.optimisation.epochs, job.optimisation.learning_rate) == (8, 5e-4)
    assert job.reasons["labels"].startswith("those of the case folder (new: square; no longer: left, right)")
    assert job.reasons["preprocessing"].endswith("CAREFUL: small was made for CT, these cases are MR")
    every_reason_names_a_setting(job)


def test_going_on_with_the_models_labels_keeps_their_order_and_activation(zoo, case_folder, tmp_path):
    write_model(zoo)
    cases = [Case("a", "A", "train"), Case("b", "B", "train")]
    write_cases(case_folder, cases, {"right": 1, "left": 2}, "MR")
    job = planned_job(case_folder, tmp_path / "job.json", Wishes(like="small"), FAST)
    assert job.labels == ("left", "right")
    assert (job.network.out_channels, job.inference.activation) == (3, "softmax")
    assert "NO training case has 'left': it cannot be learnt" in job.reasons["labels"]
    assert not job.augmentation.right_angles  # the card does not mirror


def test_one_label_of_a_model_that_says_softmax_stays_softmax(zoo, case_folder, tmp_path):
    network = {"key": "unet_2d", "in_channels": 1, "out_channels": 2, "numbers": {"features_per_stage": [4, 8]}}
    folder = write_model(zoo, network=network)
    write_label_table(LabelTable((Label(1, "square", (9, 9, 9)),)), folder / "labels.csv")
    job = planned_job(case_folder, tmp_path / "job.json", Wishes(like="small"), FAST)
    assert (job.network.out_channels, job.inference.activation) == (2, "softmax")


def with_job(zoo, job_file, **augmentation):
    """The model small with the job of the fixture as its own."""
    folder = write_model(zoo)
    document = json.loads(job_file.read_text(encoding="utf-8"))
    document["augmentation"] |= augmentation
    (folder / JOB_FILE).write_text(json.dumps(document), encoding="utf-8")


def test_the_models_own_job_is_gone_on_with(zoo, case_folder, job_file, tmp_path):
    with_job(zoo, job_file)
    former = read_job(job_file)
    job = planned_job(case_folder, tmp_path / "new.json", Wishes(like="small"), FAST)
    assert job.augmentation == former.augmentation and job.loss == former.loss
    assert job.sampling == replace(former.sampling, empty_slice_fraction=0.25)  # the new cases say how many are empty
    assert job.optimisation.learning_rate == pytest.approx(former.optimisation.learning_rate / 4)
    assert job.optimisation.clip_norm == former.optimisation.clip_norm
    assert job.reasons["optimisation.learning_rate"] == "a quarter of 0.01: trained weights need to move little"


def test_new_labels_with_sides_end_the_models_mirror_images(zoo, case_folder, job_file, tmp_path):
    with_job(zoo, job_file)
    write_cases(case_folder, [Case("a", "A", "train")], {"left kidney": 1}, "MR")
    job = planned_job(case_folder, tmp_path / "new.json", Wishes(like="small"), FAST)
    assert (job.augmentation.flips, job.augmentation.right_angles, job.inference.mirror_axes) == ("", False, "")
    assert "the new label 'left kidney'" in job.reasons["augmentation.flips"]


def test_a_job_of_an_earlier_format_is_left_aside(zoo, case_folder, tmp_path):
    (write_model(zoo) / JOB_FILE).write_text('{"steps": 9000}', encoding="utf-8")
    assert planned_job(case_folder, tmp_path / "new.json", Wishes(like="small"), FAST).optimisation.learning_rate == 5e-4


def test_a_model_gets_a_smaller_batch_for_more_steps_and_a_smaller_patch_for_want_of_memory_only(zoo, case_folder, tmp_path):
    write_model(zoo, inference={"patch_size": [256, 256, 1], "activation": "softmax"})
    slow = machine(lambda trial: 0.05 * trial.batch_size)  # 2,000 steps in 30 minutes: 0.72 s a step, if there are no minutes
    job = planned_job(case_folder, tmp_path / "job.json", Wishes(like="small", minutes=5), slow)
    assert (job.sampling.batch_size, job.sampling.patch_size) == (6, (256, 256, 1))  # 500 in 5: 0.48 s
    scarce = machine(0.1, free=1000, needed=lambda trial: trial.patch_size[0] * trial.batch_size)
    job = planned_job(case_folder, tmp_path / "job.json", Wishes(like="small"), scarce)  # 600 may be used
    assert (job.sampling.batch_size, job.sampling.patch_size) == (3, (192, 192, 1))
    assert job.inference.patch_size == (256, 256, 1)


def test_what_cannot_be_planned_is_a_sentence(zoo, case_folder, tmp_path):
    write_model(zoo)
    output = tmp_path / "job.json"
    for wishes, error, words in (
        (Wishes(like="unknown"), ModelError, "There is no model 'unknown'"),
        (Wishes(network="unknown"), InputError, "There is no network 'unknown'"),
        (Wishes(network="unet_2d", epochs=0), InputError, "--epochs 0 must be more than 0"),
        (Wishes(network="unet_2d", minutes=math.nan), InputError, "--minutes nan must be more than 0"),
        (Wishes(network="unet_2d", steps_per_epoch=-1), InputError, "--steps-per-epoch -1 must be more than 0"),
        (Wishes(network="unet_2d", seed=-1), InputError, "seed -1"),
    ):
        with pytest.raises(error, match=words):
            planned_job(case_folder, output, wishes, FAST)
    with pytest.raises(DeviceError, match="Not even"):
        planned_job(case_folder, output, Wishes(network="unet_2d"), machine(math.inf))
    with pytest.raises(InputError, match=r"cases\.json cannot be read"):
        planned_job(tmp_path, output, Wishes(network="unet_2d"), FAST)


def test_a_model_of_several_channels_is_refused(zoo, case_folder, tmp_path):
    network = {"key": "unet_2d", "in_channels": 3, "out_channels": 3, "numbers": {"features_per_stage": [4, 8]}}
    write_model(zoo, network=network)
    with pytest.raises(InputError, match="takes 3 channels, but a case has one"):
        planned_job(case_folder, tmp_path / "job.json", Wishes(like="small"), FAST)


def test_nothing_is_written_over(case_folder, tmp_path):
    (tmp_path / "job.json").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="is there already"):
        planned_job(case_folder, tmp_path / "job.json", Wishes(network="unet_2d"), FAST)


@pytest.mark.parametrize("wishes", [Wishes(network="unet_2d"), Wishes(like="small")])
def test_cases_without_any_label_teach_nothing(zoo, case_folder, tmp_path, wishes):
    write_model(zoo)
    for name in "ab":
        labels = LabelMap(np.zeros((3, 24, 20), np.uint8), Geometry((20, 24, 3), (2.0, 2.0, 8.0)))
        write_case_labels(case_folder, Case(name, name, "train"), labels, new_dataset({"square": 1}, "MR"))
    with pytest.raises(InputError, match="no training case with a label"):
        planned_job(case_folder, tmp_path / "job.json", wishes, FAST)
