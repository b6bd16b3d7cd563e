"""A run becomes a model that verifies and runs, with a card whose numbers were measured."""

import json

import numpy as np
import pytest
import torch

from MedSegDLLib.__main__ import main
from MedSegDLLib.checkpoint import load_model
from MedSegDLLib.errors import InputError, ModelError
from MedSegDLLib.files import read_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLTrainLib.checkpoints import new_state, save_best
from MedSegDLTrainLib.job import read_job
from MedSegDLTrainLib.publish import Conditions, publish
from MedSegDLTrainLib.publish_card import CardTexts, expected_of, quality_rows
from Testing.training.finished_run import FINDS_ALL, FINDS_NOTHING, write_run


def _publish(run, zoo, texts=CardTexts("real"), **how):  # noqa: B008
    return publish(run, "boxes", texts, Conditions(zoo, **how), lambda text: None)


def test_a_published_model_verifies_and_segments(tmp_path, monkeypatch, capsys):
    run, zoo = write_run(tmp_path, "ttvh"), tmp_path / "models"
    monkeypatch.setenv("MEDSEGDL_MODELS", str(zoo))
    done = _publish(run, zoo)
    assert sorted(path.name for path in zoo.iterdir()) == ["boxes"]
    assert main(["models", "verify", "boxes"]) == 0
    assert "boxes: intact" in capsys.readouterr().out
    output = tmp_path / "marked.nii.gz"
    image = str(tmp_path / "cases" / "imagesTr" / "a_0000.nii.gz")
    assert main(["segment", image, "--model", "boxes", "--output", str(output), "--device", "cpu"]) == 0
    reference = read_labelmap(tmp_path / "cases" / "labelsTr" / "a.nii.gz")
    assert np.array_equal(read_labelmap(output).array, reference.array)
    assert done.card.id == "boxes"


def test_the_card_says_what_was_measured_on_held_out_patients(tmp_path):
    card = _publish(write_run(tmp_path, "ttvhh"), tmp_path / "models").card
    dice = next(row for row in card.quality if row.metric == "dice")
    assert (dice.cases, dice.label) == (2, "Bright")
    assert (dice.worst, dice.mean) == pytest.approx((2 / 3, 5 / 6), abs=1e-4)
    assert dice.data.startswith("2 patients (2 cases) held out for ever: never trained on")
    assert (card.training.patients, card.training.cases, card.training.held_out) == (2, 2, ("C", "D", "E"))
    assert "2 approved" in card.training.data
    assert card.licence.startswith("Not stated")
    assert card.not_for[0].startswith("Not for diagnosis")


def test_without_held_out_patients_the_card_says_who_chose_the_weights(tmp_path):
    card = _publish(write_run(tmp_path, "ttv"), tmp_path / "models").card
    assert "the best weights were chosen by them" in card.quality[0].data


def test_what_a_person_says_stands_in_the_card_and_the_readme(tmp_path):
    texts = CardTexts("real", title="Boxes", licence="CC0 1.0", not_for=("Not for spheres.",), data="Boxes of ours.")
    done = _publish(write_run(tmp_path, "tv"), tmp_path / "models", texts)
    readme = (done.folder / "README.md").read_text(encoding="utf-8")
    for text in ("# boxes: Boxes", "Not for spheres.", "Boxes of ours.", "CC0 1.0", "| Bright | dice | 1 |"):
        assert text in readme
    assert done.card.title == "Boxes"


def test_weights_that_once_saw_synthetic_images_go_on_saying_so(tmp_path):
    """The model that these runs start from, `old`, says that it was trained on synthetic images."""
    done = _publish(write_run(tmp_path, "tv", FINDS_NOTHING), tmp_path / "models")
    assert done.card.training.data_kind == "real and synthetic"


@pytest.mark.parametrize("start", [None, FINDS_NOTHING])
def test_a_model_of_synthetic_images_alone_is_called_so(tmp_path, start):
    done = _publish(write_run(tmp_path, "tv", start), tmp_path / "models", CardTexts("synthetic"))
    assert done.card.training.data_kind == "synthetic"
    assert "synthetic images." in (done.folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "start, images",
    [
        (None, "images that nobody called real or synthetic"),
        (FINDS_NOTHING, "synthetic images and images that nobody called real or synthetic"),
    ],
)
def test_what_nobody_said_of_the_images_is_not_assumed(tmp_path, capsys, start, images):
    run = str(write_run(tmp_path, "tv", start))
    assert main(["train", "publish", run, "--id", "boxes", "--models", str(tmp_path / "models"), "--although-worse"]) == 0
    assert f"trained on {images}. Say it with --data-kind" in capsys.readouterr().out
    assert f"; {images}." in (tmp_path / "models/boxes/README.md").read_text(encoding="utf-8")


def test_a_model_that_goes_on_from_another_stands_beside_it(tmp_path):
    went_on = _publish(write_run(tmp_path / "on", "tv", FINDS_NOTHING), tmp_path / "models").card
    anew = _publish(write_run(tmp_path / "anew", "tv"), tmp_path / "others").card
    assert (went_on.anatomy, anew.anatomy) == ("anything", "Bright")


