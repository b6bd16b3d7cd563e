"""Each test of the panels has an empty scene and an own start of the harness; nothing that it left behind goes unnoticed."""

from __future__ import annotations

import sys

import pytest

from Testing.models import BRIGHT_AND_BRIGHTEST, write_bright_model

try:
    from Testing.gui import harness

    MISSING = ""
except ImportError as error:  # PySide6 is not installed, or one of the libraries that it links (libEGL) is not
    MISSING = f"PySide6 cannot be imported: {error}"


class _Skipped(pytest.Module):
    def collect(self):
        pytest.skip(MISSING, allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    return _Skipped.from_parent(parent, path=module_path) if MISSING else None


def _ours() -> dict:
    return {name: module for name, module in sys.modules.items() if name.startswith("MedSegDL")}


@pytest.fixture(autouse=True)
def _same_packages():
    """A reload of a module leaves other packages of the same names behind, which tests that have the old ones must not meet."""
    before = _ours()
    yield
    if any(sys.modules.get(name) is not module for name, module in before.items()):
        for name in _ours():
            del sys.modules[name]
        sys.modules.update(before)


@pytest.fixture(autouse=True)
def _fresh_application(_same_packages):
    """qt, ctk and slicer.app for this test, and none of its panels, nodes or dialogs for the next."""
    import slicer

    harness.start()
    slicer.mrmlScene.Clear(0)
    yield
    try:
        harness.close_modules()
        harness.check()
    finally:
        harness.stop()
        slicer.mrmlScene.Clear(0)


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A zoo with the model "two", and nothing of this user's own."""
    write_bright_model(tmp_path / "listed", "two", BRIGHT_AND_BRIGHTEST)
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "listed"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A case folder, and a place for the list of runs."""
    from Testing.gui import train_examples  # which needs the harness's qt

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return train_examples.write_case_folder(tmp_path / "heart")
