"""Hundreds of cases: the table is filled once, and pictures come in between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from MedSegDLTrainLib.cases import read_case_list, write_cases
from Testing.gui import harness, train_examples
from Testing.gui.medsegdltrain_panel import choose_folder, fake_interpreter, open_panel, texts


@pytest.fixture
def panel(monkeypatch):
    return open_panel(monkeypatch, fake_interpreter())


def write_list(folder, count):
    """That many cases in the list, of which the first four have files."""
    listed = read_case_list(folder).cases[:4]
    more = [replace(listed[n % 4], name=f"more-{n}", patient=f"Q{n}", image_sha256=f"{n:064x}") for n in range(4, count)]
    write_cases(folder, [*listed, *more], {train_examples.LABEL: 1}, "MR")


def test_a_list_that_has_not_changed_is_not_filled_in_again(panel, folder, monkeypatch):
    from MedSegDLTrainPanel import cases_part

    filled, fill = [], cases_part.table_rows.setRows

    def counted(table, rows):
        filled.append(len(rows))
        fill(table, rows)

    write_list(folder, 40)
    monkeypatch.setattr(cases_part.table_rows, "setRows", counted)
    choose_folder(panel, folder)
    assert filled.count(40) == 1
    panel.enter()  # as when the module is opened again
    panel.enter()
    assert filled.count(40) == 1
    write_list(folder, 41)
    panel.enter()
    assert filled.count(41) == 1
    assert texts(panel.ui.casesTable)[-1][0] == "more-40"


def test_a_look_for_pictures_asks_once_where_the_cases_are(panel, folder, monkeypatch):
    from MedSegDLTrainPanel import cases_part

    asked, rows_by_key = [], cases_part.table_rows.rowsByKey

    def counted(table):
        asked.append(table.rowCount)
        return rows_by_key(table)

    write_list(folder, 40)
    monkeypatch.setattr(cases_part.table_rows, "rowsByKey", counted)
    choose_folder(panel, folder)
    harness.process_events(0.7)
    assert 4 <= asked.count(40) < 12  # four looks of ten pictures each, not forty
