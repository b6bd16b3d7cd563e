"""Nodes that people may delete at any moment, remembered without keeping them alive."""

from __future__ import annotations

import slicer
import vtk


class NodeReference:
    """Remembers one node, or that there was none.

    Not by id: a scene that was closed gives the same ids to other nodes again. Not by a Python variable: that would keep
    the voxels of a deleted volume in memory.
    """

    def __init__(self, node: slicer.vtkMRMLNode | None) -> None:
        self.isGiven = node is not None
        self.name = node.GetName() if node else ""  # for sentences about a node that is gone
        self._reference = vtk.vtkWeakReference()
        if node:
            self._reference.Set(node)

    @property
    def node(self) -> slicer.vtkMRMLNode | None:
        """The node while it is in the scene, else None."""
        node = self._reference.Get()
        return node if node is not None and slicer.mrmlScene.IsNodePresent(node) else None

    @property
    def isGone(self) -> bool:
        """Whether there was a node that has left the scene."""
        return self.isGiven and self.node is None
