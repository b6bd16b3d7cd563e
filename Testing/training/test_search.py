"""Random search: legal values round the best so far, the same search however often it is interrupted."""

import json
import math

import numpy as np
import pytest

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.campaigns.campaign import placeless
from MedSegDLTrainLib.campaigns.search import (
    CHANNELS,
    SEARCHED,
    Legal,
    Search,
    numbers_of,
    search,
    searched_names,
    text_of,
    with_numbers,
)
from MedSegDLTrainLib.job import read_job
from Testing.training.campaigning import FakeTrainer, place_for, write_job_of_patients

RATE = "optimisation.learning_rate"


def _rate_score(job):
    """Best (0.9) at a learning rate of 0.1, two powers of ten above the job's."""
    return 0.9 - 0.2 * abs(math.log10(job.optimisation.learning_rate) + 1)


@pytest.mark.parametrize("name", SEARCHED)
def test_values_lie_within_a_tenth_and_ten_times_and_the_legal_range(name):
    legal, random = SEARCHED[name], np.random.default_rng(0)
    for _ in range(500):
        best = float(legal.low * (legal.high / legal.low) ** random.random())
        best = round(best) if legal.whole else best
        value = legal.drawn(best, float(random.random()))
        assert legal.low <= value <= legal.high
        assert best / 10 - 1e-9 <= value <= best * 10 + 1e-9
        assert not legal.whole or isinstance(value, int)


def test_values_are_log_uniform():
    legal = Legal(1e-9, 1e9)
    assert [legal.drawn(2.0, place) for place in (0, 0.25, 0.5, 1)] == pytest.approx([0.2, 2 / math.sqrt(10), 2.0, 20.0])


def test_of_a_share_the_distance_to_one_is_log_uniform():
    legal = Legal(0.05, 0.99999, share=True)
    assert [legal.drawn(0.999, place) for place in (0, 0.5, 1)] == pytest.approx([0.9999, 0.999, 0.99])


def test_at_the_edge_of_the_legal_range_the_interval_is_cut():
    legal = Legal(4, 128, whole=True)
    assert [legal.drawn(8, place) for place in (0, 1)] == [4, 80]
    assert [legal.drawn(100, place) for place in (0, 1)] == [10, 128]


def test_a_better_job_than_the_first_is_found(tmp_path):
    job = write_job_of_patients(tmp_path)
    outcomes = search(job, Search(12, only=("learning_rate",)), place_for(tmp_path / "out", FakeTrainer(_rate_score)))
    best = read_job(tmp_path / "out" / "best_job.json")
    assert outcomes[0].score == pytest.approx(0.5)
    assert _rate_score(best) == max(outcome.score for outcome in outcomes) > 0.75
    assert best.optimisation.epochs == 4, "the best job is trained as long as the job"
    assert "IoU" in best.reasons[RATE]


def test_every_trial_has_as_many_steps_and_is_judged_by_its_iou(tmp_path):
    outcomes = search(write_job_of_patients(tmp_path), Search(3), place_for(tmp_path / "out", FakeTrainer(_rate_score)))
    jobs = [outcome.training.job for outcome in outcomes]
    assert {job.optimisation.epochs * job.optimisation.steps_per_epoch for job in jobs} == {5000}
    assert {job.validation.metric for job in jobs} == {"jaccard"}


def test_the_next_trial_is_drawn_round_the_best_so_far(tmp_path):
    job = write_job_of_patients(tmp_path)
    wanted = Search(20, only=("learning_rate",))
    outcomes = search(job, wanted, place_for(tmp_path / "out", FakeTrainer(_rate_score)))
    for number in range(1, len(outcomes)):
        best = max(outcomes[:number], key=lambda outcome: outcome.score).training.job.optimisation.learning_rate
        assert best / 10 <= outcomes[number].training.job.optimisation.learning_rate <= min(best * 10, 1.0)


