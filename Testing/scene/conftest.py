"""A fresh Slicer scene for every test."""

import pytest
import slicer

from Testing.scene import headless

headless.start()


@pytest.fixture(autouse=True)
def scene() -> slicer.vtkMRMLScene:
    slicer.mrmlScene.Clear(0)
    return slicer.mrmlScene
