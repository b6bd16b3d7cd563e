"""The card and the README of a model that a run is published as: what is measured or known, and what a person says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from MedSegDLLib.checkpoint import Model
from MedSegDLLib.commands.text_table import plural
from MedSegDLLib.evaluation import spread
from MedSegDLLib.files import read_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.metrics import slice_axis
from MedSegDLLib.model_card import (
    CARD_VERSION,
    JOB_FILE,
    NOT_STATED,
    PARTLY_STATED,
    Expected,
    ModelCard,
    Quality,
    Training,
)
from MedSegDLTrainLib.cases import Case, label_path
from MedSegDLTrainLib.division import counted
from MedSegDLTrainLib.prepared import labels_of_job
from MedSegDLTrainLib.reporting.facts import RunFacts, amount, data_words

CARD_METRICS = ("dice", "surface_distance_mean_mm", "hd95_mm")

_MARGIN = 0.1  # by which images may differ from the cases before a person is warned


@dataclass(frozen=True)
class CardTexts:
    """What only a person can say of a model. Empty texts get defaults that claim nothing.

    `data_kind`, one of STATED_KINDS or NOT_STATED, is what the images of the cases are; of earlier ones the start model's
    card tells.
    """

    data_kind: str = NOT_STATED
    title: str = ""
    description: str = ""
    anatomy: str = ""
    intended_use: str = "A first segmentation, to be checked and corrected by a person before anything is measured from it."
    not_for: tuple[str, ...] = ()
    data: str = ""
    notes: str = ""
    licence: str = "Not stated: ask who trained it before you pass it on."
    citation: str = ""


def card_of(facts: RunFacts, model_id: str, texts: CardTexts, old: Model | None, weights_sha256: str) -> ModelCard:
    """The card, its quality still empty, of what a run has found."""
    job, names = facts.job, ", ".join(_names(facts))
    labels = f"Marks {names} in {facts.dataset.modality} images like those that it was trained on."
    return ModelCard(
        card_version=CARD_VERSION,
        id=model_id,
        title=texts.title or f"{names[:1].upper()}{names[1:]} in {facts.dataset.modality}",
        description=texts.description or f"{labels} Trained by a user on their own cases.",
        modality=facts.dataset.modality,
        anatomy=texts.anatomy or _anatomy(facts, old),
        intended_use=texts.intended_use,
        not_for=("Not for diagnosis or treatment decisions: it is research software.", *texts.not_for),
        network=job.network,
        preprocessing=job.preprocessing,
        inference=job.inference,
        postprocessing=job.postprocessing,
        training=_training(facts, texts, old),
        quality=(),
        licence=texts.licence,
        citation=texts.citation,
        weights_sha256=weights_sha256,
        expected=expected_of([read_labelmap(label_path(facts.folder, case)).geometry for case in _seen(facts)]),
    )


def with_quality(card: ModelCard, facts: RunFacts, rows: Mapping[str, Sequence[Mapping]]) -> ModelCard:
    """The card with what was measured: `rows` of `measure.case_rows` with surfaces, by case."""
    data = f"{amount(facts.judging_cases)} {data_words(facts)}. One value a case, float32."
    return replace(card, quality=tuple(quality_rows(rows, data)))


def quality_rows(rows: Mapping[str, Sequence[Mapping]], data: str) -> list[Quality]:
    """One row of a card's table for each label and metric that is defined for a case."""
    by_label: dict[str, list[Mapping]] = {}
    for row in (row for labels in rows.values() for row in labels):
        by_label.setdefault(row["name"], []).append(row)
    return [
        Quality(
            data,
            figures.count,
            name,
            metric,
            round(figures.mean, 4),
            round(figures.standard_deviation, 4),
            round(figures.worst, 4),
        )
        for name, members in by_label.items()
        for metric in CARD_METRICS
        if (figures := spread([row[metric] for row in members], metric))
    ]


def expected_of(grids: Sequence[Geometry]) -> Expected:
    """In-plane spacing and field of view from the smallest to the largest of `grids`, and a tenth beyond."""
    spacings, extents = [], []
    for grid in grids:
        in_plane = [axis for axis in range(3) if axis != 2 - slice_axis(grid)]
        spacings += [grid.spacing[axis] for axis in in_plane]
        extents += [grid.spacing[axis] * grid.size[axis] for axis in in_plane]
    return Expected(_widened(spacings), _widened(extents))


