"""What PythonQt and Qt would only print: kept here, so that a test fails on it.

An exception in a slot, a signal that does not exist, a warning of Qt and a dialog that nobody expected end nothing in the
application; PythonQt writes them to the console and goes on. `raise_first` turns them into the failure of the running test.
"""

from __future__ import annotations

import contextlib
import traceback

from PySide6 import QtCore

# What the platform plug-in "offscreen" says of itself, whatever the widgets do.
_OF_THE_PLATFORM = ("propagateSizeHints", "This plugin does not support")
_kept: list[str] = []


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


def listen_to_qt() -> None:
    """Keep each warning and error of Qt."""
    QtCore.qInstallMessageHandler(_on_message)


def _on_message(kind: QtCore.QtMsgType, context: QtCore.QMessageLogContext, message: str) -> None:
    if kind in (QtCore.QtMsgType.QtDebugMsg, QtCore.QtMsgType.QtInfoMsg) or any(text in message for text in _OF_THE_PLATFORM):
        return
    with contextlib.suppress(Exception):
        keep(f"Qt says: {message}")
