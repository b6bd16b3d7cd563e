"""Rows of texts in a QTableWidget that can be sorted, searched and selected by a key."""

from __future__ import annotations

from collections.abc import Sequence

import qt


def number(text: str) -> qt.QTableWidgetItem:
    """A cell at the right edge; texts of one width sort as their numbers do (PythonQt asks no `__lt__` of an item)."""
    item = qt.QTableWidgetItem(text)
    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    return item


def setColumns(table: qt.QTableWidget, titles: Sequence[str], stretched: int, widths: dict[int, int] | None = None) -> None:
    """Name the columns; `stretched` takes the room that is left, some have a width in pixels, the others fit their texts.

    A text without room loses its middle: names of cases often differ at their end only. The tool tip has all of it.
    """
    table.setColumnCount(len(titles))
    table.setHorizontalHeaderLabels(titles)
    table.setTextElideMode(qt.Qt.ElideMiddle)
    table.verticalHeader().setVisible(False)
    header = table.horizontalHeader()
    header.setHighlightSections(False)
    for column in range(len(titles)):
        header.setSectionResizeMode(column, qt.QHeaderView.Stretch if column == stretched else qt.QHeaderView.ResizeToContents)
    for column, width in (widths or {}).items():
        header.setSectionResizeMode(column, qt.QHeaderView.Interactive)
        table.setColumnWidth(column, width)


def setRows(table: qt.QTableWidget, rows: Sequence[tuple[str, Sequence[str | qt.QTableWidgetItem]]]) -> None:
    """Show rows (key, texts); the selected key stays selected where it is still there."""
    selected, sorted_ = selectedKey(table), table.sortingEnabled
    header, columns = table.horizontalHeader(), range(table.columnCount)
    modes = [header.sectionResizeMode(column) for column in columns]
    table.setSortingEnabled(False)  # else rows move while they are filled
    header.setSectionResizeMode(qt.QHeaderView.Fixed)  # else each item that is set measures all rows anew
    table.setRowCount(len(rows))
    for row, (key, texts) in enumerate(rows):
        for column, text in enumerate(texts):
            item = text if isinstance(text, qt.QTableWidgetItem) else qt.QTableWidgetItem(text)
            item.setToolTip(item.toolTip() or item.text())
            item.setData(qt.Qt.UserRole, key)
            table.setItem(row, column, item)
    for column, mode in zip(columns, modes, strict=True):
        header.setSectionResizeMode(column, mode)
    table.setSortingEnabled(sorted_)
    select(table, selected)


def selectedKey(table: qt.QTableWidget) -> str:
    """The key of the selected row; "" where none is."""
    items = table.selectedItems()
    return items[0].data(qt.Qt.UserRole) if items else ""


def select(table: qt.QTableWidget, key: str) -> None:
    """Select the row of a key and bring it into sight; no row if there is none of that key."""
    row = rowsByKey(table).get(key) if key else None
    if row is None:
        table.clearSelection()
    elif key != selectedKey(table):
        table.selectRow(row)
        table.scrollToItem(table.item(row, 0))


def rowsByKey(table: qt.QTableWidget) -> dict[str, int]:
    """Where the row of each key is now."""
    return {table.item(row, 0).data(qt.Qt.UserRole): row for row in range(table.rowCount)}


def showOnly(table: qt.QTableWidget, words: str) -> None:
    """Hide the rows in which not all of the words occur."""
    wanted = words.casefold().split()
    for row in range(table.rowCount):
        texts = (table.item(row, column).text() for column in range(table.columnCount)) if wanted else ()
        text = " ".join(texts).casefold()
        table.setRowHidden(row, not all(word in text for word in wanted))
