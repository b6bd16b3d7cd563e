"""Stand-ins for Slicer's widgets on the real MRML scene: qMRMLWidget and qMRMLNodeComboBox."""

from __future__ import annotations

import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal, Slot

_NODE = QtCore.Qt.UserRole
_SCENE_EVENTS = ("NodeAddedEvent", "NodeRemovedEvent", "EndImportEvent", "EndBatchProcessEvent", "EndCloseEvent")


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that hands its scene on: mrmlSceneChanged is connected in the .ui."""

    mrmlSceneChanged = Signal(object)
    cppSignatures = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged(PyObject)"}  # noqa: RUF012

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = None

    @Slot(result=object)
    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._scene

    @Slot(object)
    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """A combo box of the scene's nodes of some types, with None first and actions last."""

    currentNodeChanged = Signal((object,), (bool,))
    currentNodeIDChanged = Signal(str)
    nodeActivated = Signal(object)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAddedByUserAction = Signal(object)
    nodeAboutToBeRemoved = Signal(object)
    currentNodeRenamed = Signal(str)
    cppSignatures = {  # noqa: RUF012
        f"{name}(vtkMRMLNode*)": f"{name}(PyObject)"
        for name in (
            "currentNodeChanged", "nodeActivated", "nodeAdded", "nodeAddedByUser", "nodeAddedByUserAction",
            "nodeAboutToBeRemoved",
        )
    }  # fmt: skip

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene, self._observers, self._current, self._observed = None, [], None, None
        self._types, self._hiddenTypes, self._attributes, self._baseNames = [], [], [], {}
        self._flags = {"none": False, "add": True, "remove": True, "edit": False, "rename": False, "hidden": False}
        self._flags |= {"children": True, "select": True}
        self._noneText = "None"
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._combo.setSizeAdjustPolicy(QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setFocusProxy(self._combo)
        self._combo.activated.connect(self._onActivated)
        self.destroyed.connect(lambda *_: None)
        self.setEnabled(False)

    # scene

    @Slot(result=object)
    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._scene

    @Slot(object)
    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        if scene is self._scene:
            return
        for tag in self._observers:
            self._scene.RemoveObserver(tag)
        self._scene, self._observers = scene, []
        if scene is not None:
            self._observers = [scene.AddObserver(getattr(scene, name), self._onScene) for name in _SCENE_EVENTS]
        self.setEnabled(scene is not None)
        self._refill()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onScene(self, scene, event, node) -> None:
        if event == "NodeAddedEvent" and self._fits(node):
            self._refill()
            self.nodeAdded.emit(node)
        elif event == "NodeRemovedEvent" and self._index(node) >= 0:
            self.nodeAboutToBeRemoved.emit(node)
            self._refill()
        elif event not in ("NodeAddedEvent", "NodeRemovedEvent"):
            self._refill()

    def _fits(self, node: slicer.vtkMRMLNode) -> bool:
        if node is None or (node.GetHideFromEditors() and not self._flags["hidden"]):
            return False
        name = node.GetClassName()
        if not any(node.IsA(one) if self._flags["children"] else name == one for one in self._types):
            return False
        if any(node.IsA(one) and one not in self._types for one in self._hiddenTypes):
            return False
        return all(self._hasAttribute(node, *one) for one in self._attributes if node.IsA(one[0]))

    @staticmethod
    def _hasAttribute(node: slicer.vtkMRMLNode, nodeType: str, name: str, value: str | None) -> bool:
        found = node.GetAttribute(name)
        return found is not None if value is None else found == value

    def _nodes(self) -> list[slicer.vtkMRMLNode]:
        if self._scene is None:
            return []
        return [node for i in range(self._scene.GetNumberOfNodes()) if self._fits(node := self._scene.GetNthNode(i))]

    # items

    def _refill(self) -> None:
        """Show what the scene has now; the current node stays, or its neighbour above follows, as in a QComboBox."""
        before = self._combo.currentIndex()
        combo, wanted = self._combo, self._current
        combo.blockSignals(True)
        combo.clear()
        if self._flags["none"] or not self._nodes():
            combo.addItem(self._noneText, None)
        for node in self._nodes():
            combo.addItem(node.GetName() or "", node.GetID())
        count = combo.count()
        self._addActions()
        index = combo.findData(wanted.GetID()) if wanted is not None and wanted.GetScene() is not None else -1
        if index < 0:
            index = 0 if wanted is None else max(0, min(before - 1, count - 1))
        combo.setCurrentIndex(index)
        combo.blockSignals(False)
        self._setCurrent(self._nodeAt(index))

    def _addActions(self) -> None:
        texts = []
        if self._flags["add"]:
            texts += [f"Create new {self._label(one)}" for one in self._types]
        if self._flags["rename"]:
            texts.append(f"Rename current {self._label()}")
        if self._flags["remove"]:
            texts.append(f"Delete current {self._label()}")
        if texts:
            self._combo.insertSeparator(self._combo.count())
        for text in texts:
            self._combo.addItem(text, f"action:{text.split()[0]}")

    def _label(self, nodeType: str = "") -> str:
        nodeType = nodeType or (self._types[0] if self._types else "")
        node = slicer.mrmlScene.CreateNodeByClass(nodeType) if nodeType else None
        tag = node.GetNodeTagName() if node is not None else "node"
        if node is not None:
            node.UnRegister(None)
        return tag

    def _index(self, node: slicer.vtkMRMLNode | None) -> int:
        return self._combo.findData(node.GetID()) if node is not None else self._combo.findText(self._noneText)

    def _nodeAt(self, index: int) -> slicer.vtkMRMLNode | None:
        data = self._combo.itemData(index)
        return self._scene.GetNodeByID(data) if self._scene is not None and data else None

    def _onActivated(self, index: int) -> None:
        data = self._combo.itemData(index)
        if isinstance(data, str) and data.startswith("action:"):
            self._combo.setCurrentIndex(max(0, self._index(self._current)))
            {"Create": self._addByUser, "Rename": self.renameCurrentNode, "Delete": self.removeCurrentNode}[data[7:]]()
            return
        self._setCurrent(self._nodeAt(index))
        self.nodeActivated.emit(self._current)

    def _addByUser(self) -> None:
        node = self.addNode()
        self.nodeAddedByUserAction.emit(node)
        if self._flags["select"]:
            self.setCurrentNode(node)

    def _setCurrent(self, node: slicer.vtkMRMLNode | None) -> None:
        if node is self._current:
            return
        if self._current is not None:
            self._current.RemoveObserver(self._observed)
        self._current = node
        if node is not None:
            self._observed = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onModified)
        self.currentNodeChanged[object].emit(node)
        self.currentNodeChanged[bool].emit(node is not None)
        self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    def _onModified(self, node: slicer.vtkMRMLNode, event: str) -> None:
        index = self._index(node)
        if index >= 0 and self._combo.itemText(index) != (node.GetName() or ""):
            self._combo.setItemText(index, node.GetName() or "")
            self.currentNodeRenamed.emit(node.GetName())

    # public slots

    @Slot(result=object)
    def currentNode(self) -> slicer.vtkMRMLNode | None:
        return self._current

    @Slot(object)
    def setCurrentNode(self, node: slicer.vtkMRMLNode | str | None) -> None:
        if isinstance(node, str):
            node = self._scene.GetNodeByID(node) if self._scene is not None else None
        index = self._index(node)
        if node is not None and index < 0:
            node = None
            index = self._index(None)
        self._combo.setCurrentIndex(index)
        self._setCurrent(node)

    @Slot(str)
    def setCurrentNodeID(self, nodeID: str) -> None:
        self.setCurrentNode(nodeID or None)

    @Slot(int)
    def setCurrentNodeIndex(self, index: int) -> None:
        self.setCurrentNode(self._nodes()[index])

    @Slot(result=int)
    def nodeCount(self) -> int:
        return len(self._nodes())

    @Slot(int, result=object)
    def nodeFromIndex(self, index: int) -> slicer.vtkMRMLNode | None:
        nodes = self._nodes()
        return nodes[index] if 0 <= index < len(nodes) else None

    @Slot(str, str)
    def addAttribute(self, nodeType: str, name: str, value: str | None = None) -> None:
        self._attributes.append((nodeType, name, value))
        self._refill()

    @Slot(result=object)
    def addNode(self, nodeType: str = "") -> slicer.vtkMRMLNode | None:
        nodeType = nodeType or self._types[0]
        if nodeType not in self._types:
            return None
        name = self._scene.GenerateUniqueName(self._baseNames.get(nodeType) or self._label(nodeType))
        node = self._scene.AddNewNodeByClass(nodeType, name)
        self.nodeAddedByUser.emit(node)
        return node

    @Slot()
    def removeCurrentNode(self) -> None:
        if self._current is not None:
            self._scene.RemoveNode(self._current)

    @Slot()
    def renameCurrentNode(self) -> None:
        from . import dialogs

        name = dialogs._text(None, f"Rename {self._label()}", "New name:")
        if name:
            self._current.SetName(name)

    # properties

    def _setFlag(self, name: str, on: bool) -> None:
        self._flags[name] = bool(on)
        self._refill()

    def _setTypes(self, types: list[str]) -> None:
        self._types = list(types)
        self._refill()

    def _setHiddenTypes(self, types: list[str]) -> None:
        self._hiddenTypes = list(types)
        self._refill()

    def _setNoneText(self, text: str) -> None:
        self._noneText = text
        self._refill()

    def _setBaseName(self, name: str) -> None:
        self._baseNames = dict.fromkeys(self._types, name)

    nodeTypes = Property("QStringList", lambda self: self._types, _setTypes)
    hideChildNodeTypes = Property("QStringList", lambda self: self._hiddenTypes, _setHiddenTypes)
    noneEnabled = Property(bool, lambda self: self._flags["none"], lambda self, on: self._setFlag("none", on))
    addEnabled = Property(bool, lambda self: self._flags["add"], lambda self, on: self._setFlag("add", on))
    removeEnabled = Property(bool, lambda self: self._flags["remove"], lambda self, on: self._setFlag("remove", on))
    editEnabled = Property(bool, lambda self: self._flags["edit"], lambda self, on: self._setFlag("edit", on))
    renameEnabled = Property(bool, lambda self: self._flags["rename"], lambda self, on: self._setFlag("rename", on))
    showHidden = Property(bool, lambda self: self._flags["hidden"], lambda self, on: self._setFlag("hidden", on))
    showChildNodeTypes = Property(bool, lambda self: self._flags["children"], lambda self, on: self._setFlag("children", on))
    selectNodeUponCreation = Property(bool, lambda self: self._flags["select"], lambda self, on: self._setFlag("select", on))
    noneDisplay = Property(str, lambda self: self._noneText, _setNoneText)
    baseName = Property(str, lambda self: next(iter(self._baseNames.values()), ""), _setBaseName)
    currentNodeID = Property(str, lambda self: self._current.GetID() if self._current else "", setCurrentNodeID)
