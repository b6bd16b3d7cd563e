"""MedSegDLTrain: cases, training jobs and background trainings for MedSegDL, as a module of 3D Slicer."""

import sys
from typing import Annotated

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)

from MedSegDLPanel.first_choices import segmentationOf, shownVolume
from MedSegDLPanel.module_widget import ModuleWidget, Watch
from MedSegDLScene.interpreter import Interpreter
from MedSegDLScene.slicer_python import slicerInterpreter
from MedSegDLTrainPanel import choices
from MedSegDLTrainPanel.panel import TrainPanel

_OWN_PACKAGES = ("MedSegDLTrainPanel", "MedSegDLTrainScene", "MedSegDLTrainLib")
_SEGMENTS_CHANGED = (
    slicer.vtkMRMLSegmentationNode.SegmentationChangedEvent,  # say the next frame of a sequence
    *(getattr(slicer.vtkSegmentation, f"Segment{change}") for change in ("Added", "Removed", "Modified")),
)


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


class MedSegDLTrainWidget(ModuleWidget):
    """The panel, and what the application tells it."""

    def __init__(self, parent: object = None) -> None:
        ModuleWidget.__init__(self, parent)
        self._segments = Watch(_SEGMENTS_CHANGED, self._onSegments)

    def setup(self) -> None:
        """The panel is opened for the first time."""
        ModuleWidget.setup(self)
        self.loadPanel()
        self.logic = MedSegDLTrainLogic()
        self.panel = TrainPanel(self.ui, self.logic.interpreter())
        self.followScene()

    def cleanup(self) -> None:
        """The panel goes; trainings go on."""
        ModuleWidget.cleanup(self)
        if self.panel is not None:
            self.panel.close()

    def enter(self) -> None:
        """The panel is shown: others may have added cases, models and runs."""
        ModuleWidget.enter(self)
        self.panel.refresh()

    def onReload(self) -> None:
        """End what runs here and forget the module's packages, so that they are read anew."""
        self.cleanup()
        for name in [name for name in sys.modules if name.partition(".")[0] in _OWN_PACKAGES]:
            del sys.modules[name]
        ModuleWidget.onReload(self)

    def choose(self, parameterNode: MedSegDLTrainParameterNode) -> None:
        """The image that is shown, and a segmentation of it: that saves a few clicks."""
        if parameterNode.volume is None:
            parameterNode.volume = shownVolume()
        if parameterNode.segmentation is None:
            parameterNode.segmentation = segmentationOf(parameterNode.volume)

    def follow(self, parameterNode: MedSegDLTrainParameterNode | None) -> None:
        """Show what this node says."""
        self.show(parameterNode)

    def show(self, parameterNode: MedSegDLTrainParameterNode | None) -> None:
        """What is chosen has changed."""
        self._segments.follow(parameterNode.segmentation if parameterNode is not None else None)
        self.panel.show(parameterNode)

    def _onSegments(self) -> None:
        if self.parent.isEntered:  # else the Segment Editor may be at work; enter() looks at it all
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
