"""Pictures of the widgets, twice as fine as the screen, each with a banner that says what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from . import driving
from .wrappers import InstanceWrapper, unwrap

FOLDER = Path(__file__).parents[1] / "pictures"
BANNER = "test harness, not Slicer"
_HEIGHT = 22


def grab(widget: Any, name: str) -> Path:
    """Write Testing/gui/pictures/NAME.png of a widget, or of the panel of a module's widget object; its whole height."""
    inner = unwrap(widget if isinstance(widget, (InstanceWrapper, QtWidgets.QWidget)) else widget.parent)
    if inner.isWindow() and inner.layout() is not None:
        inner.resize(inner.width(), max(inner.layout().totalHeightForWidth(inner.width()), inner.sizeHint().height()))
    driving.process_events(0.05)
    picture = QtGui.QImage(inner.width() * 2, (inner.height() + _HEIGHT) * 2, QtGui.QImage.Format_RGB32)
    picture.setDevicePixelRatio(2.0)
    picture.fill(inner.palette().color(QtGui.QPalette.Window))
    painter = QtGui.QPainter(picture)
    inner.render(painter, QtCore.QPoint(0, _HEIGHT))
    band = QtCore.QRect(0, 0, inner.width(), _HEIGHT)
    painter.fillRect(band, QtGui.QColor("#ffd75f"))
    painter.setPen(QtGui.QColor("black"))
    painter.drawText(band, QtCore.Qt.AlignCenter, BANNER)
    painter.end()
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.png"
    picture.save(str(path))
    return path
