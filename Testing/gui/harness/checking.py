"""What must be so after each test."""

from __future__ import annotations

from . import dialogs, failures


def check() -> None:
    """HarnessFailure where a slot raised, Qt warned, a dialog came unexpectedly, or an expected one did not come."""
    unused = dialogs.take_unused()
    dialogs.take_shown()
    dialogs.take_opened()
    failures.raise_first()
    if unused:
        raise failures.HarnessFailure(f"No dialog asked for these answers: {unused}")
