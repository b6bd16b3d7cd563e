"""Which segments a person wants: a tree with check boxes, groups and a search."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import qt
from slicer.i18n import tr as _

from MedSegDLLib.labels import LabelTable
from MedSegDLPanel.heights import fitTree
from MedSegDLScene.label_groups import groupsOf, matching

_ROWS_SEEN = 10
_FEW = 12  # rows that are read at a glance: groups are open


class LabelTree:
    """Shows the labels of a model; `onChosen` is told the names that are checked, or None when all are."""

    def __init__(self, ui: object, onChosen: Callable[[list[str] | None], None]) -> None:
        self._ui, self._onChosen = ui, onChosen
        self._labels = LabelTable(())
        self._items: dict[str, qt.QTreeWidgetItem] = {}
        self._filling = False
        ui.labelTree.connect("itemChanged(QTreeWidgetItem*,int)", self._onItemChanged)
        ui.labelSearchEdit.connect("textChanged(QString)", self._onSearch)
        ui.labelAllButton.connect("clicked(bool)", lambda: self._checkFound(lambda checked: True))
        ui.labelNoneButton.connect("clicked(bool)", lambda: self._checkFound(lambda checked: False))
        ui.labelInvertButton.connect("clicked(bool)", lambda: self._checkFound(lambda checked: not checked))

    def show(self, labels: LabelTable, chosen: Sequence[str] | None) -> None:
        """The labels in their groups, those in `chosen` checked; None checks all."""
        if labels != self._labels:
            self._labels = labels
            self._fill()
            self._ui.labelSearchEdit.text = ""
        self._check({name: chosen is None or name in chosen for name in self._items})

    def _fill(self) -> None:
        tree = self._ui.labelTree
        self._filling, self._items = True, {}
        tree.clear()
        for group, names in groupsOf(self._labels):
            parent = _addItem(tree.addTopLevelItem, group, qt.Qt.ItemIsAutoTristate) if group else None
            for name in names:
                self._items[name] = _addItem(parent.addChild if parent else tree.addTopLevelItem, name)
        self._filling = False
        fitTree(tree, len(self._items) + tree.topLevelItemCount, 3, _ROWS_SEEN)
        self._unfold()

    def _unfold(self) -> None:
        """Groups are open where that is little to read, and while something is searched."""
        if len(self._items) <= _FEW or self._ui.labelSearchEdit.text.strip():
            self._ui.labelTree.expandAll()
        else:
            self._ui.labelTree.collapseAll()

    def _onSearch(self, text: str) -> None:
        found = set(matching(self._labels, text))
        tree = self._ui.labelTree
        for name, item in self._items.items():
            item.setHidden(name not in found)
        for row in range(tree.topLevelItemCount):
            item = tree.topLevelItem(row)
            if item.childCount():
                item.setHidden(all(item.child(n).isHidden() for n in range(item.childCount())))
        self._unfold()

    def _checkFound(self, wanted: Callable[[bool], bool]) -> None:
        """Check what is shown as `wanted` says of its present state."""
        shown = {name: item for name, item in self._items.items() if not item.isHidden()}
        self._check({name: wanted(_isChecked(item)) for name, item in shown.items()})
        self._tell()

    def _check(self, states: dict[str, bool]) -> None:
        self._filling = True
        for name, checked in states.items():
            if _isChecked(self._items[name]) != checked:
                self._items[name].setCheckState(0, qt.Qt.Checked if checked else qt.Qt.Unchecked)
        self._filling = False
        self._count()

    def _onItemChanged(self, item: qt.QTreeWidgetItem, column: int) -> None:
        if not self._filling:
            self._count()
            self._tell()

    def _tell(self) -> None:
        chosen = [name for name, item in self._items.items() if _isChecked(item)]
        self._onChosen(None if len(chosen) == len(self._items) else chosen)

    def _count(self) -> None:
        number = sum(_isChecked(item) for item in self._items.values())
        self._ui.labelCountLabel.text = _("{number} of {all}").format(number=number, all=len(self._items))


def _addItem(add: Callable[[qt.QTreeWidgetItem], None], text: str, *flags: int) -> qt.QTreeWidgetItem:
    item = qt.QTreeWidgetItem()
    item.setText(0, text)
    item.setToolTip(0, text)
    for flag in (qt.Qt.ItemIsUserCheckable, *flags):
        item.setFlags(item.flags() | flag)
    item.setCheckState(0, qt.Qt.Checked)
    add(item)
    return item


def _isChecked(item: qt.QTreeWidgetItem) -> bool:
    return item.checkState(0) == qt.Qt.Checked
