"""What went wrong, told in one sentence, and the exit status that goes with it."""

from __future__ import annotations

import sys
import traceback

from MedSegDLLib.errors import Cancelled, DeviceError, MedSegDLError

FAULT_OF_THE_PROGRAM = 1


def sentence_of(error: BaseException) -> str:
    """An error as a sentence for a person."""
    if isinstance(error, MedSegDLError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "Stopped as asked."
    if isinstance(error, MemoryError):
        return "There is too little memory for this image: close other programs, or segment a part of it with --roi."
    return fault_of_the_program(error, "what it prints with --debug")


def fault_of_the_program(error: BaseException, evidence: str) -> str:
    """That MedSegDL itself is wrong, and which `evidence` its developers need."""
    return f"MedSegDL has a fault ({type(error).__name__}: {error}): send {evidence} to its developers."


def exit_code_of(error: BaseException) -> int:
    """The exit status that an error stands for."""
    if isinstance(error, MedSegDLError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return Cancelled.exit_code
    return DeviceError.exit_code if isinstance(error, MemoryError) else FAULT_OF_THE_PROGRAM


def tell(error: BaseException, debug: bool, about: str = "") -> None:
    """Print an error's sentence on stderr, with the traceback before it if `debug`; `about` names what failed."""
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    print(f"{about}: {sentence_of(error)}" if about else sentence_of(error), file=sys.stderr)