def readme_of(card: ModelCard, against: str) -> str:
    """README.md of the model's folder; `against` is a sentence on the model that it started from, or empty."""
    training = card.training
    amounts = f"{plural(training.patients, 'patient')}, {plural(training.cases, 'case')}"
    parts = [
        f"# {card.id}: {card.title}",
        f"{card.description} Research software, not for diagnosis.",
        f"Intended use: {card.intended_use}",
        "## Not for",
        "\n".join(f"- {sentence}" for sentence in card.not_for),
        "## Trained on",
        f"{training.data} {amounts}; {training.images}.",
        training.notes,
        "## Network and training",
        f"`{card.network.key}`; `{JOB_FILE}` has every number of the training.",
        "## Measured",
        card.quality[0].data,
        _quality_table(card.quality),
        against,
        f"Licence: {card.licence}",
        f"Citation: {card.citation}" if card.citation else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _anatomy(facts: RunFacts, old: Model | None) -> str:
    """Where the start model marks one of the labels, that of its card; so both stand in one group of the list of models."""
    names = _names(facts)
    goes_on = old is not None and not {label.name for label in old.labels.labels}.isdisjoint(names)
    return old.card.anatomy if goes_on else ", ".join(names)


def _names(facts: RunFacts) -> tuple[str, ...]:
    return labels_of_job(facts.job, facts.dataset)


def _seen(facts: RunFacts) -> tuple[Case, ...]:
    """Cases that the weights come from or were chosen by."""
    return facts.division.training + facts.division.validation


def _training(facts: RunFacts, texts: CardTexts, old: Model | None) -> Training:
    division = facts.division
    never = {case.patient for case in division.held_out + division.validation}
    statuses = [case.status for case in division.training]
    how = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    notes = [texts.notes]
    if division.validation:
        notes.append(f"The best weights were chosen by {amount(division.validation)} that were not trained on.")
    if old:
        notes.append(f"Started from the weights of {old.card.id}, trained on: {old.card.training.data.rstrip('.')}.")
        if never - set(old.card.training.held_out):
            notes.append("Whether that model had seen the patients named here as never trained on, its card does not say.")
    elif facts.job.start_from:
        gone = Path(facts.job.start_from).name
        notes.append(f"Started from the weights of {gone}, whose card is no longer there to say what they had been trained on.")
    return Training(
        data=texts.data or f"Cases of a user ({facts.dataset.modality}); labels: {how}.",
        data_kind=_kind_of_images(facts, texts, old),
        **counted(division.training),
        held_out=tuple(sorted(never)),
        notes=" ".join(filter(None, notes)),
        job=JOB_FILE,
    )


def _kind_of_images(facts: RunFacts, texts: CardTexts, old: Model | None) -> str:
    """Of those that the weights have ever seen; nobody knows which a start model had seen that is no longer there."""
    kinds = {texts.data_kind}
    if facts.job.start_from:
        kinds.add(old.card.training.data_kind if old else NOT_STATED)
    if len(kinds) == 1:
        return kinds.pop()
    if not kinds & {NOT_STATED, PARTLY_STATED}:
        return "real and synthetic"
    return PARTLY_STATED if any("synthetic" in kind for kind in kinds) else NOT_STATED


def _widened(values: Sequence[float]) -> tuple[float, float]:
    return float(f"{min(values) * (1 - _MARGIN):.3g}"), float(f"{max(values) * (1 + _MARGIN):.3g}")


def _quality_table(quality: Sequence[Quality]) -> str:
    lines = ["| label | measure | cases | mean ± standard deviation | worst |", "|---|---|---|---|---|"]
    for row in quality:
        cells = (row.label.replace("|", "/"), row.metric, str(row.cases))
        lines.append(f"| {' | '.join(cells)} | {row.mean:.3f} ± {row.standard_deviation:.3f} | {row.worst:.3f} |")
    return "\n".join(lines)