def test_interrupted_at_every_other_call_it_is_the_same_search(tmp_path):
    job, wanted = write_job_of_patients(tmp_path), Search(6, seed=5)
    whole = search(job, wanted, place_for(tmp_path / "whole", FakeTrainer(_rate_score)))
    trainer = FakeTrainer(_rate_score, kills=(1, 3, 5, 7, 9, 11))
    for _ in range(6):
        with pytest.raises(KeyboardInterrupt):
            search(job, wanted, place_for(tmp_path / "parts", trainer))
    assert search(job, wanted, place_for(tmp_path / "parts", trainer)) == whole
    assert (tmp_path / "parts" / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()


def test_more_trials_continue_a_search_and_another_seed_is_another_one(tmp_path):
    job = write_job_of_patients(tmp_path)
    six = search(job, Search(6), place_for(tmp_path / "six", FakeTrainer(_rate_score)))
    search(job, Search(3), place_for(tmp_path / "more", FakeTrainer(_rate_score)))
    assert search(job, Search(6), place_for(tmp_path / "more", trainer := FakeTrainer(_rate_score))) == six
    assert len(trainer.calls) == 3
    other = search(job, Search(2, seed=1), place_for(tmp_path / "other", FakeTrainer(_rate_score)))
    assert other[0] == six[0]
    assert other[1].training.job != six[1].training.job


def test_a_trial_that_fails_counts_as_the_worst_and_is_not_repeated(tmp_path):
    job, wanted = write_job_of_patients(tmp_path), Search(8, only=("learning_rate",))

    def score(job):
        return None if job.optimisation.learning_rate > 0.0011 else _rate_score(job)

    outcomes = search(job, wanted, place_for(tmp_path / "out", FakeTrainer(score)))
    failed = [outcome for outcome in outcomes if outcome.failure]
    assert failed
    assert failed[0].failure == "The loss is not finite."
    trials = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))["trainings"]
    assert [row["score"] for row in trials[-len(failed) :]] == [None] * len(failed)
    search(job, wanted, place_for(tmp_path / "out", trainer := FakeTrainer(score)))
    assert trainer.calls == []
    assert "failed" in text_of(outcomes, (RATE,)).splitlines()[-1]


def test_a_job_that_cannot_be_trained_itself_is_no_start(tmp_path):
    with pytest.raises(InputError, match="no start: The loss is not finite"):
        search(write_job_of_patients(tmp_path), Search(3), place_for(tmp_path / "out", FakeTrainer(lambda job: None)))


def test_what_is_searched_beside_it_does_not_change_a_number(tmp_path):
    job = write_job_of_patients(tmp_path)
    all_, one = (
        search(job, Search(2, only=only), place_for(tmp_path / f"out{len(only)}", FakeTrainer(_rate_score)))
        for only in ((), ("learning_rate",))
    )
    assert all_[1].training.job.optimisation.learning_rate == one[1].training.job.optimisation.learning_rate
    assert all_[1].training.job.optimisation.weight_decay != 1e-4
    assert one[1].training.job.optimisation.weight_decay == 1e-4


def test_what_a_job_lacks_or_has_switched_off_is_not_searched(tmp_path):
    names = searched_names(placeless(write_job_of_patients(tmp_path / "a", weight_decay=0.0, clip_norm=1.0)))
    assert names == (RATE, "optimisation.betas.0", "optimisation.betas.1", "optimisation.clip_norm", CHANNELS)
    with_sgd = searched_names(placeless(write_job_of_patients(tmp_path / "b", optimizer="sgd")))
    assert with_sgd == (RATE, "optimisation.weight_decay", "optimisation.momentum", CHANNELS)


def test_only_takes_parts_of_names_and_refuses_what_is_not_there(tmp_path):
    job = placeless(write_job_of_patients(tmp_path))
    assert searched_names(job, ("betas", RATE)) == (RATE, "optimisation.betas.0", "optimisation.betas.1")
    with pytest.raises(InputError, match="no number 'momentum'"):
        searched_names(job, ("momentum",))


def test_channels_of_all_levels_change_together(tmp_path):
    job = placeless(write_job_of_patients(tmp_path))
    changed = with_numbers(job, {CHANNELS: 12, "optimisation.betas.1": 0.99})
    assert changed.network.numbers["features_per_stage"] == (12, 24, 48)
    assert changed.optimisation.betas == (0.9, 0.99)
    assert numbers_of(changed, (CHANNELS, RATE)) == {CHANNELS: 12, RATE: 0.001}


def test_channels_stay_as_they_are_where_weights_are_taken_over(tmp_path):
    path = write_job_of_patients(tmp_path)
    document = json.loads(path.read_text(encoding="utf-8")) | {"start_from": "some_model"}
    path.write_text(json.dumps(document), encoding="utf-8")
    assert CHANNELS not in searched_names(placeless(path))


def test_the_learning_rate_stays_above_the_lowest_one_of_the_schedule(tmp_path):
    job = write_job_of_patients(tmp_path, lowest_rate=0.0009)
    outcomes = search(job, Search(10, only=("learning_rate",)), place_for(tmp_path / "out", FakeTrainer(lambda job: 0.5)))
    assert min(outcome.training.job.optimisation.learning_rate for outcome in outcomes) >= 0.0009


def test_the_table_lists_the_best_trial_first(tmp_path):
    outcomes = search(write_job_of_patients(tmp_path), Search(5), place_for(tmp_path / "out", FakeTrainer(_rate_score)))
    best = max(outcomes, key=lambda outcome: outcome.score)
    assert text_of(outcomes, (RATE,)).splitlines()[1].split()[:2] == [best.training.name, f"{best.score:.3f}"]
