"""From a run to a model that can be used, and what its quality table says."""

import json

import numpy as np
import pytest
import torch

from MedSegDLLib.checkpoint import load_model
from MedSegDLLib.errors import InputError, ModelError
from MedSegDLLib.labels import Label, LabelTable, write_label_table
from MedSegDLLib.zoo import verify_model
from MedSegDLTrainLib.export import export_weights
from MedSegDLTrainLib.job import read_job
from MedSegDLTrainLib.quality import measured_cases, quality_rows
from MedSegDLTrainLib.train import train


@pytest.fixture
def trained(job_file, tmp_path):
    """A run long enough to find squares, and a model folder with a card that waits for its weights."""
    document = json.loads(job_file.read_text(encoding="utf-8"))
    document["optimisation"]["steps"] = 100
    document["validate_every"] = 100
    job_file.write_text(json.dumps(document), encoding="utf-8")
    state = train(job_file, tmp_path / "run")
    folder = tmp_path / "zoo" / "squares"
    folder.mkdir(parents=True)
    card = {
        "card_version": 1,
        "id": "squares",
        "title": "Squares",
        "description": "Dark squares.",
        "modality": "MR",
        "anatomy": "none",
        "intended_use": "Tests.",
        "not_for": [],
        "network": document["network"],
        "preprocessing": document["preprocessing"],
        "inference": {"patch_size": [16, 16, 1], "activation": "sigmoid"},
        "postprocessing": {},
        "training": {"data": "made by a test", "data_kind": "synthetic", "patients": 1, "cases": 1},
        "quality": [],
        "licence": "CC0 1.0",
        "citation": "",
        "weights_sha256": "0" * 64,
    }
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    write_label_table(LabelTable((Label(1, "square", (255, 0, 0)),)), folder / "labels.csv")
    return state, tmp_path / "run", folder


def test_the_averaged_weights_are_exported_in_half_precision(trained):
    state, run, folder = trained
    digest = export_weights(run, folder)
    assert json.loads((folder / "card.json").read_text(encoding="utf-8"))["weights_sha256"] == digest
    verify_model(folder)
    loaded = load_model(folder).network.state_dict()
    for name, tensor in state.average.state_dict().items():
        expected = tensor.half().float() if tensor.is_floating_point() else tensor
        assert torch.equal(loaded[name], expected)


def test_quality_is_measured_on_held_out_cases_through_segment(trained, case_folder):
    _, run, folder = trained
    export_weights(run, folder)
    measured = measured_cases(load_model(folder), case_folder, "*")
    assert set(measured) == {"c"}
    row = next(row for row in quality_rows(measured) if row["metric"] == "dice")
    assert row["cases"] == 1
    assert row["mean"] == row["worst"] == pytest.approx(measured["c"][0]["dice"], abs=1e-4)
    assert row["mean"] > 0.8
    with pytest.raises(InputError, match="no held-out case whose name fits a"):
        measured_cases(load_model(folder), case_folder, "a")


def test_quality_rows_by_hand():
    rows = {name: [{"name": "x", "dice": dice, "hd95_mm": hd}] for name, dice, hd in (("p", 0.8, 2.0), ("q", 0.9, 4.0))}
    dice, distance = quality_rows(rows, ("dice", "hd95_mm"))
    assert (dice["mean"], dice["worst"], dice["cases"]) == (0.85, 0.8, 2)
    assert dice["standard_deviation"] == pytest.approx(np.std([0.8, 0.9], ddof=1), abs=1e-4)
    assert (distance["mean"], distance["worst"]) == (3.0, 4.0)


def test_a_card_of_another_network_is_refused(trained):
    _, run, folder = trained
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["network"]["numbers"]["features_per_stage"] = [4, 8]
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError, match="another network or preparation than the job"):
        export_weights(run, folder)
    assert not (folder / "weights.safetensors").exists()
    assert read_job(run / "job.json").network.key == "unet_2d"
