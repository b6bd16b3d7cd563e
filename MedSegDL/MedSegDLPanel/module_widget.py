"""What the widgets of both modules have in common: they follow the scene's parameter node, and let go of what has gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import qt
import slicer
import vtk
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget


class Watch:
    """Tells of some events of one object after another, and keeps none alive that it does not watch any more.

    Slicer's VTKObservationMixin keeps all that it ever observed: volumes and segmentations with their voxels, too.
    """

    def __init__(self, events: Sequence[int | str], tell: Callable[[], None]) -> None:
        self._events, self._tell = events, tell
        self._watched, self._tags = None, []

    def follow(self, watched: object | None) -> None:
        """Watch this from now on (None: nothing)."""
        if watched is self._watched:
            return
        for tag in self._tags:
            self._watched.RemoveObserver(tag)
        self._watched, self._tags = watched, []
        if watched is not None:
            self._tags = [watched.AddObserver(event, lambda *_: self._tell()) for event in self._events]


class Binding:
    """Widgets that show what a parameter node says, and change it, until `release`.

    Slicer 5.10 leaves its observer at the node when it disconnects widgets. Python may then collect what the observer calls,
    as nothing but the node refers to it, and the next change of the node ends Slicer with a segmentation fault.
    """

    def __init__(self, parameterNode: object, ui: object) -> None:
        self._parameterNode, self._observers = parameterNode, []
        parameterNode.AddObserver = self._addObserver  # which connectGui calls
        try:
            self._guiTag = parameterNode.connectGui(ui)
        finally:
            del parameterNode.AddObserver

    def release(self) -> None:
        """The widgets show nothing of it any more."""
        self._parameterNode.disconnectGui(self._guiTag)
        for tag in self._observers:
            self._parameterNode.RemoveObserver(tag)

    def _addObserver(self, event: int | str, tell: Callable, priority: float = 0.0) -> int:
        self._observers.append(self._parameterNode.parameterNode.AddObserver(event, tell, priority))
        return self._observers[-1]


class ModuleWidget(ScriptedLoadableModuleWidget):
    """A panel of Resources/UI that follows the scene's parameter node, but for the time in which a scene is closed.

    Who inherits it makes `logic` and `panel` in `setup`, between `loadPanel` and `followScene`, and overrides `choose`,
    `follow` and `show`.
    """

    def __init__(self, parent: object = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        self.ui = self.logic = self.panel = None
        self._parameterNode, self._binding = None, None
        self._changes = Watch([vtk.vtkCommand.ModifiedEvent], lambda: self.show(self._parameterNode))
        scene = slicer.vtkMRMLScene
        self._closing = Watch([scene.StartCloseEvent], lambda: self.setParameterNode(None))
        self._otherScene = Watch([scene.EndCloseEvent, scene.EndImportEvent], self._onOtherScene)

    def choose(self, parameterNode: object) -> None:
        """Choose for a person what is not chosen yet, before this node is followed."""

    def follow(self, parameterNode: object | None) -> None:
        """The panel was opened, or the scene has another parameter node: None while it is being closed."""

    def show(self, parameterNode: object) -> None:
        """What is chosen has changed."""

    def loadPanel(self) -> qt.QWidget:
        """The widgets of the .ui, as `ui`; returns what they lie in."""
        root = slicer.util.loadUI(self.resourcePath(f"UI/{self.moduleName}.ui"))
        self.layout.addWidget(root)
        self.ui = slicer.util.childWidgetVariables(root)
        root.setMRMLScene(slicer.mrmlScene)
        return root

    def followScene(self) -> None:
        """The last thing in `setup`."""
        self._closing.follow(slicer.mrmlScene)
        self._otherScene.follow(slicer.mrmlScene)
        self.initializeParameterNode()

    def enter(self) -> None:
        """The module is opened: much may have changed since it was left."""
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Slicer is closed or the module reloaded."""
        self._closing.follow(None)
        self._otherScene.follow(None)
        self.setParameterNode(None)

    def initializeParameterNode(self) -> None:
        """Follow the scene's parameter node."""
        node, ours = self.logic.getParameterNode(), self._parameterNode
        if ours is not None and ours.parameterNode is node.parameterNode:
            node = ours
        self.choose(node)
        self.setParameterNode(node)

    def setParameterNode(self, parameterNode: object | None) -> None:
        """Bind the widgets to this node, or to none."""
        if parameterNode is not self._parameterNode:
            self._bind(parameterNode)
        if self.panel is not None:
            self.follow(parameterNode)

    def _bind(self, parameterNode: object | None) -> None:
        if self._binding is not None:
            self._binding.release()
        self._parameterNode = parameterNode
        self._binding = Binding(parameterNode, self.ui) if parameterNode is not None else None
        self._changes.follow(parameterNode)

    def _onOtherScene(self) -> None:
        self._bind(None)  # what was bound may have looked for its nodes before they were loaded, and keeps what it found
        if self.parent.isEntered:  # which stays so in a reload, whereas enter() is not called again
            self.initializeParameterNode()
