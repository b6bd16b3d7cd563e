"""What PythonQt and Qt would only print: kept here, so that a test fails on it.

An exception in a slot, a signal that does not exist, a warning of Qt and a dialog that nobody expected end nothing in the
application; PythonQt writes them to the console and goes on. `raise_first` turns them into the failure of the running test.
A script on the harness shows at its end what nobody took, and ends with status 1.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import traceback
from types import TracebackType

import vtk
from PySide6 import QtCore

# What the platform plug-in "offscreen" says of itself, whatever the widgets do.
_OF_THE_PLATFORM = ("propagateSizeHints", "This plugin does not support")
_kept: list[str] = []
_observers: list[int] = []


class HarnessFailure(AssertionError):
    """Something went wrong where the application would only have written to its console."""


def keep(sentence: str) -> None:
    _kept.append(sentence)


def keep_exception(where: str) -> None:
    """Called while an exception is handled."""
    _kept.append(f"An exception left {where}:\n{traceback.format_exc()}")


def take() -> list[str]:
    """All that was kept; afterwards nothing is."""
    taken = _kept[:]
    _kept.clear()
    return taken


def raise_first() -> None:
    if kept := take():
        raise HarnessFailure("\n".join(kept))


def listen() -> None:
    """Keep each warning of Qt, each error of VTK, and each exception that PySide6 or VTK would only print."""
    atexit.register(_show_what_is_left)
    QtCore.qInstallMessageHandler(_on_message)
    sys.excepthook = _on_exception
    window = vtk.vtkOutputWindow.GetInstance()
    _observers.append(window.AddObserver(vtk.vtkCommand.ErrorEvent, _on_error))


def listen_no_more() -> None:
    atexit.unregister(_show_what_is_left)
    QtCore.qInstallMessageHandler(None)
    sys.excepthook = sys.__excepthook__
    while _observers:
        vtk.vtkOutputWindow.GetInstance().RemoveObserver(_observers.pop())


def _on_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """PyErr_Print, which PySide6 and VTK's observers call, comes here; so does what ends a script."""
    if trace is not None and trace.tb_frame.f_back is None:  # nothing called the frame: the script itself failed
        sys.__excepthook__(kind, error, trace)
    else:
        _kept.append("An exception was printed only:\n" + "".join(traceback.format_exception(kind, error, trace)))


def _show_what_is_left() -> None:
    if kept := take():
        print("\n".join(kept), file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(1)  # an interpreter that is already ending can be given a status in no other way


@vtk.calldata_type(vtk.VTK_STRING)
def _on_error(window: vtk.vtkOutputWindow, event: str, text: str = "") -> None:
    keep(f"VTK says: {text}")


def _on_message(kind: QtCore.QtMsgType, context: QtCore.QMessageLogContext, message: str) -> None:
    if kind in (QtCore.QtMsgType.QtDebugMsg, QtCore.QtMsgType.QtInfoMsg) or any(text in message for text in _OF_THE_PLATFORM):
        return
    with contextlib.suppress(Exception):
        keep(f"Qt says: {message}")
