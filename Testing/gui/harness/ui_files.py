"""qt.QUiLoader: Qt's own loader, with the stand-ins as custom widgets and the connections made by the harness.

The file's connections are taken out before Qt sees them and made through PythonQt's names, because the stand-ins' signals carry
MRML nodes as Python objects, under other signatures than in Slicer.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import failures, members, signals
from .enums import enumMember

# Class name in the .ui to the stand-in; start.py fills it.
customWidgets: dict[str, type[QtWidgets.QWidget]] = {}


class QUiLoader(QtUiTools.QUiLoader):
    """Loads a .ui file; a widget that the harness does not know is an error, not an empty widget."""

    def load(self, device: QtCore.QIODevice, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget:
        root = ElementTree.fromstring(bytes(device.readAll().data()))
        found = root.find("connections")
        if found is not None:
            root.remove(found)
        for flags in [element for element in root.iter("set") if (element.text or "").partition("::")[0] in customWidgets]:
            flags.tag, flags.text = "number", str(_number(flags.text))
        content = QtCore.QBuffer()
        content.setData(ElementTree.tostring(root))
        content.open(QtCore.QIODevice.ReadOnly)
        widget = super().load(content, parent)
        for connection in found if found is not None else ():
            _connect(widget, *(connection.findtext(tag) for tag in ("sender", "signal", "receiver", "slot")))
        return widget

    def createWidget(self, className: str, parent: QtWidgets.QWidget | None = None, name: str = "") -> QtWidgets.QWidget:
        if className in customWidgets:
            widget = customWidgets[className](parent)
            widget.setObjectName(name)
            return widget
        if className not in self.availableWidgets():
            failures.keep(f"The .ui file has a widget that the harness does not know: {className} '{name}'")
        return super().createWidget(className, parent, name)


def _number(flags: str) -> int:
    """ "ctkPathLineEdit::Dirs|ctkPathLineEdit::Readable" as the number that the stand-in's property takes."""
    number = 0
    for flag in flags.split("|"):
        className, _, name = flag.partition("::")
        number |= int(enumMember(customWidgets[className], name))
    return number


def _connect(root: QtWidgets.QWidget, sender: str, signal: str, receiver: str, slot: str) -> None:
    source, target = (
        root if root.objectName() == name else root.findChild(QtCore.QObject, name) for name in (sender, receiver)
    )
    slotName = slot.partition("(")[0]
    if source is None or target is None or members.method(type(target), slotName) is None:
        failures.keep(f"The .ui file connects what does not exist: {sender} {signal} to {receiver} {slot}")
        return
    function = getattr(target, slotName)
    count = 0 if slot.endswith("()") else None
    signals.connect(source, signal, function, lambda *arguments: function(*arguments[:count]))
