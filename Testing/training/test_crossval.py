"""Every patient is validated once, and labels are judged over patients of all folds."""

import json
from dataclasses import replace

import pytest

from MedSegDLLib.__main__ import main
from MedSegDLLib.errors import InputError
from MedSegDLLib.model_card import Training as TrainedOn
from MedSegDLTrainLib.campaigns.campaign import Outcome, Training, placeless
from MedSegDLTrainLib.campaigns.crossval import cross_validate, fold_training, label_spreads, seen_before, text_of
from MedSegDLTrainLib.cases import Case
from MedSegDLTrainLib.run_folder import CaseRows
from Testing.models import write_bright_model
from Testing.training.campaigning import FakeTrainer, place_for, write_job_of_patients

# By fold; mean 0.8, sample standard deviation √(Σ(x − mean)²/4) = √((0.01 + 0.0025 + 0 + 0.0025 + 0.01)/4) = 0.0791.
SCORES = (0.7, 0.75, 0.8, 0.85, 0.9)


def _score(job):
    return SCORES[job.validation.fold]


def test_every_patient_but_those_held_out_is_validated_once(tmp_path):
    outcomes = cross_validate(write_job_of_patients(tmp_path), 5, place_for(tmp_path / "out", FakeTrainer(_score)))
    validated = [rows.patient for outcome in outcomes for rows in outcome.cases.values()]
    assert sorted(validated) == [*(f"P{number}" for number in range(10)), "V0", "V1"]


def test_mean_and_standard_deviation_are_over_folds(tmp_path):
    outcomes = cross_validate(write_job_of_patients(tmp_path), 5, place_for(tmp_path / "out", FakeTrainer(_score)))
    document = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert document["folds"]["mean"] == pytest.approx(0.8)
    assert document["folds"]["standard_deviation"] == pytest.approx(0.0790569)
    assert "0.800 ± 0.079" in text_of(outcomes)
    assert document["labels"]["right"]["dice"]["count"] == 12


def test_stopped_and_gone_on_with_the_result_is_the_same(tmp_path):
    job, trainer = write_job_of_patients(tmp_path), FakeTrainer(_score, kills=(3,))
    with pytest.raises(KeyboardInterrupt):
        cross_validate(job, 5, place_for(tmp_path / "out", trainer))
    outcomes = cross_validate(job, 5, place_for(tmp_path / "out", trainer))
    assert outcomes == cross_validate(job, 5, place_for(tmp_path / "other", FakeTrainer(_score)))
    assert [name for name, _ in trainer.calls] == ["fold_0", "fold_1", "fold_2", "fold_2", "fold_3", "fold_4"]


def test_a_start_that_may_have_seen_the_patients_is_told(tmp_path, monkeypatch):
    """The start model's card names two of twelve patients as held out from its training."""
    training = TrainedOn("cases of a user", "real", 10, 10, held_out=("V0", "V1"))
    write_bright_model(tmp_path / "zoo", training=training)
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "zoo"))
    job, told = write_job_of_patients(tmp_path), []
    job.write_text(json.dumps(json.loads(job.read_text(encoding="utf-8")) | {"start_from": "bright"}), encoding="utf-8")
    place = replace(place_for(tmp_path / "out", FakeTrainer(_score)), tell=told.append)
    said = "Every fold starts from bright, whose card does not say of 10 of 12 patients that they were held out"
    outcomes = cross_validate(job, 5, place)
    assert told[0].startswith(said)
    assert said in text_of(outcomes)
    assert json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))["warning"] == told[0]
    assert seen_before(replace(outcomes[0].training.job, start_from="")) == ""


def test_a_patient_with_several_cases_counts_once_and_undefined_values_count_not(tmp_path):
    job = placeless(write_job_of_patients(tmp_path))

    def outcome(fold, values):
        cases = {case: CaseRows(patient, ({"name": "left", "dice": dice},)) for case, patient, dice in values}
        return Outcome(Training(f"fold_{fold}", job), 0.5, 1, 1.0, cases)

    first = outcome(0, [("a1", "A", 0.1), ("a2", "A", 0.3), ("b", "B", 0.5)])
    second = outcome(1, [("c", "C", 0.7), ("d", "D", None)])
    spread = label_spreads([first, second], "dice")["left"]
    # Patients 0.2, 0.5, 0.7; the 16th percentile lies at 0.32 of the way from the first to the second.
    assert (spread.count, spread.undefined, spread.median, spread.worst) == (3, 1, 0.5, pytest.approx(0.2))
    assert spread.percentile_16 == pytest.approx(0.2 + 0.32 * 0.3)
    assert spread.percentile_84 == pytest.approx(0.5 + 0.68 * 0.2)


def test_a_label_that_is_nowhere_is_listed_without_figures(tmp_path):
    job = placeless(write_job_of_patients(tmp_path))
    rows = CaseRows("A", ({"name": "left", "dice": 0.5}, {"name": "right", "dice": None}))
    outcomes = [Outcome(Training("fold_0", job), 0.5, 1, 1.0, {"a": rows})]
    assert label_spreads(outcomes, "dice")["right"] is None
    assert [line.split() for line in text_of(outcomes).splitlines() if line.startswith("right")] == [["right", "dice", *"---0"]]


def test_patients_whom_the_job_leaves_out_take_part(tmp_path):
    job = placeless(write_job_of_patients(tmp_path))
    fold = fold_training(job, 2, 5).job.validation
    assert (fold.fold, fold.folds, fold.patients) == (2, 5, ())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cases": "gone"}, "cases.json cannot be read"),
        ({"validation": {"train_patients": ["X"]}}, "The job names the patient X, whom the case folder does not have"),
    ],
)
def test_what_fewer_folds_would_not_mend_is_told_without_that_advice(tmp_path, changes, said):
    job = write_job_of_patients(tmp_path)
    job.write_text(json.dumps(json.loads(job.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    with pytest.raises(InputError, match=said) as told:
        cross_validate(job, 5, place_for(tmp_path / "out", FakeTrainer(_score)))
    assert "fewer folds" not in str(told.value)
    assert not (tmp_path / "out").exists()


def test_a_job_whose_settings_cannot_be_trained_with_leaves_no_campaign(tmp_path, capsys):
    job = write_job_of_patients(tmp_path)
    document = json.loads(job.read_text(encoding="utf-8"))
    document["network"]["numbers"]["up_kernel"] = 0
    job.write_text(json.dumps(document), encoding="utf-8")
    assert main(["crossval", str(job), "--output", str(tmp_path / "out")]) == 2
    assert "network: numbers: up_kernel must be 2 or 3, but is 0." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("folds", [1, 3])
def test_folds_that_cannot_be_are_refused_before_anything_is_written(tmp_path, folds):
    job = write_job_of_patients(tmp_path, [Case("a", "A", "train"), Case("b", "B", "train"), Case("t", "T", "test")])
    with pytest.raises(InputError, match="at least 2 folds" if folds == 1 else "Fold 2 of 3"):
        cross_validate(job, folds, place_for(tmp_path / "out", FakeTrainer(_score)))
    assert not (tmp_path / "out").exists()
