"""Which nodes a qMRMLNodeComboBox offers: types, hidden nodes and attributes, as qMRMLSortFilterProxyModel decides."""

from __future__ import annotations

from dataclasses import dataclass, field

import slicer


@dataclass
class NodeFilter:
    """Without a type every node is offered."""

    types: list[str] = field(default_factory=list)
    hiddenTypes: list[str] = field(default_factory=list)
    showHidden: bool = False
    showChildTypes: bool = True
    attributes: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    def accepts(self, node: slicer.vtkMRMLNode) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        if not self.types:
            return True
        return any(self._acceptsAs(node, nodeType) for nodeType in self.types)

    def _acceptsAs(self, node: slicer.vtkMRMLNode, nodeType: str) -> bool:
        if not node.IsA(nodeType) or (not self.showChildTypes and node.GetClassName() != nodeType):
            return False
        if self.showChildTypes and any(node.IsA(hidden) for hidden in self.hiddenTypes):
            return False
        name, value = self.attributes.get(nodeType, ("", None))
        found = node.GetAttribute(name) if name else ""
        return found is not None and value in (None, found)


def nodesOf(scene: slicer.vtkMRMLScene | None, accepted: NodeFilter) -> list[slicer.vtkMRMLNode]:
    """The scene's nodes that are offered, in the scene's order."""
    nodes = (scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())) if scene is not None else ()
    return [node for node in nodes if accepted.accepts(node)]


def typeLabel(scene: slicer.vtkMRMLScene | None, nodeType: str) -> str:
    """ "Volume" for vtkMRMLScalarVolumeNode; "node" where nothing better is known."""
    return (scene.GetTypeDisplayNameByClassName(nodeType) if scene is not None and nodeType else "") or "node"
