"""A module's own files run in the harness as in the application: an example module, opened, used, reloaded, closed."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import slicer
from PySide6 import QtGui

from Testing.gui import harness

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "example_module"))


@pytest.fixture
def panel():
    return harness.open_module("HarnessExample")


def add_volume(name="MR"):
    node = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.int16), name=name)
    harness.process_events()
    return node


def test_the_panel_is_used_like_a_person_does(panel):
    node = add_volume()
    assert panel.ui.inputSelector.currentNode() is node
    harness.click(panel.ui.applyButton)
    assert panel.ui.statusLabel.text == "Working on MR"
    harness.wait_until(lambda: panel.ui.statusLabel.text == "Done")


def test_keys_reach_the_panel(panel):
    add_volume()
    harness.key(panel.ui.countSpinBox, "Up")
    assert panel.parameters.count == 4
    harness.key(panel.ui.countSpinBox, "Alt+A")
    harness.wait_until(lambda: panel.ui.statusLabel.text == "Working on MR")


def test_what_a_person_cannot_reach_cannot_be_clicked(panel):
    with pytest.raises(AssertionError, match="'overlapSlider' cannot be used: it is hidden"):
        harness.drag_slider(panel.ui.overlapSlider, 0.7)
    panel.ui.applyButton.enabled = False
    with pytest.raises(AssertionError, match="'applyButton' cannot be used: it is disabled"):
        harness.click(panel.ui.applyButton)


def test_widgets_and_parameters_follow_each_other(panel):
    harness.click(panel.ui.smoothCheckBox)
    assert panel.parameters.smooth is False
    panel.parameters.count = 7
    assert panel.ui.countSpinBox.value == 7
    node = add_volume()
    assert panel.parameters.inputVolume is node


def test_parameters_stand_in_the_scene_as_slicer_writes_them(panel, tmp_path):
    panel.parameters.inputVolume, panel.parameters.smooth = add_volume(), False
    node = panel.parameters.parameterNode
    assert {name: node.GetParameter(name) for name in ("smooth", "count", "inputVolume")} == {
        "smooth": "False",
        "count": "3",
        "inputVolume": "",
    }
    assert node.GetNodeReferenceID("inputVolume") == panel.parameters.inputVolume.GetID()
    assert (node.GetAttribute("ModuleName"), node.GetModuleName()) == ("HarnessExample", None)


def test_a_panel_is_entered_left_and_opened_again(panel):
    assert panel.parent.isEntered and panel.parent.width == 400
    slicer.util.selectModule("SegmentEditor")  # not loaded here: only remembered
    assert slicer.util.selectedModule() == "SegmentEditor" and panel.parent.isEntered
    panel.parent.exit()
    assert not panel.parent.isEntered
    slicer.util.selectModule("HarnessExample")
    assert panel.parent.isEntered and slicer.util.getModuleWidget("HarnessExample") is panel


def test_reloading_makes_a_new_panel_from_the_file(panel):
    panel.onReload()
    harness.process_events()
    again = slicer.modules.HarnessExampleWidget
    assert again is not panel and again.parent is panel.parent
    assert again.ui.applyButton.visible and not panel.ui.applyButton.visible


def test_a_picture_is_twice_as_fine_and_says_what_it_is(panel):
    picture = QtGui.QImage(str(harness.grab(panel, "harness_example")))
    assert picture.width() == 800
    assert picture.pixelColor(2, 2).name() == "#ffd75f"


def test_the_dark_palette_reaches_open_panels(panel):
    import qt

    def brightness():
        return panel.parent.palette.color(qt.QPalette.Window).lightness()

    light = brightness()
    harness.dark()
    harness.process_events()
    assert brightness() < 80 < light
    harness.dark(False)


def test_a_ui_file_with_an_unknown_widget_or_connection_fails_the_test(tmp_path):
    text = (HERE / "example_module" / "Resources" / "UI" / "HarnessExample.ui").read_text(encoding="utf-8")
    (tmp_path / "a.ui").write_text(text.replace('class="ctkSliderWidget"', 'class="ctkUnknown"'), encoding="utf-8")
    slicer.util.loadUI(str(tmp_path / "a.ui"))
    with pytest.raises(harness.HarnessFailure, match="does not know: ctkUnknown 'overlapSlider'"):
        harness.check()
    (tmp_path / "b.ui").write_text(text.replace("<slot>setMRMLScene", "<slot>setScene"), encoding="utf-8")
    slicer.util.loadUI(str(tmp_path / "b.ui"))
    with pytest.raises(harness.HarnessFailure, match="connects what does not exist"):
        harness.check()


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


def wrapped(**members):
    """A parameter node of these members: name = type."""
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    return parameterNodeWrapper(type("Parameters", (), {"__annotations__": members}))(node)


def test_values_come_back_as_they_were_written():
    parameters = wrapped(colour=Colour, folder=Path, share=float, name=str)
    assert (parameters.colour, parameters.folder, parameters.share, parameters.name) == (Colour.RED, Path(), 0.0, "")
    parameters.colour, parameters.folder, parameters.share = Colour.GREEN, Path("/data"), 0.25
    assert (parameters.colour, parameters.folder, parameters.share) == (Colour.GREEN, Path("/data"), 0.25)
    assert parameters.parameterNode.GetParameter("colour") == "GREEN"


@pytest.mark.parametrize(("kind", "value"), [(int, 1.5), (str, 3), (bool, 1), (Path, "/data"), (Colour, "RED"), (int, None)])
def test_a_value_of_another_type_is_refused(kind, value):
    parameters = wrapped(one=kind)
    with pytest.raises((TypeError, ValueError)):
        parameters.one = value


def test_other_types_are_refused():
    with pytest.raises(Exception, match="Unable to create serializer"):
        wrapped(one=list[int])


def test_names_of_the_wrapper_are_refused():
    with pytest.raises(ValueError, match="reserved name 'default'"):
        wrapped(default=int)


def test_only_the_widgets_that_slicer_knows_can_be_bound():
    import ctk
    import qt

    parameters = wrapped(flag=bool, number=int, text=str)
    for name, widget in (("flag", qt.QToolButton()), ("number", qt.QLineEdit()), ("text", qt.QPlainTextEdit())):
        with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
            parameters.connectParametersToGui({name: widget})
    with pytest.raises(RuntimeError, match="unbounded"):
        parameters.connectParametersToGui({"number": ctk.ctkSliderWidget()})


def test_bounds_of_a_parameter_become_those_of_its_widget():
    import qt
    from slicer.parameterNodeWrapper import WithinRange

    spin = qt.QDoubleSpinBox()
    wrapped(share=Annotated[float, WithinRange(0, 0.5)]).connectParametersToGui({"share": spin})
    assert (spin.minimum, spin.maximum) == (0, 0.5)


def test_after_disconnecting_neither_side_follows():
    import qt

    box, parameters = qt.QCheckBox(), wrapped(flag=bool)
    tag = parameters.connectParametersToGui({"flag": box})
    box.checked = True
    parameters.disconnectGui(tag)
    box.checked = False
    assert parameters.flag is True
    parameters.flag = True
    assert box.checked is False


def test_slicer_app_has_what_modules_use_and_nothing_else():
    app = slicer.app
    app.processEvents()
    app.clipboard().setText("copied")
    assert app.clipboard().text() == "copied"
    assert Path(app.temporaryPath).is_dir() and app.mrmlScene() is slicer.mrmlScene
    app.settings().setValue("MedSegDL/Folder", "/data")
    assert app.userSettings().value("MedSegDL/Folder") == "/data"
    assert slicer.util.mainWindow().className() == "qSlicerMainWindow"
    app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView)
    assert app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView
    with pytest.raises(AttributeError):
        _ = app.ioManager
