"""Where patches lie: how often each sampler draws what, and what every patch contains."""

import collections

import numpy as np
import pytest

from MedSegDLLib.errors import InputError
from MedSegDLTrainLib.cases import IGNORE
from MedSegDLTrainLib.job import Sampling
from MedSegDLTrainLib.samplers import SAMPLERS, candidates_of
from Testing.training.made_cases import made_case

SIZE = (8, 9, 10)


def _labels(shape=(20, 24, 28)):
    """One large label, one of 5 voxels, one in a corner."""
    labels = np.zeros(shape, np.uint8)
    labels[4:14, 5:15, 6:16] = 1
    labels[17, 20, 3:8] = 2
    labels[:2, :2, :2] = 5
    return labels


def _places(cases, sampler, count=400, size=SIZE, seed=0, **settings):
    sampling = Sampling(size[::-1], 1, sampler, **settings)
    candidates = candidates_of(cases, [(np.array(size) - 1) / 2 / case.spacing_zyx for case in cases])
    random = np.random.default_rng(seed)
    return [SAMPLERS[sampler](candidates, sampling, random) for _ in range(count)]


def test_balanced_draws_every_label_of_the_case_equally_often():
    labels = _labels()
    drawn = collections.Counter(labels[tuple(place.inside_zyx)] for place in _places([made_case(labels)], "balanced", 1200))
    assert set(drawn) == {1, 2, 5}
    assert all(abs(count / 1200 - 1 / 3) < 0.04 for count in drawn.values())


def test_balanced_draws_each_voxel_of_a_label_equally_often_and_anywhere_in_the_patch():
    places = [place for place in _places([made_case(_labels())], "balanced", 3000) if place.inside_zyx[0] == 17]
    columns = collections.Counter(place.inside_zyx[2] for place in places)
    assert set(columns) == set(range(3, 8))
    assert max(columns.values()) < 1.3 * min(columns.values())
    offsets = np.array([place.centre_zyx - place.inside_zyx for place in places])
    assert (np.abs(offsets) <= (np.array(SIZE) - 1) / 2).all()
    assert (np.ptp(offsets, axis=0) > [1.9, 2.9, 6.9]).all()  # 2, 3 and 7 are left by the volume's end


@pytest.mark.parametrize("sampler", ["uniform", "balanced"])
def test_patches_lie_within_the_volume_where_they_fit(sampler):
    half = (np.array(SIZE) - 1) / 2
    for place in _places([made_case(_labels())], sampler):
        assert (place.centre_zyx - half > -1e-9).all()
        assert (place.centre_zyx + half < np.array([20, 24, 28]) - 1 + 1e-9).all()


def test_patches_larger_than_the_volume_contain_all_of_it():
    for place in _places([made_case(_labels())], "uniform", size=(40, 41, 42)):
        half = np.array([19.5, 20, 20.5])
        assert (place.centre_zyx - half < 1e-9).all()
        assert (place.centre_zyx + half > np.array([19, 23, 27]) - 1e-9).all()


def test_uniform_reaches_every_place_equally():
    centres = np.array([place.centre_zyx for place in _places([made_case(_labels())], "uniform", 2000)])
    half = (np.array(SIZE) - 1) / 2
    np.testing.assert_allclose(centres.min(axis=0), half, atol=0.2)
    np.testing.assert_allclose(centres.mean(axis=0), [9.5, 11.5, 13.5], atol=0.4)


@pytest.mark.parametrize("sampler", ["uniform", "balanced", "foreground"])
@pytest.mark.parametrize("size", [SIZE, (1, 9, 10)])
def test_cases_annotated_in_one_slice_are_sampled_there(sampler, size):
    labels = np.full((20, 24, 28), IGNORE, np.uint8)
    labels[11] = 0
    labels[11, 3:6, 4:8] = 3
    for place in _places([made_case(labels)], sampler, 100, size):
        assert place.inside_zyx[0] == 11
        if size[0] == 1:
            assert place.centre_zyx[0] == 11


