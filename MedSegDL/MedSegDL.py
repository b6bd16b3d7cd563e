"""Slicer module MedSegDL: segments anatomy in volumes. What it does is in MedSegDLPanel, MedSegDLScene and MedSegDLLib."""

import re
import sys
from pathlib import Path
from typing import Annotated

import slicer
import vtk
from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
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

from MedSegDLLib.options import SegmentOptions
from MedSegDLPanel.choices import ExistingSegments, Frames
from MedSegDLPanel.panel import Panel
from MedSegDLPanel.sample_data_buttons import registerSampleData
from MedSegDLScene.dependencies import TORCH, missing
from MedSegDLScene.sample_data import addPhantom
from MedSegDLScene.segmentation_runs import Order, SegmentationRuns, segmentNow
from MedSegDLScene.segments import Existing
from MedSegDLScene.slicer_python import slicerInterpreter
from MedSegDLScene.worker_client import WorkerClient

_OUR_PACKAGES = re.compile(r"MedSegDL(Train)?(Lib|Scene|Panel)(\.|$)")


class MedSegDL(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("MedSegDL")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["The MedSegDL developers"]
        self.parent.helpText = _(
            "Segments anatomy in medical volumes with small networks that run on ordinary computers. Everything is computed "
            "on this computer: the module sends nothing anywhere. Research software, not for diagnosis."
        )
        self.parent.acknowledgementText = _(
            "The model lv_cine_mr was trained on the Sunnybrook Cardiac Data (Radau et al., The MIDAS Journal, 2009). Each "
            "model's card says whom to cite."
        )
        icons = Path(self.resourcePath("Icons"))
        slicer.app.connect("startupCompleted()", lambda: registerSampleData(icons))


@parameterNodeWrapper
class MedSegDLParameterNode:
    """What is chosen in the panel; saved with the scene."""

    inputVolume: vtkMRMLScalarVolumeNode
    frames: Frames = Frames.THIS  # where the volume is one frame of a sequence
    modelId: str = ""
    labels: str = ""  # JSON list of the names of the segments that are wanted; empty: all
    outputSegmentation: vtkMRMLSegmentationNode  # None: a new one
    existingSegments: ExistingSegments = ExistingSegments.REPLACE_SAME
    region: vtkMRMLMarkupsROINode
    overlapOfModel: bool = True  # then `overlap` is not used
    overlap: Annotated[float, WithinRange(0, 0.9)] = 0.5
    postprocessing: bool = True
    device: str = "auto"


class MedSegDLWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Keeps the panel and the scene's parameter node together."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        self._parameterNode = None
        self._guiTag = None
        self._volumeNode = None  # the input, which is watched

    def setup(self) -> None:
        """Load MedSegDL.ui and build the panel on it."""
        ScriptedLoadableModuleWidget.setup(self)
        root = slicer.util.loadUI(self.resourcePath("UI/MedSegDL.ui"))
        self.layout.addWidget(root)
        self.ui = slicer.util.childWidgetVariables(root)
        root.setMRMLScene(slicer.mrmlScene)
        self.logic = MedSegDLLogic()
        requirements = Path(self.resourcePath("requirements.txt"))
        self.panel = Panel(root, self.ui, self.logic.client, self.logic.runs, self.logic.interpreter, requirements)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, lambda *_: self.setParameterNode(None))
        self.addObserver(scene, scene.EndCloseEvent, lambda *_: self._afterSceneChange())
        self.addObserver(scene, scene.EndImportEvent, lambda *_: self._afterSceneChange())
        self.addObserver(scene, scene.NodeRemovedEvent, lambda *_: self.panel.look())
        self.initializeParameterNode()

    def enter(self) -> None:
        """The module is opened: packages, models and volumes may have come since."""
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Slicer is closed or the module reloaded: the worker ends, and what was under way."""
        self.setParameterNode(None)
        self.removeObservers()
        if self.panel is not None:
            self.panel.close()
            self.logic.close()

    def onReload(self) -> None:
        """Reload the packages, too, once nothing that runs is made of the old ones."""
        self.logic.close()
        for name in [name for name in sys.modules if _OUR_PACKAGES.match(name)]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def initializeParameterNode(self) -> None:
        """Follow the scene's parameter node; a volume that is shown is chosen if none was."""
        node = self.logic.getParameterNode()
        if node.inputVolume is None:
            node.inputVolume = _shownVolume()
        self.setParameterNode(node)

    def setParameterNode(self, node) -> None:
        """Bind the widgets to this node, or to none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onModified)
        self._parameterNode = node
        if node is not None:
            self._guiTag = node.connectGui(self.ui)
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._onModified)
        self._watchVolume(node.inputVolume if node is not None else None)
        self.panel.follow(node)

    def _onModified(self, caller, event):
        self._watchVolume(self._parameterNode.inputVolume)
        self.panel.show()

    def _watchVolume(self, volumeNode):
        """A volume that is being loaded is in the scene before its voxels are."""
        if volumeNode is self._volumeNode:
            return
        if self._volumeNode is not None:
            self.removeObserver(self._volumeNode, vtk.vtkCommand.ModifiedEvent, self._onVoxels)
        self._volumeNode = volumeNode
        if volumeNode is not None:
            self.addObserver(volumeNode, vtk.vtkCommand.ModifiedEvent, self._onVoxels)

    def _onVoxels(self, caller, event):
        self.panel.show()

    def _afterSceneChange(self):
        if self.parent.isEntered:  # which stays so in a reload, whereas enter() is not called again
            self.initializeParameterNode()


class MedSegDLLogic(ScriptedLoadableModuleLogic):
    """Segments without a panel; the worker process starts with the first segmentation and stays warm."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self.interpreter = slicerInterpreter()
        self.client = WorkerClient(self.interpreter)
        self.runs = SegmentationRuns(self.client)

    def getParameterNode(self) -> MedSegDLParameterNode:
        """The scene's MedSegDLParameterNode."""
        return MedSegDLParameterNode(super().getParameterNode())

    def segment(
        self,
        volumeNode: vtkMRMLScalarVolumeNode,
        modelId: str,
        options: SegmentOptions = SegmentOptions(),  # noqa: B008 (immutable)
        segmentationNode: vtkMRMLSegmentationNode | None = None,
        existing: Existing = Existing.REPLACE_SAME,
        roiNode: vtkMRMLMarkupsROINode | None = None,
        everyFrame: bool = False,
    ) -> vtkMRMLSegmentationNode:
        """Segment a volume and return the segmentation node, a new one unless `segmentationNode` is given.

        Slicer stays alive meanwhile. `everyFrame` wants all frames of the sequence that the volume is one frame of. Raises
        a MedSegDLError with a sentence if there is no result.
        """
        order = Order(volumeNode, modelId, options, segmentationNode, existing, roiNode, everyFrame)
        return segmentNow(self.runs, order, slicer.app.processEvents)

    def close(self) -> None:
        """Cancel what runs and end the worker; the next segmentation starts another."""
        self.runs.cancelAll()
        self.client.close()


