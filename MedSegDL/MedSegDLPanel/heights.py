"""Lists as high as their rows, within limits: neither empty space nor an endless panel."""

from __future__ import annotations

import qt

_FRAME = 4  # pixels of the frame above and below


def fitTree(tree: qt.QTreeWidget, rows: int, least: int, most: int) -> None:
    """Make room for `rows` rows, but for at least and at most as many as said; more scroll."""
    height = max(tree.sizeHintForRow(0), tree.fontMetrics().height())
    tree.setFixedHeight(height * min(max(rows, least), most) + _FRAME)


def fitTable(table: qt.QTableWidget, rows: int, most: int) -> None:
    """As `fitTree`, for a table with a header of columns."""
    row = table.verticalHeader().defaultSectionSize
    table.setFixedHeight(table.horizontalHeader().sizeHint.height() + row * min(max(rows, 1), most) + _FRAME)
