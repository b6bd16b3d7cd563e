import csv
from pathlib import Path

import pytest

from MedSegDLLib.cine import VolumeCurve, figure_of, report_of_curve, summary_of, write_curves
from MedSegDLLib.errors import OutputError

RED = (200, 0, 0)
CURVE = VolumeCurve("LV", RED, (120.0, 80.0, 48.0, 90.0), (0.0, 0.2, 0.4, 0.6))


def test_hand_computed_numbers():
    assert (CURVE.end_diastolic_frame, CURVE.end_systolic_frame) == (0, 2)
    assert (CURVE.end_diastolic_ml, CURVE.end_systolic_ml, CURVE.stroke_volume_ml) == (120, 48, 72)
    assert CURVE.ejection_fraction_percent == pytest.approx(60)
    assert CURVE.doubt == ""
    assert summary_of(CURVE) == (
        "LV: end-diastolic 120.0 ml (frame 0), end-systolic 48.0 ml (frame 2), stroke volume 72.0 ml, ejection fraction 60 %"
    )


def test_nothing_found_gives_a_sentence_and_no_fraction():
    empty = VolumeCurve("LV", RED, (0.0, 0.0))
    assert empty.ejection_fraction_percent is None
    assert "found in no frame" in empty.doubt
    assert summary_of(empty).endswith("ejection fraction unknown")
    assert report_of_curve(empty)["ejection_fraction_percent"] is None


def test_frames_without_the_label_and_single_frames_are_doubted():
    assert "not found in frame 1, 3" in VolumeCurve("LV", RED, (9.0, 0.0, 8.0, 0.0)).doubt
    assert "not found in frame 2:" in VolumeCurve("LV", RED, (9.0, 0.0)).doubt_counted_from(1)
    assert "One frame" in VolumeCurve("LV", RED, (9.0,)).doubt


def test_table_with_and_without_times(tmp_path: Path):
    other = VolumeCurve("RV", RED, (1.0, 2.0, 3.0, 4.0), CURVE.times_s)
    write_curves([CURVE, other], tmp_path / "a.csv")
    rows = list(csv.reader((tmp_path / "a.csv").open(encoding="utf-8")))
    assert rows[0] == ["frame", "time_s", "LV ml", "RV ml"] and rows[3] == ["2", "0.4000", "48.000", "3.000"]
    write_curves([VolumeCurve("LV", RED, (5.0, 4.0))], tmp_path / "b.csv")
    assert list(csv.reader((tmp_path / "b.csv").open(encoding="utf-8"))) == [["frame", "LV ml"], ["0", "5.000"], ["1", "4.000"]]


def test_a_missing_folder_is_a_sentence(tmp_path: Path):
    with pytest.raises(OutputError, match="there is no folder"):
        write_curves([CURVE], tmp_path / "no" / "a.csv")


def test_figure_shows_the_volumes_over_time_from_zero_up():
    (axes,) = figure_of([CURVE], "case").axes
    assert tuple(axes.lines[0].get_xdata()) == CURVE.times_s and tuple(axes.lines[0].get_ydata()) == CURVE.volumes_ml
    assert axes.get_ylim()[0] == 0 and axes.get_ylim()[1] > 120
    assert axes.get_xlabel() == "Time after the first frame (s)" and axes.get_ylabel() == "Volume (ml)"
    assert [text.get_text() for text in axes.texts] == ["ED 120.0 ml", "ES 48.0 ml"]


def test_figure_of_nothing_found_can_be_drawn():
    (axes,) = figure_of([VolumeCurve("LV", RED, (0.0, 0.0, 0.0))], "case").axes
    assert axes.get_xlabel() == "Frame" and axes.get_ylim() == (0, pytest.approx(1.15))
