"""Stand-in for Slicer's qMRMLNodeComboBox on the real MRML scene.

The list is changed item by item, as Slicer's model does, so that Qt's own QComboBox decides what becomes current when an item
comes or goes; what follows from that is qMRMLNodeComboBox.cxx, read line by line (the page README.md cites it).
"""

from __future__ import annotations

from collections.abc import Callable

import slicer
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal, Slot

from . import dialogs
from .ctk_widgets import ctkComboBox
from .node_filter import NodeFilter, nodesOf, typeLabel
from .scene_watch import SceneWatch

_NODE_SIGNALS = ("nodeActivated", "nodeAdded", "nodeAddedByUser", "nodeAboutToBeRemoved")
_ACTION = QtCore.Qt.UserRole + 1


class _Flags:
    """The properties that are only kept and change the items before or after the nodes."""

    none, add, remove, edit, rename, select = False, True, True, False, False, True


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """A combo box of the scene's nodes of some types: None first, where it is enabled, and actions last."""

    currentNodeChanged = Signal((object,), (bool,))
    currentNodeIDChanged = Signal(str)
    currentNodeRenamed = Signal(str)
    nodeActivated, nodeAdded = Signal(object), Signal(object)
    nodeAddedByUser, nodeAboutToBeRemoved = Signal(object), Signal(object)
    cppSignatures = {  # noqa: RUF012
        f"{name}(vtkMRMLNode*)": f"{name}(PyObject)" for name in ("currentNodeChanged", *_NODE_SIGNALS)
    }

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene, self._watch, self._flags, self._filter = None, None, _Flags(), NodeFilter()
        self._baseNames: dict[str, str] = {}
        self._requested, self._noneText, self._switching = "", "None", False
        self._combo = ctkComboBox(self)
        self._combo.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._combo.setSizeAdjustPolicy(QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setFocusProxy(self._combo)
        self._combo.currentIndexChanged.connect(self._onCurrentIndex)
        self._combo.activated.connect(self._onActivated)
        self.setEnabled(False)

    # The scene

    @Slot(result=object)
    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._scene

    @Slot(object)
    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        """The current node stays; one asked for before there was a scene is taken; else the first, without None."""
        if scene is self._scene:
            return
        before = self.currentNodeID if self.nodeCount() else ""
        self._forgetScene()
        self._scene = scene
        if scene is not None:
            self._watch = SceneWatch(scene, self)
            self.destroyed.connect(self._watch.forget)
        self.rebuildNodes()
        first = self.nodeFromIndex(0)
        offered = first.GetID() if first is not None and not self._flags.none else ""
        self.setCurrentNodeID(before or self._requested or offered)
        self._requested = ""
        self.setEnabled(scene is not None)

    def _forgetScene(self) -> None:
        if self._watch is not None:
            self.destroyed.disconnect(self._watch.forget)
            self._watch.forget()
        self._watch = None

    def showNode(self, node: slicer.vtkMRMLNode) -> None:
        """Show a node that fits now, drop one that does not any more, write its name."""
        row = self._combo.findData(node.GetID())
        if not self._filter.accepts(node):
            self.dropNode(node)
        elif row < 0:
            place = [one.GetID() for one in nodesOf(self._scene, self._filter)].index(node.GetID())
            self._combo.insertItem(place + self._flags.none, node.GetName() or "", node.GetID())
            self.nodeAdded.emit(node)
        elif self._combo.itemText(row) != (node.GetName() or ""):
            self._combo.setItemText(row, node.GetName() or "")

    def dropNode(self, node: slicer.vtkMRMLNode) -> None:
        row = self._combo.findData(node.GetID())
        if row >= 0:
            self.nodeAboutToBeRemoved.emit(node)
            self._combo.removeItem(row)
            if self.currentNode() is None:
                self.setCurrentNode(None)

    def rebuildNodes(self) -> None:
        """All items anew, as after a scene was loaded or closed; the current node stays, if it is still there."""
        wanted, self._switching = self.currentNodeID, True
        self._combo.clear()
        if self._flags.none:
            self._combo.addItem(self._noneText, "")
        for node in nodesOf(self._scene, self._filter):
            self._combo.addItem(node.GetName() or "", node.GetID())
        self._writeActions()
        row = self._combo.findData(wanted) if wanted else -1
        self._combo.setCurrentIndex(row if row >= 0 else 0 if self._flags.none else -1)
        self._switching = False
        if self.currentNodeID != wanted:
            self._onCurrentIndex()

    def _refilter(self) -> None:
        """After the filter was changed: items come and go, the others stay."""
        for i in range(self._scene.GetNumberOfNodes() if self._scene is not None else 0):
            self.showNode(self._scene.GetNthNode(i))
        self._writeActions()

    # Items after the nodes

    def _actions(self) -> list[tuple[str, Callable[[], None]]]:
        types, flags = self._filter.types, self._flags
        label = typeLabel(self._scene, types[0] if len(types) == 1 else "")
        actions = [(f"Rename current {label}", self.renameCurrentNode)] if flags.rename else []
        actions += [(f"Edit current {label}", lambda: None)] if flags.edit else []
        for nodeType in types if flags.add else ():
            actions.append((f"Create new {typeLabel(self._scene, nodeType)}", lambda nodeType=nodeType: self._create(nodeType)))
        return actions + ([(f"Delete current {label}", self.removeCurrentNode)] if flags.remove else [])

    def _writeActions(self) -> None:
        combo, row = self._combo, self._combo.currentIndex()
        blocked = combo.blockSignals(True)
        for item in reversed(range(combo.count())):
            if combo.itemData(item, _ACTION) is not None:
                combo.removeItem(item)
        anything = self._flags.rename or self._flags.edit or self._flags.add or self._flags.remove
        if self._scene is not None and anything:
            combo.insertSeparator(combo.count())
            combo.setItemData(combo.count() - 1, "separator", _ACTION)
            for text, _ in self._actions():
                combo.addItem(text)
                combo.setItemData(combo.count() - 1, text, _ACTION)
        combo.setCurrentIndex(row)
        combo.blockSignals(blocked)
        combo.defaultText = f"Select a {typeLabel(self._scene, next(iter(self._filter.types), ''))}"

    def act(self, text: str) -> bool:
        """What a click on one of the actions does; False where `text` is none of them."""
        found = dict(self._actions()).get(text)
        if found is not None:
            found()
        return found is not None

    def _create(self, nodeType: str) -> None:
        """As in Slicer 5.10: the signal comes twice."""
        node = self.addNode(nodeType)
        if node is not None:
            self.setCurrentNode(node)
            self.nodeAddedByUser.emit(node)

    # The current node

    def _onCurrentIndex(self, _: int = 0) -> None:
        if self._switching:
            return
        row, node = self._combo.currentIndex(), self.currentNode()
        if node is None and row != (0 if self._flags.none else -1):  # one of the actions
            last = self.nodeFromIndex(self.nodeCount() - 1)
            if last is not None:
                self.setCurrentNode(last)
            return
        self.currentNodeChanged[object].emit(node)
        self.currentNodeChanged[bool].emit(node is not None)
        self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    def _onActivated(self, row: int) -> None:
        node = self.currentNode()
        if node is not None or (self._flags.none and row == 0):
            self.nodeActivated.emit(node)

    @Slot(result=object)
    def currentNode(self) -> slicer.vtkMRMLNode | None:
        nodeID = self._combo.currentData()
        return self._scene.GetNodeByID(nodeID) if self._scene is not None and nodeID else None

    @Slot(object)
    def setCurrentNode(self, node: slicer.vtkMRMLNode | None) -> None:
        if node is not None and not hasattr(node, "GetID"):
            raise TypeError("setCurrentNode takes a node; setCurrentNodeID takes an ID")
        self.setCurrentNodeID(node.GetID() if node is not None else "")

    @Slot(str)
    def setCurrentNodeID(self, nodeID: str) -> None:
        if self._scene is None:
            self._requested = nodeID
        row = self._combo.findData(nodeID) if nodeID else -1
        self._combo.setCurrentIndex(row if row >= 0 else 0 if self._flags.none else -1)

    @Slot(int)
    def setCurrentNodeIndex(self, index: int) -> None:
        self._combo.setCurrentIndex((index if index < self.nodeCount() else -1) + self._flags.none)

    @Slot(result=int)
    def nodeCount(self) -> int:
        return sum(bool(self._combo.itemData(row)) for row in range(self._combo.count()))

    @Slot(int, result=object)
    def nodeFromIndex(self, index: int) -> slicer.vtkMRMLNode | None:
        nodeID = self._combo.itemData(index + self._flags.none) if index >= 0 else None
        return self._scene.GetNodeByID(nodeID) if self._scene is not None and nodeID else None

    # Adding, removing, renaming

    @Slot(result=object)
    @Slot(str, result=object)
    def addNode(self, nodeType: str = "") -> slicer.vtkMRMLNode | None:
        nodeType = nodeType or next(iter(self._filter.types), "")
        if not nodeType or nodeType not in self._filter.types:
            return None
        node = self._scene.CreateNodeByClass(nodeType)
        node.UnRegister(None)
        name = self._baseNames.get(nodeType) or (node.GetName() is None and node.GetDefaultNodeNamePrefix())
        if name:
            node.SetName(self._scene.GetUniqueNameByString(name))
        for attribute, value in self._filter.attributes.values():
            node.SetAttribute(attribute, value)
        node = self._scene.AddNode(node)
        if self._flags.select:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    @Slot()
    def removeCurrentNode(self) -> None:
        self._scene.RemoveNode(self.currentNode())

    @Slot()
    def renameCurrentNode(self) -> None:
        node = self.currentNode()
        name = dialogs.askText(f"Rename {typeLabel(self._scene, node.GetClassName())}", "New name:") if node else ""
        if name:
            node.SetName(name)
            self.currentNodeRenamed.emit(name)

    @Slot(str, str)
    @Slot(str, str, str)
    def addAttribute(self, nodeType: str, name: str, value: str | None = None) -> None:
        self._filter.attributes[nodeType] = (name, value)
        self._refilter()

    @Slot(str, str)
    def removeAttribute(self, nodeType: str, name: str) -> None:
        self._filter.attributes.pop(nodeType, None)
        self._refilter()

    # Properties

    def _setNone(self, on: bool) -> None:
        if on != self._flags.none:
            self._flags.none = on
            if on:
                self._combo.insertItem(0, self._noneText, "")
            else:
                self._combo.removeItem(0)

    def _setNoneText(self, text: str) -> None:
        self._noneText = text
        if self._flags.none:
            self._combo.setItemText(0, text)

    def _setTypes(self, types: list[str]) -> None:
        self._filter.types = [nodeType for nodeType in types if nodeType]
        self._refilter()

    def _setBaseName(self, name: str) -> None:
        self._baseNames = dict.fromkeys(self._filter.types, name)

    def _flag(name: str) -> Property:
        def write(self: qMRMLNodeComboBox, on: bool) -> None:
            setattr(self._flags, name, on)
            self._writeActions()

        return Property(bool, lambda self: getattr(self._flags, name), write)

    def _filtering(kind: type | str, name: str) -> Property:
        def write(self: qMRMLNodeComboBox, value: object) -> None:
            setattr(self._filter, name, value)
            self._refilter()

        return Property(kind, lambda self: getattr(self._filter, name), write)

    nodeTypes = Property("QStringList", lambda self: self._filter.types, _setTypes)
    hideChildNodeTypes = _filtering("QStringList", "hiddenTypes")
    showHidden, showChildNodeTypes = _filtering(bool, "showHidden"), _filtering(bool, "showChildTypes")
    noneEnabled = Property(bool, lambda self: self._flags.none, _setNone)
    noneDisplay = Property(str, lambda self: self._noneText, _setNoneText)
    addEnabled, removeEnabled, editEnabled = _flag("add"), _flag("remove"), _flag("edit")
    renameEnabled, selectNodeUponCreation = _flag("rename"), _flag("select")
    baseName = Property(str, lambda self: self._baseNames.get(next(iter(self._filter.types), ""), ""), _setBaseName)
    currentNodeID = Property(str, lambda self: self._combo.currentData() or "", setCurrentNodeID, notify=currentNodeIDChanged)
