"""A job that goes on from a model of the zoo: its network, preparation and weights, on other cases and perhaps other labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from MedSegDLLib.errors import InputError
from MedSegDLLib.model_card import JOB_FILE, Inference, ModelCard, NetworkSpec, Postprocessing
from MedSegDLLib.zoo import find_model, read_model
from MedSegDLTrainLib.job import Augmentation, Optimisation, Sampling, TrainingJob, read_job
from MedSegDLTrainLib.planning.cases import check_trainable, reasons_of_cases
from MedSegDLTrainLib.planning.cost import Machine, Trial
from MedSegDLTrainLib.planning.fingerprint import Fingerprint, read_fingerprint
from MedSegDLTrainLib.planning.fit import Budget, Fit, fitting, lacking_memory
from MedSegDLTrainLib.planning.network import dimensions_of, outputs_of
from MedSegDLTrainLib.planning.patch import shrinking
from MedSegDLTrainLib.planning.training import (
    empty_slices,
    planned_augmentation,
    planned_loss,
    planned_optimisation,
    planned_sampling,
    side_names,
)
from MedSegDLTrainLib.planning.wishes import Usual, Wishes, budget_of, lasting, steps_of

_USUAL = {2: Usual(epochs=8, least_steps=500, minutes=30), 3: Usual(epochs=8, least_steps=500, minutes=120)}
_BATCH = {2: 12, 3: 2}  # where the model does not say
_RATE = 0.25  # of the learning rate from scratch; blends keep what that would lose
_BLENDS = (0.5, 0.75)


@dataclass(frozen=True)
class Former:
    """The model to go on from: its card, its labels' names in the order of its classes, its job if that can be read."""

    card: ModelCard
    labels: tuple[str, ...]
    job: TrainingJob | None

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return dimensions_of(self.card.network.key)


def read_former(model_id: str) -> Former:
    """The model of the zoo; raises ModelError if there is none or it is damaged."""
    folder = find_model(model_id)
    card, table = read_model(folder)
    return Former(card, tuple(label.name for label in table.labels), _readable_job(folder / JOB_FILE))


def _readable_job(path: Path) -> TrainingJob | None:
    """None for a job that is absent or of an earlier format: the card says all that is needed."""
    try:
        return read_job(path)
    except InputError:
        return None


def job_like(folder: Path, wishes: Wishes, machine: Machine) -> TrainingJob:
    """The job that goes on from the model `wishes.like`; raises ModelError if there is none, InputError for useless cases."""
    former = read_former(wishes.like)
    found = read_fingerprint(folder, former.card.preprocessing.orientation)
    check_trainable(found, folder)
    _check_channels(former.card)
    labels, network, inference, why_labels = _outputs(former, found)
    loss, why_loss = _loss(former, found)
    fit = _fit(former, network, loss, machine, budget_of(wishes, _USUAL[former.dimensions]))
    sampling, why_sampling = _sampling(former, found, fit)
    augmentation, why_changes = _augmentation(former, found)
    optimisation, why_long = _optimisation(former, labels == former.labels, wishes, fit, machine)
    cases = reasons_of_cases(found, folder)
    labels_too = {"labels": f"{why_labels}; {cases['labels']}"}
    reasons = (cases, labels_too, _copied(former, found), why_sampling, why_changes, why_loss, why_long)
    return TrainingJob(
        cases=str(folder),
        network=network,
        preprocessing=former.card.preprocessing,
        sampling=sampling,
        optimisation=optimisation,
        inference=inference,
        loss=loss,
        seed=wishes.seed,
        labels=labels,
        augmentation=augmentation,
        postprocessing=_postprocessing(former, labels),
        start_from=former.card.id,
        reasons={name: why for part in reasons for name, why in part.items()},
    )


def _check_channels(card: ModelCard) -> None:
    if card.network.in_channels != 1:
        raise InputError(f"The model {card.id} takes {card.network.in_channels} channels, but a case has one: use another.")


def _copied(former: Former, found: Fingerprint) -> dict[str, str]:
    """Why for all that is the model's own."""
    name = former.card.id
    return {
        "start_from": f"the weights of {name} are taken over, the last layer's by label name",
        "network": f"that of {name}, so that its weights fit",
        "preprocessing": f"as the weights of {name} were trained" + _other_modality(former, found),
        "inference": f"as {name} is used",
        "postprocessing": f"that of {name}, for labels that both have",
    }


def _other_modality(former: Former, found: Fingerprint) -> str:
    if former.card.modality.upper() == found.modality.upper():
        return ""
    return f"; CAREFUL: {former.card.id} was made for {former.card.modality}, these cases are {found.modality}"


