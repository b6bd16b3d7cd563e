"""The harness behaves as PythonQt, CTK and Slicer do; README.md here says where each expectation is read."""

import sys
from pathlib import Path

import numpy as np
import pytest
import slicer

from Testing.gui import harness

sys.path.insert(0, str(Path(__file__).parent / "example_module"))


@pytest.fixture
def panel():
    return harness.open_module("HarnessExample")


def test_the_example_module_runs_from_its_own_files(panel):
    node = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.int16), name="MR")
    harness.process_events()
    assert panel.ui.inputSelector.currentNode() is node
    harness.click(panel.ui.applyButton)
    assert panel.ui.statusLabel.text == "Working on MR"
    harness.wait_until(lambda: panel.ui.statusLabel.text == "Done")
