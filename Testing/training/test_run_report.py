"""The report: one page with everything inside, honest about its data."""

import errno
import re
from pathlib import Path

import numpy as np
import pytest

from MedSegDLLib.__main__ import main
from MedSegDLLib.checkpoint import load_model
from MedSegDLLib.errors import InputError, OutputError
from MedSegDLLib.files import write_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.views import view_of
from MedSegDLTrainLib.compare import paired
from MedSegDLTrainLib.measure import comparison
from MedSegDLTrainLib.reporting import measured as report_measured
from MedSegDLTrainLib.reporting.charts import (
    LIGHT,
    case_chart,
    comparison_chart,
    confusion_chart,
    most_confused,
    validation_chart,
)
from MedSegDLTrainLib.reporting.facts import facts_of
from MedSegDLTrainLib.reporting.history import history_of
from MedSegDLTrainLib.reporting.measured import MeasuredCase, Measurer
from MedSegDLTrainLib.reporting.overlays import chosen_slices
from MedSegDLTrainLib.reporting.report import write_report
from MedSegDLTrainLib.reporting.sections import label_table
from MedSegDLTrainLib.run_model import model_of_run
from Testing.models import write_bright_model
from Testing.training.finished_run import FINDS_NOTHING, GRID, write_run


def _report(run, folder=None):
    told = []
    page = write_report(run, folder or run / "report", "cpu", told.append)
    return page.read_text(encoding="utf-8"), told


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A run with six held-out patients that started from a model, the text of its page and the page's folder."""
    folder = tmp_path_factory.mktemp("reported")
    run = write_run(folder, "tv" + "h" * 6, FINDS_NOTHING)
    page, _ = _report(run, folder / "out")
    return run, page, folder / "out"


def _measurer(run, told):
    facts = facts_of(run)
    (run / "report").mkdir(exist_ok=True)
    measurer = Measurer(facts.folder, facts.dataset, run / "report", "cpu", told.append)
    return lambda: measurer.measured(model_of_run(run), facts.judging_cases)


def test_the_page_needs_nothing_else(reported):
    _, page, folder = reported
    assert set(re.findall(r"(?:src|srcset|href)=\"([^\",]+)", page)) == {"data:image/png;base64"}
    assert "<script" not in page
    names = ("loss", "validation", "cases", "confusion", "comparison", "worst_1", "worst_2", "worst_3", "best_1", "best_2")
    assert {path.name for path in folder.glob("*.png")} == {f"{name}.png" for name in names}
    assert page.count("<img") == len(names)


def test_every_text_is_escaped(reported):
    _, page, _ = reported
    assert "&lt;b&gt;any&lt;/b&gt;" in page and "<b>any" not in page
    assert "odd &lt;i&gt;thing&lt;/i&gt;" in page


def test_figures_are_of_held_out_patients_where_there_are_any(reported):
    _, page, _ = reported
    assert "Dice 0.944 on 6 patients (6 cases) held out for ever" in page  # 1 five times and, half being found, 2/3
    assert "There are no held-out patients." not in page


def test_the_model_that_it_started_from_is_compared(reported):
    _, page, _ = reported
    assert "The new model is better: Dice 0.000 with old, 0.944 now (+0.944), mean of 6 patients." in page
    assert "p = 0.0312" in page
    assert "does not say that they were held out from its training" in page


def test_figures_of_validation_patients_come_with_a_warning(tmp_path):
    page, _ = _report(write_run(tmp_path, "tvv"))
    assert "of the validation: not trained on, but the best weights were chosen by them" in page
    assert "There are no held-out patients." in page and "flatter the model" in page


def test_what_is_known_is_not_measured_again(reported, monkeypatch):
    run, page, folder = reported
    monkeypatch.setattr(report_measured, "segment", lambda *_: pytest.fail("segmented again"))
    assert _report(run, folder) == (page, [])


def test_corrected_labels_are_measured_again(tmp_path):
    run, told = write_run(tmp_path, "tvhh"), []
    measured = _measurer(run, told)
    first = measured()
    write_labelmap(LabelMap(np.zeros(GRID.shape_zyx, np.uint8), GRID), tmp_path / "cases" / "labelsTr" / "c.nii.gz")
    told.clear()
    second = measured()
    assert told == ["measuring case 1 of 2: c"]
    assert [first["c"].rows[0]["dice"], second["c"].rows[0]["dice"]] == [1, 0]
    assert first["d"] == second["d"]


def test_a_damaged_cache_is_measured_anew(tmp_path):
    run, told = write_run(tmp_path, "th"), []
    measured = _measurer(run, told)
    first = measured()
    (run / "report" / "measured.json").write_text("{", encoding="utf-8")
    assert measured() == first
    assert told == ["measuring case 1 of 1: b"] * 2


def test_a_run_without_weights_or_patients_still_has_a_page(tmp_path):
    page, _ = _report(write_run(tmp_path / "one", "tt"))
    assert "nobody knows how good this model is" in page
    run = write_run(tmp_path / "two", "tv")
    (run / "best.checkpoint").unlink()
    (run / "events.jsonl").unlink()
    page, _ = _report(run)
    assert "The run has no weights yet" in page and "No step has been taken yet" in page
    with pytest.raises(InputError, match="holds no training run"):
        _report(tmp_path)


def test_a_report_for_whose_page_there_is_no_room_leaves_no_pictures(tmp_path, monkeypatch):
    run, write_text = write_run(tmp_path, "tv"), Path.write_text

    def full(path, text, **how):
        if path.name == "report.html":
            raise OSError(errno.ENOSPC, "no")
        return write_text(path, text, **how)

    for folder in (tmp_path / "new" / "out", run / "report"):
        with monkeypatch.context() as disk:
            disk.setattr(Path, "write_text", full)
            with pytest.raises(OutputError, match=r"cannot be written into .*: the disk is full"):
                _report(run, folder)
    assert not (tmp_path / "new").exists()
    assert sorted(path.name for path in (run / "report").iterdir()) == ["measured.json", "predictions", "report.json"]
    _report(run)
    assert (run / "report" / "cases.png").is_file()


