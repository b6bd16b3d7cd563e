"""Spacing and normalisation, by hand."""

import pytest

from MedSegDLLib.model_card import Normalisation
from MedSegDLTrainLib.planning.fingerprint import Intensities
from MedSegDLTrainLib.planning.preprocessing import planned_preprocessing
from Testing.training.plan_examples import facts, fingerprint


def test_slices_get_one_spacing_in_plane_and_keep_their_distance():
    found = fingerprint(facts(spacing=(1.0, 1.2, 8.0)), facts(spacing=(1.4, 1.6, 9.0)))
    how, reasons = planned_preprocessing(found, 2)
    assert (how.orientation, how.spacing) == ("slices", (1.3, 1.3, None))
    assert reasons["preprocessing.spacing"] == "median of pixel sizes of 1 to 1.6 mm; slices as they are"


def test_volumes_get_the_median_of_each_axis():
    cases = [facts(spacing=(0.7, 0.7, 1.0)), facts(spacing=(0.8, 0.8, 1.5)), facts(spacing=(0.9, 0.9, 2.0))]
    how, reasons = planned_preprocessing(fingerprint(*cases), 3)
    assert (how.orientation, how.spacing) == ("LPS", (0.8, 0.8, 1.5))
    assert reasons["preprocessing.spacing"] == "median of 3 cases"


def test_thin_slices_keep_their_detail_where_an_axis_is_far_coarser():
    steps = (2.0, 5.0, 6.0, 6.0, 7.0)  # the 10th percentile is 2 + 0.4 · (5 − 2)
    cases = [facts(size=(200, 200, 30), spacing=(1.0, 1.0, step)) for step in steps]
    how, reasons = planned_preprocessing(fingerprint(*cases), 3)
    assert how.spacing == (1.0, 1.0, 3.2) and "z is far coarser" in reasons["preprocessing.spacing"]
    many = [facts(size=(200, 200, 100), spacing=(1.0, 1.0, step)) for step in steps]  # but not in voxels
    assert planned_preprocessing(fingerprint(*many), 3)[0].spacing == (1.0, 1.0, 6.0)


def test_the_coarse_axis_is_never_made_finer_than_the_others():
    cases = [facts(size=(200, 200, 30), spacing=(1.0, 1.0, step)) for step in (0.5, 0.5, 6.0, 6.0, 6.0)]
    assert planned_preprocessing(fingerprint(*cases), 3)[0].spacing == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("dimensions, region", [(2, "slice"), (3, "volume")])
def test_mr_has_no_unit(dimensions, region):
    how, _ = planned_preprocessing(fingerprint(), dimensions)
    assert how.normalisation == Normalisation("zscore", region, (0.5, 99.5))


def test_ct_gets_a_window_of_what_is_inside_the_labels():
    how, reasons = planned_preprocessing(fingerprint(modality="ct"), 3)
    assert how.normalisation == Normalisation("window", window=(-20.4, 252.0))
    assert "median 60" in reasons["preprocessing.normalisation"]


def test_ct_with_one_value_inside_the_labels_has_no_window():
    found = fingerprint(modality="CT", foreground=Intensities(40.0, 40.0, 40.0))
    assert planned_preprocessing(found, 3)[0].normalisation.method == "zscore"
