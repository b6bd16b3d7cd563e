"""Old model against new on the same patients."""

from itertools import product

import numpy as np
import pytest

from MedSegDLTrainLib.compare import paired


def _rows(values, metric="dice"):
    return {name: [{"name": "x", metric: value}] for name, value in values.items()}


def _compare(old, new, metric="dice"):
    names = [f"P{n}" for n in range(len(old))]
    rows = [_rows(dict(zip(names, values, strict=True)), metric) for values in (old, new)]
    return paired(*rows, {name: name for name in names}, metric)


def test_six_patients_that_all_improve_differ_with_the_smallest_p_there_is():
    result = _compare([0.5, 0.6, 0.7, 0.8, 0.4, 0.3], [0.61, 0.72, 0.83, 0.94, 0.55, 0.46])
    assert result.p_value == pytest.approx(2 / 2**6)
    assert (result.old, result.new) == pytest.approx((0.55, 0.685))
    assert result.difference == pytest.approx(0.135)
    assert (result.verdict, result.reason) == ("better", "")
    assert result.patients["P1"] == (0.6, 0.72)


def test_with_five_patients_there_are_numbers_and_no_test():
    result = _compare([0.5] * 5, [0.6, 0.7, 0.8, 0.9, 0.95])
    assert result.p_value is None
    assert result.reason == "With 5 patients no test can reach p < 0.05; it takes 6 at least."
    assert result.verdict == "better so far"
    assert _compare([0.6], [0.5]).verdict == "worse so far"


def test_smaller_distances_are_better():
    old, new = [5, 6, 7, 8, 9, 10], [4, 4.9, 5.8, 6.7, 7.6, 8.5]
    assert _compare(old, new, "hd95_mm").verdict == "better"
    assert _compare(new, old, "hd95_mm").verdict == "worse"


def test_changes_either_way_are_no_difference():
    result = _compare([0.5] * 6, [0.6, 0.39, 0.62, 0.37, 0.64, 0.35])
    assert result.p_value > 0.5
    assert result.verdict == "not different"


def test_p_is_what_counting_all_signs_gives():
    differences = np.array([0.03, -0.01, 0.02, 0.05, 0.04, 0.07, -0.06, 0.08])
    ranks = np.abs(differences).argsort().argsort() + 1
    sums = np.array([sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign) for signs in product((0, 1), repeat=8)])
    seen = ranks[differences > 0].sum()
    expected = 2 * min((sums <= seen).mean(), (sums >= seen).mean())
    assert _compare([0.5] * 8, 0.5 + differences).p_value == pytest.approx(expected)


def test_the_same_model_is_not_different_from_itself():
    result = _compare([0.5] * 7, [0.5] * 7)
    assert (result.p_value, result.verdict) == (None, "not different")
    assert result.reason.startswith("Only 0 of 7 patients differ")


def test_patients_and_labels_that_one_model_lacks_do_not_count():
    old = {"a": [{"name": "x", "dice": 0.5}], "b": [{"name": "x", "dice": None}], "c": [{"name": "x", "dice": 0.3}]}
    new = {case: [{"name": "x", "dice": 0.7}, {"name": "new", "dice": 0.1}] for case in "ab"}
    result = paired(old, new, {"a": "A", "b": "B", "c": "C"}, "dice")
    assert result.patients == {"A": (0.5, 0.7)}
    assert result.left_out == ("B",)
    assert paired(old, {"b": new["b"]}, {"b": "B"}, "dice") is None
