"""Stand-in for Slicer's qMRMLWidget: a panel that hands its scene on."""

from __future__ import annotations

import slicer
from PySide6 import QtWidgets
from PySide6.QtCore import Signal, Slot


class qMRMLWidget(QtWidgets.QWidget):
    """Its signal mrmlSceneChanged is connected in the .ui to what needs the scene."""

    mrmlSceneChanged = Signal(object)
    cppSignatures = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged(PyObject)"}  # noqa: RUF012

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = None

    @Slot(result=object)
    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._scene

    @Slot(object)
    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)
