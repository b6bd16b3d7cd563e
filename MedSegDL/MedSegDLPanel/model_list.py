"""The list of models: grouped by anatomy, searched by words, one of them chosen."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from MedSegDLLib.errors import ModelError
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.zoo import ZooModel, list_models, read_model
from MedSegDLPanel.heights import fitTree
from MedSegDLScene.model_choice import groupedModels, isFound

_ID = qt.Qt.UserRole
_ROWS_SEEN = 8


class ModelList:
    """Shows the models of this computer; `onChosen` is told the id of the one that a person clicks."""

    def __init__(self, ui: object, onChosen: Callable[[str], None]) -> None:
        self._ui, self._onChosen = ui, onChosen
        self._models: dict[str, ZooModel] = {}
        self._tables: dict[str, LabelTable] = {}
        self._items: dict[str, qt.QTreeWidgetItem] = {}
        self._selecting = False
        self._nothing: qt.QTreeWidgetItem | None = None  # the row that says that no model was found
        ui.modelTree.header().setStretchLastSection(False)
        ui.modelTree.header().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        ui.modelTree.header().setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)
        ui.modelTree.connect("currentItemChanged(QTreeWidgetItem*,QTreeWidgetItem*)", self._onItem)
        ui.modelSearchEdit.connect("textChanged(QString)", self._onSearch)

    @property
    def firstId(self) -> str:
        """The id of the first model in the list; empty if there is none."""
        return next(iter(self._items), "")

    def look(self) -> None:
        """Read anew which models there are."""
        models = {model.card.id: model for model in list_models()}
        if models != self._models:
            self._models, self._tables = models, {}
            self._fill()

    def modelOf(self, modelId: str) -> ZooModel | None:
        """The model with this id, if it is on this computer."""
        return self._models.get(modelId)

    def labelsOf(self, modelId: str) -> LabelTable:
        """What the model marks; empty where the model is unknown or its table is damaged."""
        if modelId not in self._tables and modelId in self._models:
            try:
                self._tables[modelId] = read_model(self._models[modelId].folder)[1]
            except ModelError:  # told when the model is applied
                self._tables[modelId] = LabelTable(())
        return self._tables.get(modelId, LabelTable(()))

    def select(self, modelId: str) -> None:
        """Show which model is chosen."""
        item = self._items.get(modelId)
        self._selecting = True
        if item is None:
            self._ui.modelTree.setCurrentItem(None)
        elif self._ui.modelTree.currentItem() != item:
            self._ui.modelTree.setCurrentItem(item)
        self._selecting = False

    def _fill(self) -> None:
        tree = self._ui.modelTree
        self._selecting, self._items = True, {}
        tree.clear()
        for group, models in groupedModels(list(self._models.values())):
            parent = qt.QTreeWidgetItem()
            parent.setText(0, group)
            parent.setFlags(qt.Qt.ItemIsEnabled)  # a heading is not chosen
            tree.addTopLevelItem(parent)
            for model in models:
                self._items[model.card.id] = _addModel(parent, model)
        self._nothing = _addNote(tree, _("No model has all these words."))
        self._selecting = False
        self._onSearch(self._ui.modelSearchEdit.text)
        fitTree(tree, tree.topLevelItemCount - 1 + len(self._items), 3, _ROWS_SEEN)

    def _onSearch(self, text: str) -> None:
        for modelId, item in self._items.items():
            item.setHidden(not isFound(self._models[modelId].card, self.labelsOf(modelId), text))
        for row in range(self._ui.modelTree.topLevelItemCount):
            group = self._ui.modelTree.topLevelItem(row)
            group.setHidden(all(group.child(n).isHidden() for n in range(group.childCount())))
        if self._nothing is not None:
            self._nothing.setHidden(any(not item.isHidden() for item in self._items.values()))
        self._ui.modelTree.expandAll()

    def _onItem(self, item: qt.QTreeWidgetItem | None, before: qt.QTreeWidgetItem | None) -> None:
        if item is not None and not self._selecting and item.data(0, _ID):
            self._onChosen(item.data(0, _ID))


def _addNote(tree: qt.QTreeWidget, text: str) -> qt.QTreeWidgetItem:
    item = qt.QTreeWidgetItem()
    item.setText(0, text)
    item.setFlags(qt.Qt.NoItemFlags)
    tree.addTopLevelItem(item)
    return item


def _addModel(parent: qt.QTreeWidgetItem, model: ZooModel) -> qt.QTreeWidgetItem:
    item = qt.QTreeWidgetItem()
    item.setText(0, model.card.title)
    item.setText(1, model.card.modality)
    item.setToolTip(0, f"{model.card.title}\n{model.folder}")
    item.setData(0, _ID, model.card.id)
    parent.addChild(item)
    return item