def test_foreground_centres_its_share_on_labelled_voxels():
    labels = _labels()
    places = _places([made_case(labels)], "foreground", 1000, foreground_fraction=0.3)
    on = [place for place in places if place.inside_zyx is not None]
    assert abs(len(on) / 1000 - 0.3) < 0.05
    assert all(labels[tuple(place.inside_zyx)] for place in on)
    assert all((place.centre_zyx == place.inside_zyx).all() for place in on)
    large = np.mean([labels[tuple(place.inside_zyx)] == 1 for place in on])
    assert large > 0.95  # by voxels, not by labels


def test_cases_without_a_label_are_sampled_anywhere():
    cases = [made_case(np.zeros((20, 24, 28), np.uint8)), made_case(_labels(), name="b", patient="B")]
    for sampler in ("balanced", "foreground"):
        places = [place for place in _places(cases, sampler, 100, foreground_fraction=1.0) if place.case == 0]
        assert len(places) > 30
        assert np.ptp([place.centre_zyx[2] for place in places]) > 10


@pytest.mark.parametrize("sampler", ["uniform", "balanced", "foreground"])
def test_patients_are_drawn_equally_however_many_cases_they_have(sampler):
    cases = [made_case(_labels(), name=str(number), patient="A" if number == 0 else "B") for number in range(5)]
    drawn = collections.Counter(place.case for place in _places(cases, sampler, 1200))
    assert abs(drawn[0] / 1200 - 0.5) < 0.05
    assert all(abs(drawn[number] / 1200 - 0.125) < 0.04 for number in range(1, 5))


def _slice_cases():
    """Patient A: one slice with a label, one without; B: three with, in two cases; a slice that nobody annotated."""
    labels = np.zeros((3, 20, 24), np.uint8)
    labels[0, 4:8, 6:10] = 1
    labels[2] = IGNORE
    more = np.zeros((2, 20, 24), np.uint8)
    more[:, 10:15, 12:17] = 2
    return [made_case(labels), made_case(more, name="b", patient="B"), made_case(more[:1], name="c", patient="B")]


def test_slices_are_drawn_by_patient_and_as_often_without_a_label_as_asked():
    places = _places(_slice_cases(), "slices", 2000, (1, 9, 9), empty_slice_fraction=0.25)
    drawn = collections.Counter((place.case, int(place.centre_zyx[0])) for place in places)
    shares = {(0, 0): 3 / 8, (0, 1): 1 / 4, (1, 0): 1 / 8, (1, 1): 1 / 8, (2, 0): 1 / 8}
    assert set(drawn) == set(shares)
    assert all(abs(drawn[key] / 2000 - share) < 0.03 for key, share in shares.items())


def test_slices_are_centred_near_the_labels_or_anywhere():
    near = _places(_slice_cases()[:1], "slices", 100, (1, 9, 9), foreground_fraction=1.0)
    assert all((place.centre_zyx == [0, 5.5, 7.5]).all() for place in near)
    jittered = _places(_slice_cases()[:1], "slices", 300, (1, 9, 9), foreground_fraction=1.0, jitter_mm=3.0)
    offsets = np.array([place.centre_zyx - [0, 5.5, 7.5] for place in jittered])
    assert (np.abs(offsets) <= 3).all()
    assert (np.ptp(offsets[:, 1:], axis=0) > 5).all()
    anywhere = np.array([place.centre_zyx for place in _places(_slice_cases()[:1], "slices", 300, foreground_fraction=0.0)])
    assert (np.ptp(anywhere[:, 1:], axis=0) > [18, 21]).all()


def test_jitter_is_in_mm():
    labels = np.zeros((1, 40, 40), np.uint8)
    labels[0, 20, 20] = 1
    case = made_case(labels, spacing_zyx=(8.0, 4.0, 0.5))
    places = _places([case], "slices", 300, (1, 9, 9), foreground_fraction=1.0, jitter_mm=4.0)
    offsets = np.abs([place.centre_zyx[1:] - 20 for place in places]).max(axis=0)
    np.testing.assert_allclose(offsets, [1, 8], rtol=0.1)


@pytest.mark.parametrize("value", [0, IGNORE])
def test_cases_without_any_label_are_refused(value):
    with pytest.raises(InputError, match="No training case has a label"):
        _places([made_case(np.full((3, 9, 9), value, np.uint8))], "uniform", 1)
