"""Training jobs from choices: the command that plans one, its text with reasons, and edited text read again (no slicer)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.errors import InputError
from MedSegDLLib.networks import NETWORKS
from MedSegDLTrainLib.job import TrainingJob, job_of_text
from MedSegDLTrainLib.job_reasons import ReasonRow, reason_rows

__all__ = ["JobWishes", "ReasonRow", "checked_job", "new_job_arguments", "reason_rows"]

PUBLISH_TEXTS = {
    "title": "Name of the model for people",
    "description": "What it marks in which images",
    "anatomy": "For example 'Heart, left ventricle'",
    "intended-use": "What it is to be used for",
    "data": "What it was trained on and where that comes from",
    "notes": "Anything else about the training",
    "licence": "Under which others may use it",
    "citation": "What to cite",
    "not-for": "What it must not be used for",
}
"""What a person may say of a model that is published, by the name of the option."""


@dataclass(frozen=True)
class JobWishes:
    """What a job is to be like: `like` (id of a model to go on from) or `network` (a key for fresh weights), one of both.

    `epochs` wins over `minutes`; without both the planner decides.
    """

    cases: Path
    like: str = ""
    network: str = ""
    minutes: float | None = None
    epochs: int | None = None
    seed: int = 1


def starting_networks() -> tuple[str, ...]:
    """The keys for `network`."""
    return tuple(NETWORKS)


def new_job_arguments(wishes: JobWishes, output: Path) -> tuple[str, ...]:
    """What CommandProcess is to run to plan a job, which takes a minute; `output` must not be there yet.

    Raises InputError for wishes that contradict each other.
    """
    if bool(wishes.like) == bool(wishes.network):
        raise InputError("Choose a model to go on from, or a network to begin with, not both.")
    begin = ("--like", wishes.like) if wishes.like else ("--network", wishes.network)
    minutes = () if wishes.minutes is None else ("--minutes", f"{wishes.minutes:g}")
    epochs = () if wishes.epochs is None else ("--epochs", str(wishes.epochs))
    command = ("-m", "MedSegDLLib", "train", "new", str(wishes.cases), *begin, *minutes, *epochs)
    return (*command, "--seed", str(wishes.seed), "--output", str(output))


def read_job_text(path: Path) -> str:
    """The text of a job's file; raises InputError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as reason:
        raise InputError(f"The job {path} cannot be read: {reason}.") from reason


def checked_job(text: str) -> TrainingJob:
    """The job that a text describes; raises InputError with a sentence that says what is wrong where."""
    return job_of_text(text, "The job")


def save_job_text(text: str, path: Path) -> None:
    """Check a text and write it whole or not at all; raises InputError, OutputError."""
    checked_job(text)
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")


def publish_arguments(
    run: Path,
    model_id: str,
    data_kind: str,
    texts: Mapping[str, str],
    replace: bool = False,
    although_worse: bool = False,
) -> tuple[str, ...]:
    """What CommandProcess is to run to make a model of a run, in the user's own zoo.

    `data_kind`, one of STATED_KINDS, is what the images of the cases are; `texts` have keys of PUBLISH_TEXTS. Raises InputError
    for a key that there is not.
    """
    if unknown := sorted(set(texts) - set(PUBLISH_TEXTS)):
        raise InputError(f"A model has no text '{unknown[0]}': there are {', '.join(PUBLISH_TEXTS)}.")
    said = [f"--{name}={text.strip()}" for name, text in texts.items() if text.strip()]
    said += ["--replace"] if replace else []
    said += ["--although-worse"] if although_worse else []
    return ("-m", "MedSegDLLib", "train", "publish", str(run), f"--id={model_id}", f"--data-kind={data_kind}", *said)
