"""A job for a network with fresh weights: as large as data, time and memory allow."""

from __future__ import annotations

from pathlib import Path

from MedSegDLLib.model_card import Inference, Preprocessing
from MedSegDLTrainLib.job import Optimisation, TrainingJob
from MedSegDLTrainLib.planning.cases import check_trainable, reasons_of_cases
from MedSegDLTrainLib.planning.cost import Machine, Trial
from MedSegDLTrainLib.planning.fingerprint import Fingerprint, read_fingerprint
from MedSegDLTrainLib.planning.fit import Fit, fitting
from MedSegDLTrainLib.planning.network import dimensions_of, has_width, network_of, outputs_of, stages_for
from MedSegDLTrainLib.planning.patch import Size, shrinking, wanted_patch
from MedSegDLTrainLib.planning.preprocessing import ORIENTATIONS, planned_preprocessing
from MedSegDLTrainLib.planning.training import (
    mirror_axes,
    planned_augmentation,
    planned_loss,
    planned_optimisation,
    planned_sampling,
)
from MedSegDLTrainLib.planning.wishes import Usual, Wishes, budget_of, lasting, steps_of

# (features of the first level, batch size) that are tried, from the cheapest to the most expensive.
_RUNGS = {
    2: ((8, 4), (8, 8), (8, 12), (12, 12), (16, 12), (24, 12), (32, 12), (32, 24)),
    3: ((8, 1), (8, 2), (12, 2), (16, 2), (24, 2), (32, 2), (32, 4)),
}
# A 3D run is one for the night. On a CPU the number of steps decides: some thousands, whatever else has to give way.
_USUAL = {2: Usual(epochs=40, least_steps=2000, minutes=120), 3: Usual(epochs=20, least_steps=1000, minutes=480)}


def job_with_network(folder: Path, wishes: Wishes, machine: Machine) -> TrainingJob:
    """The job for `wishes.network` with fresh weights; raises InputError for an unknown network or useless cases."""
    dimensions = dimensions_of(wishes.network)
    found = read_fingerprint(folder, ORIENTATIONS[dimensions])
    check_trainable(found, folder)
    preprocessing, why_so = planned_preprocessing(found, dimensions)
    loss, why_loss = planned_loss(found.labels)
    fit, why_network = _network(found, preprocessing, loss, wishes, machine)
    patch, spacing = fit.trial.patch_size, preprocessing.spacing
    sampling, why_sampling = planned_sampling(found, patch, fit.trial.batch_size, spacing)
    augmentation, why_changes = planned_augmentation(found, dimensions, found.labels)
    optimisation, why_long = _optimisation(wishes, dimensions, fit, machine)
    axes, why_mirrored = mirror_axes(augmentation)
    cases = reasons_of_cases(found, folder)
    reasons = (cases, why_so, why_network, why_sampling, why_changes, why_loss, why_long, why_mirrored)
    return TrainingJob(
        cases=str(folder),
        network=fit.trial.network,
        preprocessing=preprocessing,
        sampling=sampling,
        optimisation=optimisation,
        inference=Inference(patch, outputs_of(found.labels)[1], mirror_axes=axes),
        loss=loss,
        seed=wishes.seed,
        labels=found.labels,
        augmentation=augmentation,
        reasons={name: why for part in reasons for name, why in part.items()},
    )


def _network(
    found: Fingerprint, preprocessing: Preprocessing, loss: str, wishes: Wishes, machine: Machine
) -> tuple[Fit, dict[str, str]]:
    """Network, patch and batch."""
    dimensions, outputs = dimensions_of(wishes.network), outputs_of(found.labels)[0]
    wanted, why_patch = wanted_patch(found, preprocessing.spacing, dimensions)
    ladders = [_ladder(wishes.network, outputs, size, loss, dimensions) for size in shrinking(wanted, dimensions)]
    fit = fitting(ladders, machine, budget_of(wishes, _USUAL[dimensions]))
    if fit.trial.patch_size != wanted:
        why_patch += f": {'×'.join(str(length) for length in wanted if length > 1)}, but made smaller for time or memory"
    return fit, {
        "network": f"fresh weights; {fit.why}",
        "sampling.patch_size": why_patch,
        "sampling.batch_size": "chosen together with the network",
    }


def _optimisation(wishes: Wishes, dimensions: int, fit: Fit, machine: Machine) -> tuple[Optimisation, dict[str, str]]:
    usual = _USUAL[dimensions]
    planned, why = planned_optimisation(steps_of(wishes, usual, fit), dimensions)
    optimisation, why_long = lasting(planned, wishes, usual, fit, machine)
    return optimisation, why | why_long


def _ladder(key: str, outputs: int, patch_size: Size, loss: str, dimensions: int) -> list[Trial]:
    """What is tried for patches of one size, the cheapest first; networks of one width differ in the batch only."""
    stages = stages_for(patch_size, dimensions)
    rungs = _RUNGS[dimensions]
    if not has_width(key):
        rungs = sorted({(0, batch) for _, batch in rungs})
    return [Trial(network_of(key, outputs, width, stages), patch_size, batch, loss) for width, batch in rungs]
