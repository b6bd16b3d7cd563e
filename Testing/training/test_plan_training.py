"""Samplers, losses, augmentation and optimisers for what is in the cases."""

from dataclasses import replace

import pytest

from MedSegDLTrainLib.job import Augmentation, TrainingJob
from MedSegDLTrainLib.losses import LOSSES
from MedSegDLTrainLib.optimizers import OPTIMIZERS
from MedSegDLTrainLib.planning.training import (
    empty_slices,
    mirror_axes,
    planned_augmentation,
    planned_loss,
    planned_optimisation,
    planned_sampling,
    side_names,
)
from MedSegDLTrainLib.samplers import SAMPLERS
from MedSegDLTrainLib.schedules import SCHEDULES
from Testing.training.plan_examples import facts, fingerprint

MANY = tuple("abcdef")


@pytest.mark.parametrize(
    "labels, patch, sampler", [(("a",), 1, "slices"), (MANY, 1, "slices"), (("a",), 64, "foreground"), (MANY, 64, "balanced")]
)
def test_the_sampler_follows_dimensions_and_labels(labels, patch, sampler):
    found = fingerprint(facts(voxels=(10,) * len(labels)), labels=labels)
    sampling, reasons = planned_sampling(found, (64, 64, patch), 2, (1.0, 1.0, 3.0))
    assert sampling.sampler == sampler and sampler in SAMPLERS and reasons["sampling.sampler"]
    assert (sampling.patch_size, sampling.batch_size) == ((64, 64, patch), 2)


def test_the_centre_of_the_labels_stays_within_the_patch():
    sampling, _ = planned_sampling(fingerprint(), (128, 96, 1), 2, (2.0, 2.0, None))
    assert sampling.jitter_mm == 58  # 0.3 of 96 pixels of 2 mm
    assert planned_sampling(fingerprint(), (128, 96, 1), 2, (None, None, None))[0].jitter_mm == 29  # the images' own 1 mm


def test_slices_without_a_label_are_as_frequent_as_they_are_but_not_most():
    assert empty_slices(fingerprint(facts()))[0] == 0
    assert empty_slices(fingerprint(facts(empty=4), facts()))[0] == 0.05  # 4 of 80
    assert empty_slices(fingerprint(facts(empty=30)))[0] == 0.25
    assert empty_slices(fingerprint(facts(empty=1), *[facts()] * 9))[0] == 0.01
    assert empty_slices(fingerprint(facts(), facts(split="validation", empty=9)))[0] == 0


def test_partly_annotated_cases_are_said():
    partly = replace(facts(), annotated_slices=10)
    _, reasons = planned_sampling(fingerprint(partly, facts()), (64, 64, 1), 2, (1.0, 1.0, None))
    assert reasons["sampling.sampler"].endswith("only the annotated slices of 1 partly annotated case")


@pytest.mark.parametrize(
    "count, loss", [(1, "dice_and_cross_entropy"), (5, "dice_and_cross_entropy"), (6, "dice_of_all_classes_and_cross_entropy")]
)
def test_many_labels_have_schniders_loss(count, loss):
    assert planned_loss(MANY[:count])[0] == loss and loss in LOSSES


def test_names_of_sides():
    names = ("left kidney", "Kidney_R", "rib-L-5", "RightLung", "heart", "L3", "bright spot", "liver", "cleft")
    assert side_names(names) == ["left kidney", "Kidney_R", "rib-L-5", "RightLung"]


def test_chambers_of_the_heart_have_shapes_of_their_own():
    assert side_names(("left ventricular cavity", "right ventricle", "left atrium", "left lung")) == ["left lung"]


def test_ct_numbers_change_little_and_mr_has_coils():
    ct, _ = planned_augmentation(fingerprint(modality="CT"), 3, ("heart",))
    mr, _ = planned_augmentation(fingerprint(), 3, ("heart",))
    assert ct.bias_field == ct.curve == 0 < mr.bias_field
    assert mr.gamma[0] < ct.gamma[0] and ct.gamma[1] < mr.gamma[1]
    assert planned_augmentation(fingerprint(modality="US"), 2, ("heart",))[0].bias_field == 0


def test_mirror_images_only_where_no_label_tells_sides():
    volume, _ = planned_augmentation(fingerprint(), 3, ("heart",))
    slices, _ = planned_augmentation(fingerprint(), 2, ("heart",))
    assert (volume.flips, volume.right_angles, mirror_axes(volume)[0]) == ("xyz", False, "xyz")
    assert (slices.flips, slices.right_angles, mirror_axes(slices)[0]) == ("", True, "xy")
    assert (volume.tilt_degrees, slices.tilt_degrees) == (15, 0)
    sided, reasons = planned_augmentation(fingerprint(), 3, ("heart", "left lung"))
    assert (sided.flips, sided.right_angles, mirror_axes(sided)[0]) == ("", False, "")
    assert "'left lung' tells left from right" in reasons["augmentation.flips"]


def test_deformations_follow_the_size_of_the_anatomy():
    assert planned_augmentation(fingerprint(), 2, ("heart",))[0].elastic_mm == 1.6  # 4 % of 40 mm
    assert planned_augmentation(fingerprint(facts(extent=(400.0,) * 3)), 3, ("heart",))[0].elastic_mm == 4


def test_trained_weights_get_milder_changes():
    usual, _ = planned_augmentation(fingerprint(), 3, ("heart",))
    mild, reasons = planned_augmentation(fingerprint(), 3, ("heart",), mild=True)
    assert "milder" in reasons["augmentation"] and mild.rotation_degrees == usual.rotation_degrees / 2
    for low_high in ("scale", "gamma", "contrast"):
        low, high = getattr(mild, low_high)
        assert getattr(usual, low_high)[0] < low < 1 < high < getattr(usual, low_high)[1]


def test_short_runs_rise_and_fall_once_and_long_ones_are_nnunets():
    short, _ = planned_optimisation(10_000, 2)
    assert (short.optimizer, short.schedule, short.learning_rate, short.average_decay) == ("adamw", "one_cycle", 2e-3, 0.999)
    assert planned_optimisation(2000, 3)[0].learning_rate == 1e-3
    assert planned_optimisation(2000, 3)[0].average_decay == 0.995  # a mean of 200 steps
    long, _ = planned_optimisation(100_000, 3)
    assert (long.optimizer, long.schedule, long.momentum, long.nesterov) == ("sgd", "polynomial", 0.99, True)
    assert {short.optimizer, long.optimizer} <= OPTIMIZERS.keys() and {short.schedule, long.schedule} <= SCHEDULES.keys()


def test_reasons_name_settings_that_there_are():
    parts = (
        planned_sampling(fingerprint(), (64, 64, 1), 2, (1.0, 1.0, None)),
        planned_augmentation(fingerprint(), 2, ("a",)),
        planned_optimisation(9, 2),
    )
    for value, reasons in parts:
        for name in reasons:
            section, _, setting = name.partition(".")
            assert section in TrainingJob.__dataclass_fields__ and (not setting or hasattr(value, setting))
    assert isinstance(parts[1][0], Augmentation)
