"""The largest that fits, with made-up times."""

import math
from dataclasses import replace

import pytest

from MedSegDLLib.errors import DeviceError
from MedSegDLTrainLib.planning.cost import Trial
from MedSegDLTrainLib.planning.fit import Budget, fitting, time_text
from MedSegDLTrainLib.planning.network import network_of
from Testing.training.plan_examples import machine

BUDGET = Budget(1000, 10)  # 0.8 · 600 s / 1000 steps = 0.48 s a step


def ladder(patch=64):
    return [Trial(network_of("unet_2d", 1, width, 3), (patch, patch, 1), 2, "dice") for width in (8, 16, 32)]


def by_width(**seconds):
    """Seconds a step of widths w8, w16, w32; patches smaller than 64 are four times as fast."""
    return lambda trial: seconds[f"w{trial.network.numbers['features_per_stage'][0]}"] * (trial.patch_size[0] / 64) ** 2


def test_a_step_may_take_its_share_of_four_fifths_of_the_time():
    assert BUDGET.seconds_per_step == pytest.approx(0.48)
    assert BUDGET.words == "1,000 steps in 10 minutes (0.48 s a step)"


def test_the_largest_that_fits_is_taken():
    fit = fitting([ladder()], machine(by_width(w8=0.1, w16=0.4, w32=0.9)), BUDGET)
    assert fit.trial == ladder()[1] and fit.seconds == 0.4
    assert fit.why == "1,000 steps in 10 minutes (0.48 s a step) fit; width 32, 2 × 64×64 would take 0.9 s"


def test_nothing_larger_is_tried_than_there_is():
    fit = fitting([ladder()], machine(0.1), BUDGET)
    assert fit.trial == ladder()[2] and fit.why.startswith("the largest that is tried")


def test_a_smaller_patch_is_taken_where_the_smallest_network_is_too_slow():
    fit = fitting([ladder(64), ladder(32)], machine(by_width(w8=1.2, w16=1.6, w32=3.0)), BUDGET)
    assert (fit.trial, fit.seconds) == (ladder(32)[1], 0.4)
    assert fit.why.startswith("width 8, 2 × 64×64 takes 1.2 s; ")


def test_the_smallest_is_taken_where_nothing_fits_and_numbers_say_so():
    fit = fitting([ladder(64), ladder(32)], machine(4.0), BUDGET)
    assert fit.trial == ladder(32)[0] and fit.seconds == 4.0
    assert fit.why.endswith("the smallest that is tried; 1,000 steps in 10 minutes (0.48 s a step) do not fit: allow more time")


def test_memory_ends_the_climb():
    needed = {8: 100, 16: 700, 32: 5000}
    scarce = machine(0.1, free=1000 << 20, needed=lambda t: needed[t.network.numbers["features_per_stage"][0]] << 20)
    fit = fitting([ladder()], scarce, BUDGET)  # 600 of 1,000 MiB may be used
    assert fit.trial == ladder()[0]
    assert fit.why.endswith("width 16, 2 × 64×64 needs about 700 MiB of memory, of which 1,000 MiB are free")


def test_memory_asks_for_a_smaller_patch():
    scarce = machine(0.1, free=1000, needed=lambda trial: 10 * trial.patch_size[0])
    assert fitting([ladder(64), ladder(32)], scarce, BUDGET).trial.patch_size == (32, 32, 1)


def test_bfloat16_is_taken_only_where_it_is_faster():
    fit = fitting([ladder()[:1]], machine(0.4, short=0.2), BUDGET)
    assert (fit.trial.precision, fit.seconds) == ("bfloat16", 0.2)
    assert fit.precision_why == "0.2 s a step, in float32 0.4 s, on a machine"
    assert fitting([ladder()[:1]], machine(0.4, short=0.38), BUDGET).trial.precision == "float32"


def test_bfloat16_may_be_what_makes_a_network_fit():
    fit = fitting([ladder()], machine(by_width(w8=0.3, w16=0.9, w32=2.0), short=by_width(w8=0.1, w16=0.4, w32=1.0)), BUDGET)
    assert fit.trial == replace(ladder()[1], precision="bfloat16")


@pytest.mark.parametrize("hopeless", [machine(math.inf), machine(0.1, free=10, needed=100)])
def test_what_cannot_be_trained_at_all_is_a_sentence(hopeless):
    with pytest.raises(DeviceError, match="Not even width 8, 2 × 32×32 can be trained on a machine"):
        fitting([ladder(64), ladder(32)], hopeless, BUDGET)


def test_times_just_below_the_border_have_no_exponent():
    assert [time_text(seconds) for seconds in (60, 99.4, 99.7)] == ["60 s", "99 s", "2 minutes"]


def test_times_are_readable():
    assert [time_text(seconds) for seconds in (0.213, 12.4, 1500, 12000)] == ["0.21 s", "12 s", "25 minutes", "3.3 hours"]
