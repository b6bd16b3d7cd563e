"""Why a job's values are what they are, for a person (standard library only)."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, is_dataclass

from MedSegDLTrainLib.job import TrainingJob


@dataclass(frozen=True)
class ReasonRow:
    """A setting by its name in the job, its value for a person, and why it has that."""

    setting: str
    value: str
    why: str


def reason_rows(job: TrainingJob) -> tuple[ReasonRow, ...]:
    """A row for each value that has a reason; one of a setting that the job does not have is left out."""
    return tuple(
        ReasonRow(name, shown(_value(job, name)), reason)
        for name, reason in job.reasons.items()
        if _value(job, name) is not _NONE
    )


_NONE = object()


def _value(job: TrainingJob, name: str) -> object:
    value: object = job
    for part in name.split("."):
        value = getattr(value, part, _NONE)
    return value


def shown(value: object) -> str:
    """A value of a job for a person: of a group of settings those that are not as usual."""
    if is_dataclass(value):
        changed = ((field.name, getattr(value, field.name)) for field in fields(value) if not _is_usual(field, value))
        return ", ".join(f"{name} {shown(item)}" for name, item in changed) or "as usual"
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(item)}" for name, item in value.items())
    if isinstance(value, tuple):
        return " ".join(shown(item) for item in value) or "none"
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


def _is_usual(field: object, instance: object) -> bool:
    value = getattr(instance, field.name)
    if field.default_factory is not MISSING:
        return value == field.default_factory()
    return field.default is not MISSING and value == field.default
