"""Learning rates at the steps that the formulas fix, the first and the last among them."""

import math

import pytest

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.job import Optimisation
from MedSegDLTrainLib.schedules import SCHEDULES, learning_rate


def rate(step, steps, peak=0.1, **numbers):
    return learning_rate(Optimisation(peak, 1, **numbers), step, steps)


@pytest.mark.parametrize("step", [0, 57, 99])
def test_constant_is_constant(step):
    assert rate(step, 100, schedule="constant") == 0.1


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 0.01), (249, 0.01), (250, 0.008), (499, 0.008), (500, 0.0064), (2499, 0.01 * 0.134217728)],
)
def test_exponential_falls_by_a_fifth_after_each_epoch(step, expected):
    """0.8⁹ = 0.134217728 in the tenth and last epoch."""
    found = rate(step, 2500, peak=0.01, schedule="exponential", decay_factor=0.8, steps_per_epoch=250)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 1e-3), (2999, 1e-3), (3000, 5e-4), (5999, 5e-4), (6000, 2.5e-4), (12_000, 6.25e-5), (13_999, 6.25e-5)],
)
def test_steps_halve_every_3000_of_14000(step, expected):
    found = rate(step, 14_000, peak=1e-3, schedule="steps", decay_factor=0.5, decay_every=3000)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("step", "factor"), [(0, 1.0), (50, 0.5**0.9), (75, 0.25**0.9), (99, 0.01**0.9)])
def test_polynomial_falls_with_the_power_of_nine_tenths(step, factor):
    assert rate(step, 100, schedule="polynomial") == pytest.approx(0.1 * factor, rel=1e-12)


@pytest.mark.parametrize(
    ("step", "factor"),
    [(0, 0.05), (25, 0.525), (50, 1.001), (525, 0.501), (999, 0.5 * (1 + math.cos(math.pi * 949 / 950)) + 0.001)],
)
def test_one_cycle_rises_over_a_twentieth_and_falls_along_a_cosine(step, factor):
    assert rate(step, 1000, schedule="one_cycle") == pytest.approx(0.1 * factor, rel=1e-12)


@pytest.mark.parametrize("key", [key for key in SCHEDULES if key != "constant"])
def test_no_schedule_goes_below_the_lowest_rate(key):
    numbers = {"schedule": key, "decay_factor": 0.1, "decay_every": 100, "steps_per_epoch": 100}
    assert rate(999, 1000, **numbers) < 0.02
    assert rate(999, 1000, lowest_rate=0.02, **numbers) == 0.02
    assert rate(60, 1000, lowest_rate=0.02, **numbers) == rate(60, 1000, **numbers) > 0.02


def test_ninety_epochs_of_desai_end_at_the_lowest_rate():
    """0.01 · 0.8⁶¹ = 1.2e-8 is still above 1e-8, 0.01 · 0.8⁶² = 9.8e-9 is not."""
    numbers = {"peak": 0.01, "schedule": "exponential", "decay_factor": 0.8, "steps_per_epoch": 10, "lowest_rate": 1e-8}
    assert [rate(step, 900, **numbers) for step in (620, 899)] == [1e-8, 1e-8]
    assert rate(619, 900, **numbers) == pytest.approx(1.2259964e-8, rel=1e-6)


def test_an_unknown_schedule_is_refused_with_those_that_there_are():
    with pytest.raises(InputError, match="There is no schedule 'cosine'; known are constant, exponential, steps"):
        rate(0, 10, schedule="cosine")
