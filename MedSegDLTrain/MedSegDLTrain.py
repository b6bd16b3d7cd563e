"""MedSegDLTrain: cases, training jobs and background trainings for MedSegDL, as a module of 3D Slicer."""

import sys
from typing import Annotated

import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from MedSegDLScene.interpreter import Interpreter
from MedSegDLScene.slicer_python import slicerInterpreter
from MedSegDLTrainPanel import choices
from MedSegDLTrainPanel.panel import TrainPanel

_OWN_PACKAGES = ("MedSegDLTrainPanel", "MedSegDLTrainScene", "MedSegDLTrainLib")
_SEGMENTS_CHANGED = ("SegmentAdded", "SegmentRemoved", "SegmentModified")


class MedSegDLTrain(ScriptedLoadableModule):
    """What the module is."""

    def __init__(self, parent: object) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MedSegDL Train")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["MedSegDL"]
        parent.contributors = ["The MedSegDL developers"]
        parent.helpText = _(
            "Collect corrected segmentations as cases, train a network on them in the background, watch it, and publish it as "
            "a model of MedSegDL. Everything stays on this computer; a training goes on when Slicer is closed."
        )
        parent.acknowledgementText = _("Research software, without any approval as a medical device.")


@parameterNodeWrapper
class MedSegDLTrainParameterNode:
    """What a person has chosen, kept with the scene.

    caseFolder, job, run: paths, "" where none is chosen. volume, segmentation, patient, status, annotated, slices (counted
    along axis): the case that is to be added; patientVolume: the image that patient and slices were said of. startFrom:
    "model:ID" or "network:KEY"; minutes, epochs (0: as many as fit), seed: of the next job.
    """

    caseFolder: str = ""
    volume: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    patient: str = ""
    patientVolume: vtkMRMLScalarVolumeNode
    status: choices.CaseStatus = choices.CaseStatus.CORRECTED
    annotated: choices.Annotated = choices.Annotated.ALL
    slices: str = ""
    axis: str = ""
    startFrom: str = ""
    minutes: Annotated[int, WithinRange(1, 100000)] = 30
    epochs: Annotated[int, WithinRange(0, 1000000)] = 0
    seed: Annotated[int, WithinRange(0, 2147483647)] = 1
    job: str = ""
    run: str = ""


class MedSegDLTrainWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel, and what the application tells it."""

    def __init__(self, parent: object = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: MedSegDLTrainLogic | None = None
        self.panel: TrainPanel | None = None
        self._parameterNode: MedSegDLTrainParameterNode | None = None
        self._parameterNodeGuiTag: int | None = None
        self._segmentation: vtkMRMLSegmentationNode | None = None

    def setup(self) -> None:
        """The panel is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/MedSegDLTrain.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = MedSegDLTrainLogic()
        self.panel = TrainPanel(self.ui, self.logic.interpreter())
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneChanged)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneChanged)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """The panel goes; trainings go on."""
        self.setParameterNode(None)
        self.removeObservers()
        if self.panel is not None:
            self.panel.close()

    def enter(self) -> None:
        """The panel is shown: others may have added cases, models and runs."""
        self.initializeParameterNode()
        self.panel.refresh()

    def onSceneStartClose(self, caller: object, event: str) -> None:
        """The parameter node goes with the scene."""
        self.setParameterNode(None)

    def onSceneChanged(self, caller: object, event: str) -> None:
        """A scene was closed or opened: its parameter node is another one."""
        if self.parent.isEntered:  # which stays so in a reload, whereas enter() is not called again
            self.initializeParameterNode()

    def onReload(self) -> None:
        """End what runs here and forget the module's packages, so that they are read anew."""
        self.cleanup()
        for name in [name for name in sys.modules if name.partition(".")[0] in _OWN_PACKAGES]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def initializeParameterNode(self) -> None:
        """Follow the scene's parameter node; a first image and segmentation save a few clicks."""
        node = self.logic.getParameterNode()
        if node.volume is None:
            node.volume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
        if node.segmentation is None:
            node.segmentation = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        self.setParameterNode(node)

    def setParameterNode(self, parameterNode: MedSegDLTrainParameterNode | None) -> None:
        """Follow another parameter node, or none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onChanged)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            self._parameterNodeGuiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self._onChanged)
        self._onChanged()

    def _onChanged(self, caller: object = None, event: str = "") -> None:
        if self.panel is not None:
            self._followSegments()
            self.panel.show(self._parameterNode)

    def _followSegments(self) -> None:
        """Hear of changes of the chosen segmentation's segments."""
        chosen = self._parameterNode.segmentation if self._parameterNode is not None else None
        if chosen is self._segmentation:
            return
        for node, observe in ((self._segmentation, self.removeObserver), (chosen, self.addObserver)):
            for name in _SEGMENTS_CHANGED if node is not None else ():
                observe(node.GetSegmentation(), getattr(slicer.vtkSegmentation, name), self._onSegments)
        self._segmentation = chosen

    def _onSegments(self, caller: object, event: str) -> None:
        self.panel.segmentsChanged()


class MedSegDLTrainLogic(ScriptedLoadableModuleLogic):
    """What works without a panel."""

    def getParameterNode(self) -> MedSegDLTrainParameterNode:
        """The scene's one parameter node of this module."""
        return MedSegDLTrainParameterNode(super().getParameterNode())

    def interpreter(self) -> Interpreter:
        """The Python that plans, trains and measures in processes of their own."""
        return slicerInterpreter()


class MedSegDLTrainTest(ScriptedLoadableModuleTest):
    """Runs inside the application with "Reload and Test"."""

    def setUp(self) -> None:
        """An empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Every test, from an empty scene."""
        self.setUp()
        self.test_choicesAreKeptWithTheScene()

    def test_choicesAreKeptWithTheScene(self) -> None:
        """What is chosen in the panel is found again through the scene's parameter node."""
        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
        node = MedSegDLTrainLogic().getParameterNode()
        node.volume, node.patient, node.annotated = volume, "P1", choices.Annotated.LISTED
        again = MedSegDLTrainLogic().getParameterNode()
        self.assertIs(again.volume, volume)
        self.assertEqual(again.patient, "P1")
        self.assertEqual(again.annotated, choices.Annotated.LISTED)
        self.delayDisplay("Test passed")
