"""Slicer's data without Slicer's window: what the PyPI package slicer-core leaves out, so that slicer.util runs unmodified.

slicer-core has MRML, the modules' C++ logics and Slicer's own slicer/util.py, but no Qt. `start()` adds three names to the
package `slicer`; everything behind them is Slicer's real code. What each stand-in assumes of the application:

- `slicer.mrmlScene`: one scene for the whole process, that the modules' logics observe. In the application nodes get their
  item in the Subject Hierarchy from a Qt plugin as soon as they are added; here they have none until somebody asks for it,
  which is what the application shows too while it loads a scene in one batch.
- `slicer.modules.<name>.logic()`: the real logic of the loadable modules listed in LOGICS, in lower case as in the application.
- `slicer.app`: only what slicer.util asks for when it works on data: the scene, a temporary folder, and rendering that is
  paused and resumed without effect. Anything else is missing on purpose and fails with an AttributeError: code that needs a
  window belongs into another test.

Not covered here: display (no displayable managers), the Segment Editor's widgets, the Subject Hierarchy's item for each
segment, DICOM database and plugins.
"""

from __future__ import annotations

import sys
import tempfile
import types

import slicer
import vtk

LOGICS = {
    "markups": slicer.vtkSlicerMarkupsLogic,
    "segmentations": slicer.vtkSlicerSegmentationsModuleLogic,
    "plots": slicer.vtkSlicerPlotsLogic,
    "sequences": slicer.vtkSlicerSequencesLogic,
    "subjecthierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic,
    "terminologies": slicer.vtkSlicerTerminologiesModuleLogic,
    "volumes": slicer.vtkSlicerVolumesLogic,
}
_REGISTERED = {
    "markups": "Markups",
    "segmentations": "Segmentations",
    "sequences": "Sequences",
    "subjecthierarchy": "SubjectHierarchy",
    "terminologies": "Terminologies",
}


class Module:
    """slicer.modules.<name>: answers logic()."""

    def __init__(self, logic: vtk.vtkObject) -> None:
        self._logic = logic

    def logic(self) -> vtk.vtkObject:
        return self._logic


class Application:
    """slicer.app."""

    def __init__(self, scene: slicer.vtkMRMLScene, logic: slicer.vtkSlicerApplicationLogic) -> None:
        self._scene, self._logic = scene, logic
        self.temporaryPath = tempfile.gettempdir()

    def mrmlScene(self) -> slicer.vtkMRMLScene:
        return self._scene

    def applicationLogic(self) -> slicer.vtkSlicerApplicationLogic:
        return self._logic

    def pauseRender(self) -> None:
        pass

    def resumeRender(self) -> None:
        pass


def start() -> None:
    """Give the package `slicer` its scene, modules and app; a second call does nothing."""
    if hasattr(slicer, "mrmlScene"):
        return
    _messagesToStandardError()
    scene, applicationLogic = slicer.vtkMRMLScene(), slicer.vtkSlicerApplicationLogic()
    applicationLogic.SetMRMLScene(scene)
    applicationLogic.GetColorLogic().SetMRMLScene(scene)
    applicationLogic.SetModuleLogic("Colors", applicationLogic.GetColorLogic())
    modules = types.ModuleType("slicer.modules")
    for name, logicClass in LOGICS.items():
        logic = logicClass()
        logic.SetMRMLApplicationLogic(applicationLogic)
        if name != "terminologies":
            logic.SetMRMLScene(scene)
        applicationLogic.SetModuleLogic(_REGISTERED.get(name, name), logic)
        setattr(modules, name, Module(logic))
    slicer.mrmlScene, slicer.modules, slicer.app = scene, modules, Application(scene, applicationLogic)
    sys.modules["slicer.modules"] = modules


def _messagesToStandardError() -> None:
    """VTK's warnings go where pytest catches them; on some platforms they would open a window."""
    window = vtk.vtkOutputWindow()
    window.SetDisplayModeToAlwaysStdErr()
    vtk.vtkOutputWindow.SetInstance(window)
