"""From a run to a model in a zoo, with a card whose every number was measured."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from MedSegDLLib.atomic import put_folder, why
from MedSegDLLib.checkpoint import Model, load_model, save_weights
from MedSegDLLib.checksums import sha256_of
from MedSegDLLib.errors import InputError, ModelError, OutputError
from MedSegDLLib.labels import LabelTable, write_label_table
from MedSegDLLib.model_card import (
    CARD_FILE,
    LABELS_FILE,
    README_FILE,
    WEIGHTS_FILE,
    ModelCard,
    check_card,
    is_model_id,
)
from MedSegDLLib.model_card import JOB_FILE as MODEL_JOB_FILE
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.strict_json import write_json
from MedSegDLLib.zoo import bundled_zoo, user_zoo, verify_model
from MedSegDLTrainLib.compare import PairedComparison, paired
from MedSegDLTrainLib.job import TrainingJob, write_job
from MedSegDLTrainLib.measure import case_rows
from MedSegDLTrainLib.publish_card import CardTexts, card_of, readme_of, with_quality
from MedSegDLTrainLib.reporting.facts import RunFacts, comparison_sentence, facts_of, start_model
from MedSegDLTrainLib.run_folder import VALIDATION_FILE
from MedSegDLTrainLib.run_model import model_of_run

_Rows = Mapping[str, Sequence[Mapping]]


@dataclass(frozen=True)
class Conditions:
    """Where a model is published, and what is allowed; `device` measures it."""

    zoo: Path
    although_worse: bool = False
    replace: bool = False
    device: str = "cpu"


@dataclass(frozen=True)
class Published:
    """The model's folder and card, and how it compares with the model that it started from ("" without one)."""

    folder: Path
    card: ModelCard
    against: str


def publish(run: Path, model_id: str, texts: CardTexts, how: Conditions, tell: Callable[[str], None]) -> Published:
    """Measure the best weights of a run, rounded to half precision, and put them into a zoo as the model `model_id`.

    The folder is built beside, verified and renamed: the zoo has the whole model or is as before. Raises InputError if
    the run has no validation result or its model is worse than the one that it started from, ModelError for an id that
    cannot be used and weights that cannot be rounded, OutputError if the zoo cannot be written.
    """
    target = _place(model_id, how)
    facts = facts_of(run)
    if not facts.judging_cases or (facts.division.validation and not (run / VALIDATION_FILE).is_file()):
        raise InputError(
            f"{run} has no validation result, so nobody knows how good its model is: train with patients to validate on, or "
            "held out for ever, and let the run go on until its first validation."
        )
    try:
        how.zoo.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".publish-", dir=how.zoo) as beside:
            folder = Path(beside) / model_id
            folder.mkdir()
            card, against = _built(folder, facts, texts, how, tell)
            put_folder(folder, _place(model_id, how))  # asked again: measuring takes minutes
    except OSError as reason:
        raise OutputError(f"The model cannot be put into {how.zoo}: {why(reason)}. Nothing was changed.") from reason
    return Published(target, card, against)


def _place(model_id: str, how: Conditions) -> Path:
    if not is_model_id(model_id):
        raise ModelError(f"'{model_id}' cannot be a model's id: take 1 to 64 of a-z, 0-9 and _.")
    bundled = bundled_zoo()
    if how.zoo == user_zoo() and bundled and (bundled / model_id).exists():
        raise ModelError(f"The model '{model_id}' came with MedSegDL and would hide yours: choose another id.")
    target = how.zoo / model_id
    if target.exists() and not how.replace:
        raise ModelError(f"There is a model '{model_id}' in {how.zoo} already: choose another id, or add --replace.")
    return target


def _built(
    folder: Path, facts: RunFacts, texts: CardTexts, how: Conditions, tell: Callable[[str], None]
) -> tuple[ModelCard, str]:
    """Everything that a model's folder has, measured as a user would run it and verified."""
    found, (old, against) = model_of_run(facts.run, "best"), _old_model(facts.job)
    save_weights(found.network, folder / WEIGHTS_FILE, torch.float16)
    write_label_table(_label_table(found.labels, facts.folder, old), folder / LABELS_FILE)
    started = old.card.id if old else ""
    write_job(replace(facts.job, cases=facts.folder.name, start_from=started), folder / MODEL_JOB_FILE)
    card = card_of(facts, folder.name, texts, old, sha256_of(folder / WEIGHTS_FILE))
    check_card(card, "What was said of the model")
    write_json(card, folder / CARD_FILE)
    rows = _rows(load_model(folder), facts, how.device, tell)
    against = _against(old, rows, facts, how, tell) if old else against
    card = with_quality(card, facts, rows)
    write_json(card, folder / CARD_FILE)
    (folder / README_FILE).write_text(readme_of(card, against), encoding="utf-8")
    verify_model(folder)
    return card, against


def _old_model(job: TrainingJob) -> tuple[Model | None, str]:
    """The model that the job started from, or None and why there is none."""
    try:
        return start_model(job), ""
    except ModelError as reason:
        return None, f"It could not be compared with the model that it started from: {reason}"


def _label_table(table: LabelTable, folder: Path, old: Model | None) -> LabelTable:
    """Colours and codes of the case folder, or else of the model that the run started from, by name."""
    if old is None or (folder / LABELS_FILE).is_file():
        return table
    known = {label.name: label for label in old.labels.labels}
    return LabelTable(tuple(replace(known.get(label.name, label), value=label.value) for label in table.labels))


def _rows(model: Model, facts: RunFacts, device: str, tell: Callable[[str], None]) -> _Rows:
    """Every judging case, in float32: the figures of a card are the same on every machine."""
    options, rows = SegmentOptions(device=device, precision="float32"), {}
    for number, case in enumerate(facts.judging_cases, 1):
        tell(f"measuring {model.card.id} on case {number} of {len(facts.judging_cases)}: {case.name}")
        rows[case.name] = case_rows(model, facts.folder, case, facts.dataset, options, surfaces=True)
    return rows


def _against(old: Model, rows: _Rows, facts: RunFacts, how: Conditions, tell: Callable[[str], None]) -> str:
    """How the new model compares with the old one; raises InputError if it is worse and that was not allowed."""
    if not {label.name for label in old.labels.labels} & set(facts.dataset.labels):
        return f"It has no label in common with {old.card.id}, from which it started: there is nothing to compare."
    result = paired(_rows(old, facts, how.device, tell), rows, facts.patients, facts.job.validation.metric)
    if result is None:
        return f"It could not be compared with {old.card.id}, from which it started: no patient has a defined figure of both."
    sentence = comparison_sentence(result, old.card.id)
    if _is_worse(result) and not how.although_worse:
        raise InputError(f"{sentence} Nothing was published; add --although-worse to publish it all the same.")
    return sentence


def _is_worse(result: PairedComparison) -> bool:
    return result.verdict in ("worse", "worse so far")
