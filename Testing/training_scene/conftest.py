"""A fresh Slicer scene, a zoo with a model that marks what is bright, and places of this test alone."""

import pytest
import slicer

from Testing.models import write_bright_model
from Testing.scene import headless

headless.start()


@pytest.fixture(autouse=True)
def scene() -> slicer.vtkMRMLScene:
    slicer.mrmlScene.Clear(0)
    return slicer.mrmlScene


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """What is remembered for a user, and temporary files, lie in the test's own folder."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "zoo"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    return temporary


@pytest.fixture
def zoo(tmp_path):
    write_bright_model(tmp_path / "zoo")
    return tmp_path / "zoo"
