"""A run whose model is known: it marks what is bright (see Testing.models), on cases of bright boxes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from MedSegDLLib.checkpoint import load_model, save_weights
from MedSegDLLib.checksums import sha256_of
from MedSegDLLib.files import write_image, write_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.strict_json import write_json
from MedSegDLTrainLib.cases import Case, image_path, label_path, write_cases
from MedSegDLTrainLib.checkpoints import new_state, save_best
from MedSegDLTrainLib.job import Optimisation, Sampling, TrainingJob, write_job
from MedSegDLTrainLib.run_folder import (
    EVENTS_FILE,
    JOB_FILE,
    PLAN_FILE,
    VALIDATION_FILE,
    BestValidation,
    CaseRows,
    Plan,
)
from Testing.models import write_bright_model, write_card

GRID = Geometry((20, 24, 4), (2.0, 2.0, 8.0))
FINDS_ALL, FINDS_NOTHING = -4.0, -400.0  # the last layer's bias


def write_box_cases(folder: Path, splits: str) -> None:
    """Cases a, b, c … of patients A, B, C …, whose splits are told by the letters t (train), v (validation), h (held out).

    Of the annotated box the last case's image has half only.
    """
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    names = {"t": "train", "v": "validation", "h": "test"}
    cases = [Case(chr(97 + n), chr(65 + n), names[letter]) for n, letter in enumerate(splits)]
    for number, case in enumerate(cases):
        labels = np.zeros(GRID.shape_zyx, np.uint8)
        labels[1:3, 6:14, 5 : 11 + number % 3] = 1
        bright = labels.copy()
        if number == len(cases) - 1:
            bright[:, 10:] = 0
        image = 100.0 * bright + np.random.default_rng(number).normal(0, 1, labels.shape)
        write_image(Image(image[None].astype(np.float32), GRID), image_path(folder, case))
        write_labelmap(LabelMap(labels, GRID), label_path(folder, case))
    write_cases(folder, cases, {"Bright": 1}, "MR")


def write_run(folder: Path, splits: str, start_bias: float | None = None, bias: float = FINDS_ALL) -> Path:
    """A finished run in folder/run on cases in folder/cases; with `start_bias` from the model folder/zoo/old."""
    write_box_cases(folder / "cases", splits)
    model = load_model(write_bright_model(folder / "zoo", "new"))
    start = ""
    if start_bias is not None:
        start = str(_with_bias(folder, start_bias))
    card = model.card
    job = TrainingJob(
        cases=str(folder / "cases"),
        network=card.network,
        preprocessing=card.preprocessing,
        sampling=Sampling((16, 16, 1), 4, "slices"),
        optimisation=Optimisation(learning_rate=0.01, epochs=2, steps_per_epoch=10),
        inference=card.inference,
        loss="dice_and_cross_entropy",
        seed=3,
        start_from=start,
        reasons={"seed": "<b>any</b>"},
    )
    run = folder / "run"
    run.mkdir()
    write_job(job, run / JOB_FILE)
    write_json(Plan(20), run / PLAN_FILE)
    state = new_state(job)
    state.published.load_state_dict(model.network.state_dict())
    with torch.no_grad():
        state.published.classifier.bias.fill_(bias)
    save_best(state.published.state_dict(), state.tally, run)
    write_json(BestValidation(20, "dice", 0.9, {"v": CaseRows("V", ())}), run / VALIDATION_FILE)
    events = [{"event": "started", "time": 0.0, "step": 0, "steps": 20, "device": "cpu", "parameters": 30}]
    events += [{"event": "step", "time": n + 0.0, "step": n, "loss": 1 / n, "rate": 0.01} for n in range(1, 21)]
    events += [{"event": "validation", "time": 20.0, "step": 20, "score": 0.9, "patients": {"V": 0.9}}]
    events += [{"event": "warning", "time": 20.0, "step": 20, "text": "odd <i>thing</i>"}]
    events += [{"event": "finished", "time": 21.0, "step": 20}]
    (run / EVENTS_FILE).write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return run


def _with_bias(folder: Path, bias: float) -> Path:
    old = write_bright_model(folder / "zoo", "old")
    model = load_model(old)
    with torch.no_grad():
        model.network.classifier.bias.fill_(bias)
    save_weights(model.network, old / "weights.safetensors")
    write_card(replace(model.card, weights_sha256=sha256_of(old / "weights.safetensors")), old)
    return old
