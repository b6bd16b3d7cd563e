"""Stand-ins for the application object (slicer.app), its main window, its module manager and its layout manager.

Only what the two modules and slicer.util ask for; a request to show a layout or to select a module is written down, not obeyed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import slicer
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal, Slot


class qSlicerLayoutManager(QtCore.QObject):
    """The layout is a number that is kept; there are no views."""

    layoutChanged = Signal(int)

    def __init__(self, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._layout = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView

    @Slot(int)
    def setLayout(self, layout: int) -> None:
        self._layout = layout
        self.layoutChanged.emit(layout)

    layout = Property(int, lambda self: self._layout, setLayout, notify=layoutChanged)
    threeDViewCount = Property(int, lambda self: 0)
    tableViewCount = Property(int, lambda self: 0)
    plotViewCount = Property(int, lambda self: 0)

    @Slot(result=object)
    def sliceViewNames(self) -> list[str]:
        return []

    @Slot()
    def resetSliceViews(self) -> None:
        """No views."""

    @Slot()
    def resetThreeDViews(self) -> None:
        """No views."""


class qSlicerModuleSelectorToolBar(QtWidgets.QToolBar):
    """Keeps which module was selected."""

    moduleSelected = Signal(str)

    def __init__(self, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self._selected = ""

    @Slot(str)
    def selectModule(self, name: str) -> None:
        self._selected = name
        self.moduleSelected.emit(name)

    selectedModule = Property(str, lambda self: self._selected)


class qSlicerMainWindow(QtWidgets.QMainWindow):
    """An empty main window, never shown: parent of dialogs, with the module selector and a status bar."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self._selector = qSlicerModuleSelectorToolBar(self)

    @Slot(result=QtCore.QObject)
    def moduleSelector(self) -> QtWidgets.QToolBar:
        return self._selector


class qSlicerModuleManager(QtCore.QObject):
    """Knows the modules that the harness opened."""

    moduleLoaded = Signal(str)
    moduleAboutToBeUnloaded = Signal(str)

    def __init__(self, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self.known: dict[str, QtCore.QObject] = {}

    @Slot(str, result=QtCore.QObject)
    def module(self, name: str) -> QtCore.QObject | None:
        return self.known.get(name)

    @Slot(result=object)
    def modulesNames(self) -> list[str]:
        return list(self.known)


class qSlicerCommandOptions(QtCore.QObject):
    """A usual start: with a main window, no tests."""

    def __init__(self, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._exits = False

    def _setExits(self, exits: bool) -> None:
        self._exits = exits

    noMainWindow = Property(bool, lambda self: False)
    testingEnabled = Property(bool, lambda self: False)
    runPythonAndExit = Property(bool, lambda self: self._exits, _setExits)


class qSlicerApplication(QtWidgets.QApplication):
    """Qt's application with what Slicer's adds: scene, logic, settings, paths."""

    startupCompleted = Signal()
    mrmlSceneChanged = Signal(object)
    cppSignatures = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged(PyObject)"}  # noqa: RUF012

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self._folder = tempfile.TemporaryDirectory(prefix="medsegdl-gui-")
        self.setApplicationName("Slicer")
        self.setApplicationVersion("5.10.0-harness")
        self.setOrganizationName("MedSegDL harness")
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
        QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, self._folder.name)
        self._settings = QtCore.QSettings(str(Path(self._folder.name) / "Slicer.ini"), QtCore.QSettings.IniFormat)
        self._temporary = str(Path(self._folder.name) / "temporary")
        Path(self._temporary).mkdir()
        self._scene, self._logic = None, None
        self._modules, self._layouts = qSlicerModuleManager(self), qSlicerLayoutManager(self)
        self._options = qSlicerCommandOptions(self)
        self.renderPauses = 0

    def use(self, scene: slicer.vtkMRMLScene, logic: slicer.vtkSlicerApplicationLogic) -> None:
        self._scene, self._logic = scene, logic

    def _setTemporary(self, path: str) -> None:
        self._temporary = path

    temporaryPath = Property(str, lambda self: self._temporary, _setTemporary)
    slicerHome = Property(str, lambda self: self._folder.name)
    extensionsInstallPath = Property(str, lambda self: self._folder.name)
    revision = Property(str, lambda self: "harness")
    majorVersion = Property(int, lambda self: 5)
    minorVersion = Property(int, lambda self: 10)
    platform = Property(str, lambda self: "harness")
    os = Property(str, lambda self: "linux")
    documentationBaseUrl = Property(str, lambda self: "https://slicer.readthedocs.io/en/latest/")

    @Slot(result=object)
    def mrmlScene(self) -> slicer.vtkMRMLScene:
        return self._scene

    @Slot(result=object)
    def applicationLogic(self) -> slicer.vtkSlicerApplicationLogic:
        return self._logic

    @Slot(result=QtCore.QObject)
    def layoutManager(self) -> QtCore.QObject:
        return self._layouts

    @Slot(result=QtCore.QObject)
    def moduleManager(self) -> QtCore.QObject:
        return self._modules

    @Slot(result=QtCore.QObject)
    def commandOptions(self) -> QtCore.QObject:
        return self._options

    @Slot(result=QtCore.QObject)
    def settings(self) -> QtCore.QSettings:
        return self._settings

    @Slot(result=QtCore.QObject)
    def userSettings(self) -> QtCore.QSettings:
        return self._settings

    @Slot(result=bool)
    def testingEnabled(self) -> bool:
        return False

    @Slot(str, str, result=str)
    def translate(self, context: str, text: str) -> str:
        return text

    @Slot(str, result=str)
    def moduleDocumentationUrl(self, name: str) -> str:
        return f"https://slicer.readthedocs.io/en/latest/user_guide/modules/{name.lower()}.html"

    @Slot(str, str)
    def logUsageEvent(self, component: str, event: str) -> None:
        """Nothing is logged."""

    @Slot()
    def pauseRender(self) -> None:
        self.renderPauses += 1

    @Slot()
    def resumeRender(self) -> None:
        self.renderPauses -= 1
