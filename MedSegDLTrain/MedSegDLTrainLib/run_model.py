"""The network of a run as a model, so that it is validated and compared through the very code that users run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from MedSegDLLib.checkpoint import Model
from MedSegDLLib.errors import InputError
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.model_card import CARD_VERSION, ModelCard, Training
from MedSegDLLib.networks import build_network
from MedSegDLTrainLib.cases import label_table_of, read_dataset
from MedSegDLTrainLib.checkpoints import BEST_FILE, LAST_FILE, read_checkpoint
from MedSegDLTrainLib.job import TrainingJob, read_job
from MedSegDLTrainLib.prepared import labels_of_job
from MedSegDLTrainLib.run_folder import JOB_FILE

NOT_PUBLISHED = "A network in training: not for use."


def model_of_weights(job: TrainingJob, table: LabelTable, weights: Mapping[str, Tensor], name: str) -> Model:
    """A model in memory, in evaluation mode on the CPU in float32, from a job's settings and `weights`."""
    with torch.device("meta"):
        network = build_network(job.network)
    # Copies: the weights may go on being trained.
    network.load_state_dict({key: _copied(value) for key, value in weights.items()}, assign=True)
    card = ModelCard(
        card_version=CARD_VERSION,
        id=name,
        title=name,
        description=NOT_PUBLISHED,
        modality="",
        anatomy="",
        intended_use=NOT_PUBLISHED,
        not_for=(NOT_PUBLISHED,),
        network=job.network,
        preprocessing=job.preprocessing,
        inference=job.inference,
        postprocessing=job.postprocessing,
        training=Training("cases of a user", "real", 0, 0),
        quality=(),
        licence="",
        citation="",
        weights_sha256="",
    )
    return Model(card, table, network.eval(), Path())


def _copied(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().to("cpu", copy=True)
    return tensor.float() if tensor.is_floating_point() else tensor


def model_of_run(run: Path, which: str = "best") -> Model:
    """The model that a run has found: the `best` by its validation, or the `last`; raises InputError if there is none."""
    job = read_job(run / JOB_FILE)
    path = run / (BEST_FILE if which == "best" else LAST_FILE)
    if not path.is_file():
        raise InputError(f"{run} has no {which} weights yet: let the run go on until its first validation.")
    saved = read_checkpoint(path)
    weights = saved["weights"] if which == "best" else saved["average"] or saved["network"]
    return model_of_weights(job, table_of(job, Path(job.cases)), weights, "run")


def table_of(job: TrainingJob, folder: Path) -> LabelTable:
    """The labels of a job's classes with values 1…K, names, colours and codes as the case folder has them."""
    known = {label.name: label for label in label_table_of(folder).labels}
    names = labels_of_job(job, read_dataset(folder))
    return LabelTable(tuple(replace(known[name], value=value) for value, name in enumerate(names, 1)))
