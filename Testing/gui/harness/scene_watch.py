"""Watches a scene's nodes come, change and go, until it is told to stop."""

from __future__ import annotations

import weakref
from typing import Protocol

import slicer
import vtk


class Watcher(Protocol):
    """Who is told: of a node that came or changed, of one about to go, and when any may have changed."""

    def showNode(self, node: slicer.vtkMRMLNode) -> None: ...

    def dropNode(self, node: slicer.vtkMRMLNode) -> None: ...

    def rebuildNodes(self) -> None: ...


_WATCHES: weakref.WeakSet = weakref.WeakSet()


def forgetScenes() -> None:
    """All watches end: a selector that nobody closed would go on looking at the nodes of later tests, and keep them."""
    for watch in list(_WATCHES):
        watch.forget()


class SceneWatch:
    """Events while a scene is loaded or closed are left out: `rebuildNodes` follows, as in qMRMLSceneModel."""

    def __init__(self, scene: slicer.vtkMRMLScene, watcher: Watcher) -> None:
        self._scene, self._watcher = scene, watcher
        self._nodes: dict[str, tuple[slicer.vtkMRMLNode, int]] = {}
        observers = {"NodeAdded": self._onAdded, "NodeAboutToBeRemoved": self._onRemoved}
        observers |= dict.fromkeys(("EndImport", "EndClose"), self._onRenewed)
        self._tags = [scene.AddObserver(getattr(scene, f"{event}Event"), f) for event, f in observers.items()]
        self._watchAll()
        _WATCHES.add(self)

    def forget(self) -> None:
        """Listen no more."""
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._tags = []
        self._unwatchAll()

    def _watchAll(self) -> None:
        for i in range(self._scene.GetNumberOfNodes()):
            self._watch(self._scene.GetNthNode(i))

    def _unwatchAll(self) -> None:
        for node, tag in self._nodes.values():
            node.RemoveObserver(tag)
        self._nodes = {}

    def _watch(self, node: slicer.vtkMRMLNode) -> None:
        tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._watcher.showNode(node))
        self._nodes[node.GetID()] = (node, tag)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onAdded(self, scene: slicer.vtkMRMLScene, event: str, node: slicer.vtkMRMLNode) -> None:
        if not scene.IsImporting():
            self._watch(node)
            self._watcher.showNode(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onRemoved(self, scene: slicer.vtkMRMLScene, event: str, node: slicer.vtkMRMLNode) -> None:
        if scene.IsClosing():
            return
        self._watcher.dropNode(node)
        if node.GetID() in self._nodes:
            _, tag = self._nodes.pop(node.GetID())
            node.RemoveObserver(tag)

    def _onRenewed(self, scene: slicer.vtkMRMLScene, event: str) -> None:
        self._unwatchAll()
        self._watchAll()
        self._watcher.rebuildNodes()
