"""Each test of the panels has an empty scene and an own start of the harness; nothing that it left behind goes unnoticed."""

from __future__ import annotations

import pytest

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


@pytest.fixture(autouse=True)
def _fresh_application():
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
