"""`medsegdl batch` as a script of the Slicer application: the same options, messages, files and exit status.

    Slicer --no-main-window --python-script FOLDER/MedSegDLBatch.py --input FOLDER --model ID --output FOLDER
    Slicer --no-main-window --python-script FOLDER/MedSegDLBatch.py --slicer-database --model ID --output FOLDER
    python MedSegDLBatch.py --input FOLDER --model ID --output FOLDER          (no Slicer needed)

--slicer-database stands for the DICOM database that the application has open. Slicer keeps --help for itself: `medsegdl batch
--help` shows all options. The work is done in a process of its own, so that nothing heavy is loaded into the application, and
the application always ends, with the exit status of the batch. That process ends with this one, by whatever means this ends.

Only ASCII in this file: Slicer reads a script in the encoding of the system's language, which in a container often has no more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_SLICER_DATABASE = "--slicer-database"
_FAULT_OF_THE_PROGRAM = 1
_BAD_USE = 2
_TOO_LITTLE_MEMORY = 3
_SECONDS_BETWEEN_LOOKS = 0.05
_TO_PASS_ON = (signal.SIGINT, signal.SIGTERM)


def main(arguments: Sequence[str]) -> int:
    """Run the batch and return its exit status; every error is one sentence on stderr."""
    try:
        return _run(_withDatabase(arguments))
    except LookupError as error:
        print(error, file=sys.stderr)
        return _BAD_USE
    except Exception as error:  # the application must end, whatever it was
        print(f"The batch could not be started ({type(error).__name__}: {error}).", file=sys.stderr)
        return _FAULT_OF_THE_PROGRAM


def application() -> object | None:
    """slicer.app of the running application; None under plain Python and under slicer-core."""
    try:
        import slicer
    except ImportError:
        return None
    return getattr(slicer, "app", None)


def _withDatabase(arguments: Sequence[str]) -> list[str]:
    """The arguments with --slicer-database replaced by the folder of the database; raises LookupError if there is none."""
    if _SLICER_DATABASE not in arguments:
        return list(arguments)
    database = None
    if application() is not None:
        import slicer

        database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        raise LookupError(
            "No DICOM database of Slicer is open: open the module 'DICOM' once, or name its folder with --dicom-database."
        )
    at = list(arguments).index(_SLICER_DATABASE)
    return [*arguments[:at], "--dicom-database", database.databaseDirectory, *arguments[at + 1 :]]


def _run(arguments: Sequence[str]) -> int:
    """Run `medsegdl batch` with this process's output and return its exit status."""
    from MedSegDLScene.interpreter import this_interpreter
    from MedSegDLScene.slicer_python import slicerInterpreter

    interpreter = this_interpreter() if application() is None else slicerInterpreter()
    command = [*interpreter.command, "-m", "MedSegDLLib.with_caller", "batch", *arguments]
    # A session of its own: PythonSlicer starts Python as its child and passes no signals on, but a whole group can get them.
    process = subprocess.Popen(command, env=interpreter.environment, stdin=subprocess.PIPE, start_new_session=True)
    # Ctrl-C, too: the application, which Slicer lets die of it at once, would leave the batch behind.
    before = {number: signal.signal(number, lambda number, frame: _passOn(number, process)) for number in _TO_PASS_ON}
    try:
        while process.poll() is None:
            _letTheApplicationWork()
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: of the application's, not Python's
    return process.returncode if process.returncode >= 0 else _statusAfter(-process.returncode)


def _statusAfter(number: int) -> int:
    """The exit status of a batch that a signal has ended, which could not say anything itself."""
    if number == getattr(signal, "SIGKILL", None):
        why = "was ended by the system, most likely because memory ran out: close other programs"
        print(f"The batch {why}, then go on with --resume.", file=sys.stderr)
        return _TOO_LITTLE_MEMORY
    if number not in _TO_PASS_ON:
        print(f"The batch crashed ({signal.Signals(number).name}): go on with --resume, and --device cpu.", file=sys.stderr)
        return _FAULT_OF_THE_PROGRAM
    return 128 + number  # as a shell tells of a signal


def _letTheApplicationWork() -> None:
    if (running := application()) is not None:
        running.processEvents()
    time.sleep(_SECONDS_BETWEEN_LOOKS)


def _passOn(number: int, process: subprocess.Popen) -> None:
    """The batch stops, and says how far it came."""
    with suppress(OSError):  # it has ended just now
        if sys.platform == "win32":  # Ctrl-C reaches every process of a console there
            process.terminate()
        else:
            os.killpg(process.pid, number)


def _end(status: int) -> None:
    """End the program; the application does not end by itself after a script."""
    if application() is None:
        sys.exit(status)
    import slicer

    slicer.util.exit(status)


def _addPackages() -> None:
    """Where MedSegDLScene and MedSegDLLib lie, in the repository as in the installed extension: one folder up."""
    folder = str(Path(__file__).resolve().parents[1])
    if folder not in sys.path:
        sys.path.insert(0, folder)


if __name__ == "__main__":
    _addPackages()
    _end(main(sys.argv[1:]))