def test_no_path_of_this_machine_is_published(tmp_path):
    done = _publish(write_run(tmp_path, "tv", FINDS_NOTHING), tmp_path / "models")
    job = read_job(done.folder / "job.json")
    assert (job.cases, job.start_from) == ("cases", "old")
    assert "Started from the weights of old, trained on: none. Whether that model had seen" in done.card.training.notes
    for name in ("job.json", "card.json", "README.md"):
        assert str(tmp_path) not in (done.folder / name).read_text(encoding="utf-8")


def test_patients_held_out_for_ever_judge_a_run_without_validation_patients(tmp_path):
    run = write_run(tmp_path, "th", FINDS_NOTHING)
    (run / "validation.json").unlink()
    done = _publish(run, tmp_path / "models")
    assert done.card.quality[0].cases == 1
    assert done.card.training.held_out


def test_without_a_validation_nothing_is_published(tmp_path):
    run = write_run(tmp_path, "tv")
    (run / "validation.json").unlink()
    with pytest.raises(InputError, match="has no validation result"):
        _publish(run, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_better_model_is_called_better_and_a_worse_one_needs_permission(tmp_path):
    better = write_run(tmp_path / "better", "t" + "v" * 6, FINDS_NOTHING)
    done = _publish(better, tmp_path / "models")
    assert done.against.startswith("The new model is better: Dice 0.000 with old")
    assert "p = 0.0312" in done.against
    worse = write_run(tmp_path / "worse", "ttvv", FINDS_ALL, FINDS_NOTHING)
    with pytest.raises(InputError, match=r"The new model is worse so far: .*Nothing was published; add --although-worse"):
        _publish(worse, tmp_path / "others")
    assert not any((tmp_path / "others").iterdir())
    done = _publish(worse, tmp_path / "others", although_worse=True)
    assert "no test can reach p < 0.05" in (done.folder / "README.md").read_text(encoding="utf-8")


def test_a_start_model_that_is_gone_is_said_and_not_fatal(tmp_path):
    run = write_run(tmp_path, "tv", FINDS_ALL)
    (tmp_path / "zoo" / "old" / "weights.safetensors").unlink()
    done = _publish(run, tmp_path / "models")
    assert "could not be compared" in done.against
    assert "weights of old, whose card is no longer there" in done.card.training.notes
    assert done.card.training.data_kind == "not stated"  # of what that one had seen


def test_a_model_is_replaced_only_when_asked_for(tmp_path):
    run, zoo = write_run(tmp_path, "tv"), tmp_path / "models"
    _publish(run, zoo, CardTexts("real", title="First"))
    with pytest.raises(ModelError, match="There is a model 'boxes'"):
        _publish(run, zoo, CardTexts("real", title="Second"))
    assert json.loads((zoo / "boxes" / "card.json").read_text(encoding="utf-8"))["title"] == "First"
    _publish(run, zoo, CardTexts("real", title="Second"), replace=True)
    assert load_model(zoo / "boxes").card.title == "Second"
    assert [path.name for path in zoo.iterdir()] == ["boxes"]


def test_weights_that_half_precision_cannot_hold_are_a_sentence(tmp_path):
    run = write_run(tmp_path, "tv")
    state = new_state(read_job(run / "job.json"))
    with torch.no_grad():
        state.published.classifier.bias.fill_(1e6)
    save_best(state.published.state_dict(), state.tally, run)
    with pytest.raises(ModelError, match="not finite numbers"):
        _publish(run, tmp_path / "models")
    assert not any((tmp_path / "models").iterdir())


def test_the_folder_to_look_for_models_in_is_told_wherever_one_works_later(tmp_path, monkeypatch, capsys):
    run = write_run(tmp_path, "tv")
    monkeypatch.chdir(tmp_path)
    assert main(["train", "publish", str(run), "--id", "boxes", "--data-kind", "real", "--models", "mine"]) == 0
    assert f"add {tmp_path.resolve() / 'mine'} to the environment variable MEDSEGDL_MODELS" in capsys.readouterr().out


def test_unusable_ids_are_refused(tmp_path):
    with pytest.raises(ModelError, match="cannot be a model's id"):
        publish(tmp_path, "My model", CardTexts("real"), Conditions(tmp_path), lambda text: None)


def test_quality_rows_by_hand():
    rows = {
        case: [{"name": "x", "dice": dice, "surface_distance_mean_mm": None, "hd95_mm": hd}]
        for case, dice, hd in (("p", 0.8, 2.0), ("q", 0.9, 4.0))
    }
    dice, distance = quality_rows(rows, "two cases")
    assert (dice.mean, dice.worst, dice.cases, dice.metric) == (0.85, 0.8, 2, "dice")
    assert dice.standard_deviation == pytest.approx(np.std([0.8, 0.9], ddof=1), abs=1e-4)
    assert (distance.mean, distance.worst, distance.metric) == (3.0, 4.0, "hd95_mm")


def test_expected_images_are_like_the_cases_and_a_tenth_beyond():
    expected = expected_of([Geometry((100, 200, 10), (1.0, 1.5, 8.0)), Geometry((100, 100, 10), (2.0, 2.0, 5.0))])
    assert expected.spacing_mm == pytest.approx((0.9, 2.2))
    assert expected.field_of_view_mm == pytest.approx((90.0, 330.0))
