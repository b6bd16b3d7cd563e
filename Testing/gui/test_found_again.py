"""What a person finds on coming back: to a panel that was closed, to a scene in another Slicer, to folders that changed."""

from __future__ import annotations

import pytest

from Testing.gui import harness, train_examples
from Testing.gui.medsegdltrain_panel import choose_folder, fake_interpreter, open_panel


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return train_examples.write_case_folder(tmp_path / "heart")


@pytest.fixture
def panel(monkeypatch, folder):
    opened = open_panel(monkeypatch, fake_interpreter())
    choose_folder(opened, folder)
    return opened


def write_job(panel):
    harness.click(panel.ui.writeJobButton)
    harness.wait_until(lambda: not panel.ui.jobWork.visible, 60)
    harness.process_events(0.1)


def heights(table):
    return [table.rowHeight(row) for row in range(table.rowCount)]


def test_the_reasons_of_a_job_are_as_legible_when_the_panel_is_opened_again(panel):
    write_job(panel)
    before = heights(panel.ui.jobTable)
    harness.close_modules()
    again = harness.open_module("MedSegDLTrain")
    harness.process_events(0.1)
    assert max(before) > min(before)
    assert heights(again.ui.jobTable) == before