def test_the_command_says_where_the_page_is(tmp_path, capsys):
    run = write_run(tmp_path, "tv")
    assert main(["train", "report", str(run), "--output", str(tmp_path / "page"), "--device", "cpu"]) == 0
    assert f"Open {tmp_path / 'page' / 'report.html'} in a browser." in capsys.readouterr().out


def test_of_two_events_of_one_step_the_later_counts():
    events = [
        {"event": "started", "time": 0.0},
        {"event": "step", "time": 10.0, "step": 1, "loss": 3.0, "rate": 0.1},
        {"event": "step", "time": 20.0, "step": 2, "loss": 2.0, "rate": 0.1},
        {"event": "started", "time": 100.0},
        {"event": "step", "time": 105.0, "step": 2, "loss": 1.0, "rate": 0.1},
        {"event": "paused", "time": 106.0, "reason": "asked to pause"},
        {"event": "step", "time": 200.0, "step": 3, "loss": 0.5, "rate": 0.1},
    ]
    history = history_of(events)
    assert history.losses == ((1, 3.0), (2, 1.0), (3, 0.5))
    assert history.seconds == 10 + 10 + 5 + 1


def test_the_slices_with_most_wrong_voxels_are_shown_with_the_middle_one():
    grid = Geometry((8, 8, 12), (1.0, 1.0, 5.0))
    reference, prediction = np.zeros(grid.shape_zyx, np.uint8), np.zeros(grid.shape_zyx, np.uint8)
    reference[2:9, 2:4, 2:4] = prediction[2:9, 2:4, 2:4] = 1
    prediction[8, 4:6, 2:4] = prediction[10, 0, 0] = prediction[11, 0, 0:2] = 1
    table = LabelTable((Label(1, "x", (255, 0, 0)),))
    pair = comparison(LabelMap(reference, grid), {"x": 1}, LabelMap(prediction, grid), table)
    assert chosen_slices(pair, view_of(grid), 3) == [5, 8, 11]
    assert chosen_slices(pair, view_of(grid), 9) == [5, 8, 10, 11]


def test_the_most_confused_classes_are_shown():
    counts = np.diag(np.full(5, 100))
    counts[3, 1] = 7
    counts[0, 4] = 2
    assert most_confused(counts, 3) == [0, 1, 3]
    assert most_confused(counts, 5) == [0, 1, 2, 3, 4]


def test_confusion_is_in_percent_of_the_reference():
    texts = [
        text.get_text() for text in confusion_chart(np.array([[99, 1], [30, 10]]), ["background", "x"], LIGHT).axes[0].texts
    ]
    assert texts == ["99.0", "1.0", "75.0", "25.0"]


def test_bars_are_sorted_with_the_worst_at_the_bottom():
    (axes,) = case_chart({"a": 0.5, "b": 0.9, "c": 0.1}, LIGHT).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["b", "a", "c"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mean 0.500", "median 0.500"]
    assert [bar.get_width() for bar in axes.patches] == [0.9, 0.5, 0.1]


def test_worse_patients_are_red():
    rows = [
        {case: [{"name": "x", "dice": dice}] for case, dice in values}
        for values in ((("a", 0.5), ("b", 0.5)), (("a", 0.4), ("b", 0.6)))
    ]
    result = paired(*rows, {"a": "A", "b": "B"}, "dice")
    lines = comparison_chart(result, LIGHT).axes[0].lines
    assert [line.get_color() for line in lines] == [LIGHT.bad, LIGHT.good, LIGHT.ink]


def test_the_key_of_a_measurement_is_of_weights_and_settings(tmp_path):
    first, second = (load_model(write_bright_model(tmp_path, name)) for name in ("one", "two"))
    assert report_measured.fingerprint(first) == report_measured.fingerprint(second)
    second.network.classifier.bias.data += 1
    assert report_measured.fingerprint(first) != report_measured.fingerprint(second)


def test_confusions_of_cases_are_added():
    case = MeasuredCase("a", (), ((1, 2), (3, 4)))
    assert report_measured.added_confusion([case, case]).tolist() == [[2, 4], [6, 8]]


def test_a_mean_of_old_and_new_weights_can_be_the_best():
    validations = [
        {"event": "validation", "time": 1.0, "step": 5, "score": 0.7, "patients": {"A": 0.7}, "blend": None},
        {"event": "validation", "time": 2.0, "step": 5, "score": 0.8, "patients": {"A": 0.8}, "blend": 0.75},
        {"event": "validation", "time": 3.0, "step": 5, "score": 0.6, "patients": {"A": 0.6}, "blend": 0.5},
    ]
    history = history_of(validations)
    assert [(point.score, point.blend) for point in history.validations] == [(0.6, 0.5), (0.8, 0.75), (0.7, None)]
    figure = validation_chart(history, "dice", LIGHT)
    assert [text.get_text() for text in figure.axes[0].texts] == ["best: 0.800 at step 5, 75% new weights"]


def test_a_single_case_has_no_spread():
    row = {
        "name": "left",
        "reference_voxels": 9,
        "prediction_voxels": 9,
        "dice": 0.5,
        "surface_distance_mean_mm": 1,
        "hd95_mm": 2,
    }
    one, two = label_table({"a": [row]}), label_table({"a": [row], "b": [row | {"dice": 0.7}]})
    assert ">0.500</td>" in one and " ± 0" not in one
    assert ">0.600 ± 0.141</td>" in two
