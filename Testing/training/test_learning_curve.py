"""The law is recovered, the subsets are nested, and an annotator is told no more than what was measured."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.campaigns.campaign import placeless
from MedSegDLTrainLib.campaigns.learning_curve import Curve, counted_as, learning_curve, subset, text_of
from MedSegDLTrainLib.campaigns.learning_curve_plot import curve_figure
from MedSegDLTrainLib.campaigns.power_law import Point, PowerLaw, advice, fitted
from MedSegDLTrainLib.cases import Case
from MedSegDLTrainLib.job import write_job
from Testing.training.campaigning import FakeTrainer, place_for, write_job_of_patients


def _points(alpha, beta, counts=(1, 2, 5, 10), noise=0.0, repeats=1):
    random = np.random.default_rng(1)
    return [
        Point(count, repeat, alpha * count**beta + noise * random.standard_normal())
        for repeat in range(repeats)
        for count in counts
    ]


def _law_of_patients(job):
    """Dice = 0.5 · n^0.2."""
    return 0.5 * len(job.validation.train_patients) ** 0.2


@pytest.mark.parametrize(("alpha", "beta"), [(0.62, 0.11), (0.8, 0.02), (0.3, 0.45), (0.9, -0.05)])
def test_a_known_law_is_recovered(alpha, beta):
    law = fitted(_points(alpha, beta))
    assert (law.alpha, law.beta) == pytest.approx((alpha, beta), abs=1e-6)
    assert law.r_squared == pytest.approx(1)


def test_noise_moves_the_law_little_and_r_squared_says_how_much_it_explains():
    points = _points(0.6, 0.1, noise=0.01, repeats=20)
    law = fitted(points)
    assert (law.alpha, law.beta) == pytest.approx((0.6, 0.1), abs=0.01)
    dice = np.array([point.dice for point in points])
    left = sum((point.dice - law.alpha * point.count**law.beta) ** 2 for point in points)
    assert law.r_squared == pytest.approx(1 - left / ((dice - dice.mean()) ** 2).sum())
    assert 0.5 < law.r_squared < 1


def test_a_training_that_ended_at_zero_counts_and_the_start_model_does_not():
    with_start = [Point(0, 0, 0.123), *_points(0.6, 0.1)]
    assert fitted(with_start) == fitted(_points(0.6, 0.1))
    assert fitted([Point(1, 0, 0.0), Point(5, 0, 0.5), Point(10, 0, 0.6)]).beta > 0.3


def test_without_two_different_numbers_there_is_no_law():
    assert fitted([Point(5, 0, 0.8), Point(5, 1, 0.7)]) is None
    assert fitted([Point(0, 0, 0.8), Point(5, 1, 0.7)]) is None


def test_r_squared_is_not_claimed_where_it_says_nothing():
    assert fitted(_points(0.6, 0.1, counts=(1, 10))).r_squared is None
    assert fitted(_points(0.6, 0.0)) == PowerLaw(pytest.approx(0.6), 0.0, None)


def test_how_many_cases_a_dice_takes():
    # 0.5 · n^0.5 = 0.9 at n = (0.9 / 0.5)² = 3.24.
    assert PowerLaw(0.5, 0.5, 1.0).reaches(0.9) == pytest.approx(3.24)
    # 0.81 · n^0.01 = 0.9 at n = (10/9)^100, about 37,600.
    assert PowerLaw(0.81, 0.01, 1.0).reaches(0.9) is None
    assert PowerLaw(0.8, 0.0, None).reaches(0.9) is None
    assert PowerLaw(0.89, 1e-300, None).reaches(0.9) is None


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        # 0.6 · 20^0.13 = 0.886, · 10^0.13 = 0.809; 0.9 at (1.5)^(1/0.13) = 22.6.
        (
            PowerLaw(0.6, 0.13, 0.9),
            "With 10 more scans (20 in all) expect a Dice of about 0.89 instead of 0.81; 0.9 would take",
        ),
        (PowerLaw(0.6, 0.13, 0.9), "about 13 more (23 in all)."),
        (PowerLaw(0.6, 0.10, 0.9), "0.9 would take some 58 in all, a guess so far beyond what was tried."),
        (PowerLaw(0.8, 0.01, 0.9), "0.9 will not be reached by more scans alone."),
        # 0.64 · (20, 10)^0.135 = 0.96, 0.87; 0.9 at (0.9 / 0.64)^(1 / 0.135) = 12.5.
        (PowerLaw(0.64, 0.135, 0.9), "expect a Dice above 0.95 instead of 0.87; 0.9 would take about 2 more (12 in all)."),
        (PowerLaw(0.7, 0.2, 0.9), "With 10 scans the Dice is 1.00 already, and more would bring little; 0.9 takes about 4."),
        (PowerLaw(0.8, 0.0145, 0.9), "0.9 would take some 3,400 in all"),  # (0.9 / 0.8)^(1 / 0.0145) = 3373
        (PowerLaw(0.7, -0.1, 0.9), "More scans did not help between 1 and 10, so 0.9 will not be reached that way"),
        (PowerLaw(0.95, 0.0, None), "More scans did not help between 1 and 10, where the Dice is 0.95 already"),
        (None, "two different numbers of scans"),
    ],
)
def test_the_sentence_for_an_annotator(law, expected):
    assert expected in advice(_points(0.6, 0.1), law, "scans")


def test_a_start_model_that_training_does_not_improve_is_told_first():
    points, law = _points(0.6, 0.1), PowerLaw(0.6, 0.1, 1.0)  # 0.755 for ten
    assert advice([Point(0, 0, 0.7), *points], law, "scans") == advice(points, law, "scans")
    sentence = advice([Point(0, 0, 0.8), *points], law, "scans")
    assert sentence.startswith(
        "The start model as it is has a Dice of 0.80, and training on 10 scans did not make it better (0.76)"
    )


def test_smaller_subsets_lie_in_larger_ones_and_seed_and_repeat_change_the_order():
    patients = [f"P{number}" for number in range(20)]
    five, ten = (subset(patients, size, 0, 7) for size in (5, 10))
    assert ten[:5] == five
    assert len(set(ten)) == 10
    assert subset(patients, 10, 0, 7) == ten
    assert subset(patients, 10, 1, 7) != ten
    assert subset(patients, 10, 0, 8) != ten


def test_trainings_differ_in_patients_alone_and_validate_on_the_same(tmp_path):
    path, jobs = write_job_of_patients(tmp_path), []
    trainer = FakeTrainer(lambda job: jobs.append(job) or _law_of_patients(job))
    points = learning_curve(path, Curve((1, 2, 5, 10)), place_for(tmp_path / "out", trainer))
    assert [point.count for point in points] == [1, 2, 5, 10]
    nobody = [replace(job, validation=replace(job.validation, train_patients=())) for job in jobs]
    assert nobody == [nobody[0]] * 4
    assert set(jobs[3].validation.train_patients) == {f"P{number}" for number in range(10)}
    assert set(jobs[1].validation.train_patients) < set(jobs[2].validation.train_patients)
    document = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert (document["law"]["alpha"], document["law"]["beta"]) == pytest.approx((0.5, 0.2), abs=1e-6)
    assert document["patients_needed"] == pytest.approx(1.8**5, rel=1e-4)


def test_repeats_come_after_the_whole_curve_and_have_seeds_of_their_own(tmp_path):
    path, jobs = write_job_of_patients(tmp_path), []
    trainer = FakeTrainer(lambda job: jobs.append(job) or 0.5)
    learning_curve(path, Curve((2, 4), repeats=2), place_for(tmp_path / "out", trainer))
    names = [name for name, _ in trainer.calls]
    assert names == [f"patients_{count:03d}_repeat_{repeat}" for repeat in (0, 1) for count in (2, 4)]
    assert [job.seed for job in jobs] == [3, 3, 4, 4]


def test_more_numbers_and_repeats_may_be_asked_for_later(tmp_path):
    path, trainer = write_job_of_patients(tmp_path), FakeTrainer(_law_of_patients, kills=(2,))
    with pytest.raises(KeyboardInterrupt):
        learning_curve(path, Curve((1, 4)), place_for(tmp_path / "out", trainer))
    learning_curve(path, Curve((1, 4)), place_for(tmp_path / "out", trainer))
    points = learning_curve(path, Curve((1, 4, 8), repeats=2), place_for(tmp_path / "out", trainer))
    assert len(trainer.calls) == 3 + 4
    assert points == learning_curve(path, Curve((1, 4, 8), 2), place_for(tmp_path / "other", FakeTrainer(_law_of_patients)))
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8", newline="") as file:
        assert [row["patients"] for row in csv.DictReader(file)] == ["1", "4", "8"] * 2


def test_new_patients_make_another_curve(tmp_path):
    path = write_job_of_patients(tmp_path)
    learning_curve(path, Curve((1,)), place_for(tmp_path / "out", FakeTrainer(_law_of_patients)))
    cases = [Case("v", "V", "validation"), *(Case(f"c{number}", f"P{number}", "train") for number in range(11))]
    write_job_of_patients(tmp_path / "new", cases)
    (tmp_path / "cases" / "cases.json").write_bytes((tmp_path / "new" / "cases" / "cases.json").read_bytes())
    with pytest.raises(InputError, match="patients differs"):
        learning_curve(path, Curve((1,)), place_for(tmp_path / "out", FakeTrainer(_law_of_patients)))


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (Curve((1, 11)), "has 10 patients to train on, not 11"),
        (Curve((0, 1)), "starts from none"),
        (Curve((1, 1)), "once each"),
        (Curve((1,), repeats=0), "at least one repeat"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, wanted, sentence):
    with pytest.raises(InputError, match=sentence):
        learning_curve(write_job_of_patients(tmp_path), wanted, place_for(tmp_path / "out", FakeTrainer(_law_of_patients)))


def test_minutes_are_no_equal_steps(tmp_path):
    path = write_job_of_patients(tmp_path, minutes=5.0)
    with pytest.raises(InputError, match="--steps"):
        learning_curve(path, Curve((1,)), place_for(tmp_path / "out", FakeTrainer(_law_of_patients)))
    learning_curve(path, Curve((1,), steps=50), place_for(tmp_path / "out", FakeTrainer(_law_of_patients)))


def test_without_training_the_start_model_is_measured_once(tmp_path):
    path = write_job_of_patients(tmp_path)
    write_job(replace(placeless(path), start_from="some_model"), path)
    trainer = FakeTrainer(lambda job: 0.4 if job.optimisation.epochs == 0 else _law_of_patients(job))
    points = learning_curve(path, Curve((0, 1), repeats=2), place_for(tmp_path / "out", trainer))
    assert [(point.count, point.dice) for point in points] == [(0, 0.4), (1, 0.5), (1, 0.5)]


def test_patients_are_counted_as_scans_only_if_each_has_one(tmp_path):
    one = [Case("a", "A", "train"), Case("v1", "V", "validation"), Case("v2", "V", "validation")]
    assert counted_as(placeless(write_job_of_patients(tmp_path / "one", one))) == "scans"
    two = [*one, Case("a2", "A", "train")]
    assert counted_as(placeless(write_job_of_patients(tmp_path / "two", two))) == "patients"


def test_the_text_has_a_row_for_each_number_the_law_and_the_sentence():
    lines = text_of([Point(0, 0, 0.4), *_points(0.5, 0.2, counts=(1, 4), repeats=2)], "scans").splitlines()
    assert lines[0].split() == ["SCANS", "DICE", "SMALLEST", "LARGEST", "TRAININGS", "POWER", "LAW"]
    assert [line.split() for line in lines[1:4]] == [
        ["0", "0.400", "0.400", "0.400", "1", "-"],
        ["1", "0.500", "0.500", "0.500", "2", "0.500"],
        ["4", "0.660", "0.660", "0.660", "2", "0.660"],
    ]
    assert lines[5] == "Dice = 0.500 · n^0.200, R² = 1.000"
    assert lines[-1].startswith("With 4 more scans (8 in all) expect a Dice of about 0.76 instead of 0.66; ")


def test_the_picture_is_written_and_marks_where_the_target_is_reached_if_it_is_near(tmp_path):
    trainer = FakeTrainer(_law_of_patients)
    learning_curve(write_job_of_patients(tmp_path), Curve((1, 2)), place_for(tmp_path / "out", trainer))
    assert (tmp_path / "out" / "learning_curve.png").read_bytes().startswith(b"\x89PNG")

    def written(law):
        return [text.get_text() for text in curve_figure(_points(0.6, 0.1), law, "scans").axes[0].texts]

    assert "n ≈ 23" in written(PowerLaw(0.6, 0.13, 0.9))
    assert not any("≈" in text for text in written(PowerLaw(0.8, 0.01, 0.9)))
    assert not any("≈" in text for text in written(None))
