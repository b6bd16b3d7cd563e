"""Numbers of slices as people write them (standard library only)."""

from __future__ import annotations

from MedSegDLLib.errors import InputError


def numbers_of(text: str) -> tuple[int, ...]:
    """ "0,2,5-7" to (0, 2, 5, 6, 7); raises InputError for anything else."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)):
            raise InputError(f"'{text}' is no list of slices; write it like 0,2,5-9.")
        numbers.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(numbers))
