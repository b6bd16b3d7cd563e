"""A small module, written as for Slicer, that the harness's own tests open."""

import qt
import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleLogic, ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin


class HarnessExample(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title = _("Harness Example")
        parent.categories = ["Segmentation"]


@parameterNodeWrapper
class HarnessExampleParameterNode:
    inputVolume: slicer.vtkMRMLScalarVolumeNode
    smooth: bool = True
    count: int = 3


class HarnessExampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)

    def setup(self):
        super().setup()
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/HarnessExample.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = ScriptedLoadableModuleLogic()
        self.logic.moduleName = "HarnessExample"
        self.parameters = HarnessExampleParameterNode(self.logic.getParameterNode())
        self.guiTag = self.parameters.connectGui(self.ui)
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.ui.statusLabel.text = _("Ready")
        self.timer = qt.QTimer()
        self.timer.setSingleShot(True)
        self.timer.connect("timeout()", self.onTimeout)

    def onApply(self):
        self.ui.statusLabel.text = _("Working on {name}").format(name=self.ui.inputSelector.currentNode().GetName())
        self.timer.start(20)

    def onTimeout(self):
        self.ui.statusLabel.text = _("Done")

    def cleanup(self):
        self.timer.stop()
        self.parameters.disconnectGui(self.guiTag)
        self.removeObservers()
