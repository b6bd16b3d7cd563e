"""The table of a result: colour, name and volume of each segment, and how well it agrees with another segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import qt
from slicer.i18n import tr as _

from MedSegDLPanel import wording
from MedSegDLPanel.heights import fitTable

_COLOUR, _NAME, _VOLUME, _OTHER_VOLUME, _DICE = range(5)
_ROWS_SEEN = 9  # more scroll


@dataclass(frozen=True)
class TableRow:
    """One segment: colour in 0…255, volume in ml; in a comparison also the other one's volume, and their Dice."""

    segmentId: str
    name: str
    colour: tuple[int, int, int]
    ml: float
    otherMl: float | None = None
    dice: float | None = None


class SegmentTable:
    """Shows rows in a QTableWidget; the column of the comparison only where there is one."""

    def __init__(self, table: qt.QTableWidget) -> None:
        self._table = table
        table.setHorizontalHeaderLabels(["", _("Segment"), _("ml"), _("other ml"), _("Dice")])
        header = table.horizontalHeader()
        header.setMinimumSectionSize(20)
        table.verticalHeader().setDefaultSectionSize(24)
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(_NAME, qt.QHeaderView.Stretch)
        table.verticalHeader().setVisible(False)

    def show(self, rows: Sequence[TableRow], compared: bool) -> None:
        """These rows; `compared` shows the columns of a comparison, with a dash where a segment is on one side only."""
        table = self._table
        table.setRowCount(len(rows))
        table.setColumnHidden(_OTHER_VOLUME, not compared)
        table.setColumnHidden(_DICE, not compared)
        for number, row in enumerate(rows):
            swatch = qt.QTableWidgetItem()
            swatch.setBackground(qt.QBrush(qt.QColor(*row.colour)))
            name = qt.QTableWidgetItem(row.name)
            name.setToolTip(row.name)
            table.setItem(number, _COLOUR, swatch)
            table.setItem(number, _NAME, name)
            table.setItem(number, _VOLUME, _number(wording.millilitres(row.ml)))
            table.setItem(number, _OTHER_VOLUME, _number("–" if row.otherMl is None else wording.millilitres(row.otherMl)))
            table.setItem(number, _DICE, _number("–" if row.dice is None else f"{row.dice:.3f}"))
        fitTable(table, len(rows), _ROWS_SEEN)


def _number(text: str) -> qt.QTableWidgetItem:
    item = qt.QTableWidgetItem(text)
    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    return item
