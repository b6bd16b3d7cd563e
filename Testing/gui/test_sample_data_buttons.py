"""The buttons in Sample Data: a small window while the phantom is made, Cancel, a sentence where it cannot be made."""

from __future__ import annotations

import sys
import time
import types
from itertools import pairwise
from pathlib import Path

import pytest
import slicer

from MedSegDLScene.interpreter import Interpreter, this_interpreter
from Testing.gui import harness

ICONS = Path(__file__).parents[2] / "MedSegDL" / "Resources" / "Icons"


@pytest.fixture
def buttons():
    """The module, which needs the harness's qt."""
    from MedSegDLPanel import sample_data_buttons

    return sample_data_buttons


@pytest.fixture
def instead(buttons, monkeypatch):
    """instead(code): that code runs where the phantom would be made."""

    def run(code):
        command = Interpreter((sys.executable, "-c", code), this_interpreter().environment)
        monkeypatch.setattr(buttons, "slicerInterpreter", lambda: command)

    return run


class Clock:
    """A timer of 10 ms, that calls look() with the window that waits: how long nothing came, at most?"""

    def __init__(self, look=lambda dialog: None):
        import qt

        self.times, self.look, self.timer = [time.perf_counter()], look, qt.QTimer()
        self.timer.connect("timeout()", self.tick)
        self.timer.start(10)

    def tick(self):
        self.times.append(time.perf_counter())
        if waiting():
            self.look(waiting()[0])

    def longest(self):
        self.timer.stop()
        times = [*self.times, time.perf_counter()]
        return max(later - earlier for earlier, later in pairwise(times))


def waiting():
    """The windows that wait for something."""
    import qt

    return [widget for widget in qt.QApplication.topLevelWidgets() if widget.inherits("QProgressDialog") and widget.visible]


def volumes():
    return slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")


def test_the_beating_phantom_comes_and_is_shown_while_the_window_stays_alive(buttons):
    seen = []

    def look(dialog):
        if dialog.value > 30 and not seen:
            seen.append((dialog.labelText, dialog.modal))
            harness.grab(types.SimpleNamespace(parent=dialog), "sample_data_waiting")

    clock = Clock(look)
    volume = buttons.addBeatingPhantom("what Sample Data hands over")
    assert clock.longest() < 0.5
    assert seen == [("Computing the beating heart phantom…", True)]
    assert [volume] == volumes()
    assert slicer.app.applicationLogic().GetSelectionNode().GetActiveVolumeID() == volume.GetID()
    assert waiting() == []


def test_cancel_leaves_the_scene_as_it_was(buttons, instead):
    import qt

    instead("import time; time.sleep(60)")
    clock = Clock(lambda dialog: harness.click(dialog.findChild(qt.QPushButton)))
    assert buttons.addPhantom() is None
    assert clock.longest() < 0.5
    assert volumes() == [] and waiting() == []


def test_what_goes_wrong_is_a_sentence(buttons, instead):
    instead("print('The disk is full.'); raise SystemExit(1)")
    behind = []
    harness.answer(lambda dialog: behind.extend(waiting()) or "Ok")
    assert buttons.addPhantom() is None
    assert behind == [], "nothing is waited for any more"
    (dialog,) = harness.take_shown()
    assert dialog.text == "The phantom could not be made. The disk is full."
    assert volumes() == [] and waiting() == []


def test_both_are_listed_in_sample_data(buttons, monkeypatch):
    """What SampleData.SampleDataSource does with its arguments: all lists have one length."""
    listed = []

    def register(category, sampleName, uris, fileNames, nodeNames, customDownloader, thumbnailFileName):
        assert len(uris) == len(fileNames) == len(nodeNames)
        listed.append((category, sampleName, customDownloader, thumbnailFileName))

    logic = types.SimpleNamespace(registerCustomSampleDataSource=register)
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
    buttons.registerSampleData(ICONS)
    assert [(category, add) for category, _, add, _ in listed] == [
        ("MedSegDL", buttons.addPhantom),
        ("MedSegDL", buttons.addBeatingPhantom),
    ]
    assert all(Path(thumbnail).is_file() for *_, thumbnail in listed)
