"""The module MedSegDL as Slicer sees it: its texts, its logic without a panel, a reload, and one run of the real worker."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import slicer

from MedSegDLLib.errors import InputError
from Testing.gui import harness
from Testing.gui.medsegdl_panel import add_volume, cells, choose_model, labels, open_panel, segmentations
from Testing.scene.fake_client import FakeClient

ROOT = Path(__file__).parents[2]
OURS = ("MedSegDLLib", "MedSegDLScene", "MedSegDLPanel")
LV = "Left ventricle in short-axis cine MR"


pytestmark = pytest.mark.usefixtures("zoo")


@pytest.fixture
def module():
    return importlib.import_module("MedSegDL")


def test_slicer_is_told_what_the_module_is(monkeypatch):
    panel = open_panel(FakeClient(), monkeypatch)
    told = slicer.modules.medsegdl
    assert told.title == "MedSegDL"
    assert list(told.categories) == ["Segmentation"]
    assert "sends nothing anywhere" in told.helpText
    assert told.contributors
    assert panel.parent is not None


def test_slicer_loads_the_modules_first_whose_logic_is_asked_for(monkeypatch):
    open_panel(FakeClient(), monkeypatch)
    files = (file for name in ("MedSegDLScene", "MedSegDLPanel") for file in (ROOT / "MedSegDL" / name).glob("*.py"))
    asked = {
        name for file in files for name in re.findall(r"slicer\.modules\.(\w+)\.logic\(\)", file.read_text(encoding="utf-8"))
    }
    assert {"sequences"} < asked <= {name.lower() for name in slicer.modules.medsegdl.dependencies}


def test_a_cine_that_plays_behind_another_module_costs_the_panel_nothing(monkeypatch):
    volume, panel, looks = add_volume(), open_panel(FakeClient(), monkeypatch), []
    monkeypatch.setattr(panel.panel, "show", lambda: looks.append(1))
    volume.Modified()
    assert looks
    panel.parent.exit()
    looks.clear()
    volume.Modified()
    assert not looks


def test_the_logic_segments_without_a_panel(module, monkeypatch):
    monkeypatch.setattr(module, "WorkerClient", lambda _: FakeClient(lambda image, options: labels(v1=64)))
    volume = add_volume()
    node = module.MedSegDLLogic().segment(volume, "two")
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["Bright"]
    assert segmentations() == [node]


def test_the_logic_keeps_qt_alive_while_it_waits(module, monkeypatch):
    import qt

    beats = []
    timer = qt.QTimer()
    timer.setInterval(1)
    timer.connect("timeout()", lambda: beats.append(1))
    timer.start()
    client = FakeClient(lambda image, options: labels(v1=64) if len(beats) > 3 else None)
    finish = client._finish
    client._finish = lambda asked, array, table=None: finish(asked, array, table) if array is not None else None
    monkeypatch.setattr(module, "WorkerClient", lambda _: client)
    module.MedSegDLLogic().segment(add_volume(), "two")
    timer.stop()
    assert len(beats) > 3


def test_the_logic_tells_what_is_wrong_as_an_error(module, monkeypatch):
    monkeypatch.setattr(module, "WorkerClient", lambda _: FakeClient())
    with pytest.raises(InputError, match="choose it"):
        module.MedSegDLLogic().segment(None, "two")


def test_reloading_ends_the_worker_before_it_drops_our_packages(monkeypatch):
    client, order = FakeClient(), []
    client.close = lambda: order.append("closed")
    panel = open_panel(client, monkeypatch)
    ours = {name: module for name, module in sys.modules.items() if name.startswith(OURS)}

    def onReload(widget):
        order.append([name for name in sys.modules if name.startswith("MedSegDL") and name != "MedSegDL"])

    monkeypatch.setattr(sys.modules["slicer.ScriptedLoadableModule"].ScriptedLoadableModuleWidget, "onReload", onReload)
    try:
        panel.onReload()
        assert order[0] == "closed"
        assert [name for name in order[1] if name.startswith(OURS)] == []
    finally:
        sys.modules.update(ours)


def test_a_panel_whose_setup_failed_can_be_reloaded(monkeypatch):
    """Whoever mends what made it fail presses Reload, as Slicer's developers do."""
    panel = open_panel(FakeClient(), monkeypatch)
    panel.panel.close()
    panel.setParameterNode(None)
    panel.logic = panel.panel = None
    panel.onReload()
    again = slicer.modules.MedSegDLWidget
    assert again is not panel and again.panel is not None


def test_nothing_heavy_is_imported_into_slicer():
    code = "\n".join(
        (
            "import sys",
            f"sys.path.insert(0, {str(ROOT)!r})",
            "from Testing.gui import harness",
            "harness.start()",
            "sys.modules.update(dict.fromkeys(['torch', 'scipy', 'skimage', 'safetensors', 'matplotlib', 'filelock']))",
            "harness.open_module('MedSegDL')",
            "harness.check()",
            "harness.close_modules()",
        )
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=ROOT)
    assert result.returncode == 0, result.stderr


def test_every_widget_can_be_reached_by_the_keyboard_and_says_what_it_does(monkeypatch):
    import qt

    panel = open_panel(FakeClient(), monkeypatch)
    ui_file = ElementTree.parse(ROOT / "MedSegDL" / "Resources" / "UI" / "MedSegDL.ui")
    names = [element.text for element in ui_file.iter("tabstop")]
    assert len(names) > 30
    for name in names:
        widget = getattr(panel.ui, name)
        assert widget.toolTip, f"{name} has no tool tip"
        assert widget.focusPolicy != qt.Qt.NoFocus or widget.focusProxy() is not None, f"{name} cannot be reached by Tab"


def test_no_two_widgets_that_are_seen_together_share_a_letter(monkeypatch):
    panel = open_panel(FakeClient(), monkeypatch)
    harness.click(panel.ui.optionsButton)
    panel.ui.resultButton.visible = True
    harness.process_events()
    texts = [widget.text for widget in vars(panel.ui).values() if hasattr(widget, "text") and widget.visible]
    letters = [text[text.index("&") + 1].lower() for text in texts if "&" in text]
    assert len(letters) > 12
    assert sorted(set(letters)) == sorted(letters)


@pytest.mark.timeout(280)
def test_the_real_worker_segments_the_phantom_and_shows_it():
    """The only test here with torch: window, process, network and scene together."""
    from MedSegDLPanel.sample_data_buttons import addPhantom

    panel = harness.open_module("MedSegDL")
    volume = addPhantom()
    slicer.util.updateVolumeFromArray(volume, slicer.util.arrayFromVolume(volume)[4:7].copy())  # three slices are enough
    panel.ui.inputSelector.setCurrentNode(volume)
    choose_model(panel, LV)
    harness.wait_until(lambda: panel.ui.deviceComboBox.count > 1, 120)
    harness.click(panel.ui.applyButton)
    harness.wait_until(lambda: panel.ui.resultButton.visible or panel.ui.errorFrame.visible, 120)
    assert not panel.ui.errorFrame.visible, panel.ui.errorLabel.text
    ((name, volume),) = cells(panel)
    assert name == "left ventricular cavity"
    assert 10 < float(volume) < 200
    harness.grab(panel, "medsegdl_real_worker")
