"""Looking a name of a job up in a table of what there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from MedSegDLLib.errors import InputError

Entry = TypeVar("Entry")


def entry(table: Mapping[str, Entry], key: str, what: str) -> Entry:
    """The entry `key` of `table`; raises InputError that lists what is known. `what` is the kind of thing, for the sentence."""
    if key not in table:
        raise InputError(f"There is no {what} '{key}'; known are {', '.join(table)}.")
    return table[key]
