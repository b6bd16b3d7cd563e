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
)

from MedSegDLLib.options import SegmentOptions
from MedSegDLPanel.choices import ExistingSegments, Frames
from MedSegDLPanel.first_choices import shownVolume
from MedSegDLPanel.module_widget import ModuleWidget, Watch
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
        self.parent.dependencies = ["Markups", "Plots", "Segmentations", "Sequences"]
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


class MedSegDLWidget(ModuleWidget):
    """Keeps the panel and the scene's parameter node together."""

    def __init__(self, parent=None):
        ModuleWidget.__init__(self, parent)
        self._voxels = Watch([vtk.vtkCommand.ModifiedEvent], self._onVoxels)
        self._removals = Watch([slicer.vtkMRMLScene.NodeRemovedEvent], lambda: self.panel.look())

    def setup(self) -> None:
        """Load MedSegDL.ui and build the panel on it."""
        ModuleWidget.setup(self)
        root = self.loadPanel()
        self.logic = MedSegDLLogic()
        requirements = Path(self.resourcePath("requirements.txt"))
        self.panel = Panel(root, self.ui, self.logic.client, self.logic.runs, self.logic.interpreter, requirements)
        self._removals.follow(slicer.mrmlScene)
        self.followScene()

    def cleanup(self) -> None:
        """Slicer is closed or the module reloaded: the worker ends, and what was under way."""
        ModuleWidget.cleanup(self)
        self._removals.follow(None)
        if self.panel is not None:
            self.panel.close()
            self.logic.close()

    def onReload(self) -> None:
        """Reload the packages, too, once nothing that runs is made of the old ones."""
        if self.logic is not None:  # else setup failed, and what made it fail may be mended now
            self.logic.close()
        for name in [name for name in sys.modules if _OUR_PACKAGES.match(name)]:
            del sys.modules[name]
        ModuleWidget.onReload(self)

    def choose(self, parameterNode) -> None:
        """A volume that is shown, if none was chosen."""
        if parameterNode.inputVolume is None:
            parameterNode.inputVolume = shownVolume()

    def follow(self, parameterNode) -> None:
        """Packages, models and volumes may have come since."""
        self._watchVolume(parameterNode)
        self.panel.follow(parameterNode)

    def show(self, parameterNode) -> None:
        """What is chosen has changed."""
        self._watchVolume(parameterNode)
        self.panel.show()

    def _watchVolume(self, parameterNode):
        """A volume that is being loaded is in the scene before its voxels are."""
        self._voxels.follow(parameterNode.inputVolume if parameterNode is not None else None)

    def _onVoxels(self):
        if self.parent.isEntered:  # else it may be a cine that plays behind another module; enter() looks at it all
            self.panel.show()


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
