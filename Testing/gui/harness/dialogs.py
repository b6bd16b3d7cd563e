"""Dialogs never wait for a person: the test says beforehand what is answered, and an unexpected dialog fails it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6 import QtCore, QtWidgets

from . import failures, members

Answer = str | list[str] | None | Callable[[Any], Any]
_answers: list[Answer] = []
_shown: list[Dialog] = []


@dataclass(frozen=True)
class Dialog:
    """A dialog that was opened: its kind ("QMessageBox", "getOpenFileName" …), title and text."""

    kind: str
    title: str
    text: str


def answer(*answers: Answer) -> None:
    """What the next dialogs get: a button's name ("Yes"), a path (None: cancelled), or a function of the dialog."""
    _answers.extend(answers)


def take_shown() -> list[Dialog]:
    """The dialogs since the last call, oldest first."""
    taken = _shown[:]
    _shown.clear()
    return taken


def take_unused() -> list[Answer]:
    """Answers that no dialog asked for; afterwards there are none."""
    taken = _answers[:]
    _answers.clear()
    return taken


_MISSING = object()


def _next(dialog: Dialog) -> Any:
    _shown.append(dialog)
    if _answers:
        return _answers.pop(0)
    failures.keep(f"A dialog that the test does not expect: {dialog.kind} '{dialog.title}': {dialog.text}")
    return _MISSING


def _execute(dialog: QtWidgets.QDialog) -> int:
    from .wrappers import wrap

    given = _next(Dialog(type(dialog).__name__, dialog.windowTitle().strip(), dialog.property("text") or ""))
    if given is _MISSING or given is None:
        return int(QtWidgets.QDialog.Rejected)
    if callable(given):
        result = given(wrap(dialog))
        return dialog.result() if result is None else int(result)
    return int(QtWidgets.QDialog.Accepted)


def _executeMessage(dialog: QtWidgets.QMessageBox) -> Any:
    from .wrappers import wrap

    given = _next(Dialog(type(dialog).__name__, dialog.windowTitle().strip(), dialog.text()))
    if callable(given):
        given = given(wrap(dialog))
    return _button(given, dialog.standardButtons())


def _button(given: Any, offered: QtWidgets.QMessageBox.StandardButton) -> int:
    """The button's number, as exec_() returns it; without an answer what Escape would press."""
    if given is _MISSING or given is None:
        given = "Cancel" if offered & QtWidgets.QMessageBox.Cancel else "No" if offered & QtWidgets.QMessageBox.No else "Ok"
    button = QtWidgets.QMessageBox.StandardButton[given]
    if offered and not offered & button:
        failures.keep(f"The dialog has no button '{given}'")
    return button.value


def _static(kind: str) -> Callable:
    def asked(parent: Any = None, title: str = "", text: str = "", buttons: Any = None, *_: Any) -> Any:
        offered = QtWidgets.QMessageBox.Ok if buttons is None and kind != "question" else buttons
        if offered is None:
            offered = QtWidgets.QMessageBox.Yes | QtWidgets.QMessageBox.No
        return _button(_next(Dialog(kind, title, text)), offered)

    return asked


def chooseFolder(title: str) -> str:
    """What the next file dialog answers, "" when it is cancelled."""
    return _path("getExistingDirectory", title)


def chooseFile(title: str, writing: bool) -> str:
    """As chooseFolder, for a file to open, or to write."""
    return _path("getSaveFileName" if writing else "getOpenFileName", title)


def _path(kind: str, title: str) -> Any:
    given = _next(Dialog(kind, title, ""))
    if given is _MISSING or given is None:
        return [] if kind == "getOpenFileNames" else ""
    return given


def _fileDialog(kind: str) -> Callable:
    def asked(parent: Any = None, caption: str = "", *_: Any) -> Any:
        return _path(kind, caption)

    return asked


def askText(title: str, label: str) -> str:
    """What the next dialog for a line of text answers, "" when it is cancelled."""
    given = _next(Dialog("getText", title, label))
    return "" if given is _MISSING or given is None else given


def _text(parent: Any = None, title: str = "", label: str = "", *_: Any) -> str:
    return askText(title, label)


_opened: list[str] = []


def take_opened() -> list[str]:
    """The addresses that code asked the desktop to open since the last call; nothing is opened."""
    taken = _opened[:]
    _opened.clear()
    return taken


def _openUrl(url: QtCore.QUrl) -> bool:
    _opened.append(url.toString())
    return True


def take_over() -> None:
    """From now on the dialogs that code opens through `qt` are answered from the queue."""
    members.instead.update({"QMessageBox.exec": _executeMessage, "QDialog.exec": _execute, "QInputDialog.getText": _text})
    members.instead["QDesktopServices.openUrl"] = _openUrl
    for kind in ("question", "information", "warning", "critical"):
        members.instead[f"QMessageBox.{kind}"] = _static(kind)
    for kind in ("getOpenFileName", "getOpenFileNames", "getSaveFileName", "getExistingDirectory"):
        members.instead[f"QFileDialog.{kind}"] = _fileDialog(kind)
