"""Processes with all that they start, so that they can be ended together (no slicer).

PythonSlicer is a launcher that starts the real Python and hands no signal on: a signal has to reach both.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any


def own_group() -> dict[str, Any]:
    """Arguments of Popen for a process in a group of its own, which a Ctrl-C in the caller's terminal does not reach."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def ask_group_to_end(process: subprocess.Popen) -> None:
    """The process and its children may still tidy up (not on Windows, where nobody can be asked)."""
    _end(process, getattr(signal, "SIGTERM", None))


def kill_group(process: subprocess.Popen) -> None:
    """End the process and its children at once, also children that outlived it.

    Nothing happens once its status has been taken (Popen.poll, wait): from then on its id may be another's.
    """
    _end(process, getattr(signal, "SIGKILL", None))


def _end(process: subprocess.Popen, number: int | None) -> None:
    if process.returncode is not None:
        return
    if sys.platform == "win32":
        subprocess.Popen(["taskkill", "/T", "/F", "/PID", str(process.pid)], creationflags=subprocess.CREATE_NO_WINDOW)
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