def _outputs(former: Former, found: Fingerprint) -> tuple[tuple[str, ...], NetworkSpec, Inference, str]:
    """Labels in the order of the classes, and the network and inference that tell them apart."""
    card, sided = former.card, _new_sides(former, found)
    inference = replace(card.inference, mirror_axes="" if sided else card.inference.mirror_axes)
    if set(former.labels) == set(found.labels):
        return former.labels, card.network, inference, f"those of {card.id}, in its order"
    outputs, activation = outputs_of(found.labels)
    why = f"those of the case folder ({_compared(former.labels, found.labels)})"
    return found.labels, replace(card.network, out_channels=outputs), replace(inference, activation=activation), why


def _compared(before: tuple[str, ...], now: tuple[str, ...]) -> str:
    new, gone = [label for label in now if label not in before], [label for label in before if label not in now]
    parts = [f"new: {', '.join(new)}"] * bool(new) + [f"no longer: {', '.join(gone)}"] * bool(gone)
    return "; ".join(parts)


def _new_sides(former: Former, found: Fingerprint) -> list[str]:
    """Labels that say left or right and that the model does not know."""
    return [label for label in side_names(found.labels) if label not in former.labels]


def _loss(former: Former, found: Fingerprint) -> tuple[str, dict[str, str]]:
    if former.job:
        return former.job.loss, {"loss": f"that of {former.card.id}"}
    return planned_loss(found.labels)


def _fit(former: Former, network: NetworkSpec, loss: str, machine: Machine, budget: Budget) -> Fit:
    """The model's batch, or a half or a quarter of it if more steps are needed; a smaller patch only for want of memory."""
    dimensions = former.dimensions
    wanted = former.job.sampling.patch_size if former.job else former.card.inference.patch_size
    batch = former.job.sampling.batch_size if former.job else _BATCH[dimensions]
    batches = sorted({max(batch // 4, 1), max(batch // 2, 1), batch})
    ladders = [[Trial(network, size, count, loss) for count in batches] for size in shrinking(wanted, dimensions)]
    in_memory = [ladder for ladder in ladders if not lacking_memory(ladder[0], machine)]
    return fitting((in_memory or ladders[-1:])[:1], machine, budget)


def _sampling(former: Former, found: Fingerprint, fit: Fit) -> tuple[Sampling, dict[str, str]]:
    patch, batch, name = fit.trial.patch_size, fit.trial.batch_size, former.card.id
    smaller = former.card.inference.patch_size != patch
    reasons = {
        "sampling.patch_size": f"that of {name}" if not smaller else "as large as memory allows",
        "sampling.batch_size": fit.why,
    }
    if former.job is None:
        planned, why = planned_sampling(found, patch, batch, former.card.preprocessing.spacing)
        return planned, why | reasons
    empty, why_empty = empty_slices(found)
    chosen = replace(former.job.sampling, patch_size=patch, batch_size=batch, empty_slice_fraction=empty)
    reasons |= {"sampling.sampler": f"that of {name}", "sampling.empty_slice_fraction": why_empty}
    return chosen, reasons


def _augmentation(former: Former, found: Fingerprint) -> tuple[Augmentation, dict[str, str]]:
    """The model's own; flips end where a new label tells left from right."""
    sided = _new_sides(former, found)
    if former.job is None:
        mirrored = bool(former.card.inference.mirror_axes)
        return planned_augmentation(found, former.dimensions, tuple(sided) if mirrored else found.labels, mild=True)
    reasons = {"augmentation": f"that of {former.card.id}"}
    if not sided:
        return former.job.augmentation, reasons
    why = f"off: the new label '{sided[0]}' tells left from right, and a mirror image would swap them"
    reasons |= {"augmentation.flips": why, "augmentation.right_angles": why}
    return replace(former.job.augmentation, flips="", right_angles=False), reasons


def _optimisation(
    former: Former, same_labels: bool, wishes: Wishes, fit: Fit, machine: Machine
) -> tuple[Optimisation, dict[str, str]]:
    usual = _USUAL[former.dimensions]
    planned, reasons = planned_optimisation(steps_of(wishes, usual, fit), former.dimensions)
    if former.job:
        planned = replace(former.job.optimisation, average_decay=planned.average_decay)
        reasons = {"optimisation.optimizer": f"that of {former.card.id}"}
    reasons["optimisation.learning_rate"] = f"a quarter of {planned.learning_rate:g}: trained weights need to move little"
    planned = replace(planned, learning_rate=_RATE * planned.learning_rate, blends=_BLENDS if same_labels else ())
    if same_labels:
        reasons["optimisation.blends"] = "means of old and new weights often do best on patients like the old and the new ones"
    optimisation, why_long = lasting(planned, wishes, usual, fit, machine)
    return optimisation, reasons | why_long


def _postprocessing(former: Former, labels: tuple[str, ...]) -> Postprocessing:
    """The model's, for labels that are still there."""
    whole = former.card.postprocessing
    largest, holes = ([label for label in names if label in labels] for names in (whole.largest_component, whole.fill_holes))
    return replace(whole, largest_component=tuple(largest), fill_holes=tuple(holes))