def _shownVolume():
    """The volume in the slice views, else any; label maps are no images."""
    selection = slicer.app.applicationLogic().GetSelectionNode()
    shown = slicer.mrmlScene.GetNodeByID(selection.GetActiveVolumeID() or "") if selection else None
    nodes = [shown, *slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    return next((node for node in nodes if node and node.GetClassName() == "vtkMRMLScalarVolumeNode"), None)


class MedSegDLTest(ScriptedLoadableModuleTest):
    """What can only be tested inside Slicer, in a few seconds; the rest is in the repository's folder Testing."""

    def setUp(self) -> None:
        """Each test has a scene of its own."""
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        """Called by "Reload and Test" and by CTest."""
        self.setUp()
        self.test_SegmentsThePhantom()

    def test_SegmentsThePhantom(self) -> None:
        """One frame of the phantom heart through the worker; without PyTorch says what was left out."""
        volumeNode = addPhantom(slicerInterpreter(), lambda share: slicer.app.processEvents())
        if missing([TORCH]):
            self.delayDisplay("Left out: the segmentation itself, because PyTorch is not installed here.")
            return
        logic = MedSegDLLogic()
        try:
            segmentationNode = logic.segment(volumeNode, "lv_cine_mr")
        finally:
            logic.close()
        self.assertEqual(segmentationNode.GetSegmentation().GetNumberOfSegments(), 1)
        self.delayDisplay("MedSegDL: the phantom's left ventricle was segmented.")
