"""The harness refuses and does what PythonQt does; README.md here says where each expectation is read."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest
import slicer
from PySide6 import QtCore

from Testing.gui import harness
from Testing.gui.harness import failures


@pytest.fixture
def qt():
    import qt

    return qt


@pytest.fixture
def ctk():
    import ctk

    return ctk


def test_properties_are_attributes(qt):
    label = qt.QLabel("one")
    assert label.text == "one"
    label.text = "two"
    assert label.text == "two" and label._qt.text() == "two"


def test_a_property_cannot_be_called(qt):
    with pytest.raises(TypeError, match="'str' object is not callable"):
        qt.QLabel("one").text()


def test_texts_numbers_and_truth_values_are_converted_when_a_property_is_written(qt):
    label, spin = qt.QLabel(), qt.QSpinBox()
    label.text, spin.value, spin.enabled = 5, 7.9, 0
    assert (label.text, spin.value, spin.enabled) == ("5", 7, False)


def test_a_property_refuses_what_does_not_fit(qt):
    with pytest.raises(AttributeError, match="Property 'value' of type 'int' does not accept an object of type str"):
        qt.QSpinBox().value = "seven"


def test_a_property_that_is_only_read_cannot_be_written(qt):
    with pytest.raises(AttributeError, match="Property 'count' of QComboBox object is not writable"):
        qt.QComboBox().count = 3


def test_reading_an_unknown_attribute_is_refused(qt):
    with pytest.raises(AttributeError, match="QLabel has no attribute named 'txt'"):
        _ = qt.QLabel().txt


def test_writing_an_unknown_attribute_is_refused(qt):
    with pytest.raises(AttributeError, match="'txt' does not exist on QLabel and creating new attributes"):
        qt.QLabel().txt = "one"


@pytest.mark.parametrize("name", ["setText", "linkActivated", "Box"])
def test_methods_signals_and_enums_cannot_be_overwritten(qt, name):
    with pytest.raises(AttributeError, match=f"'{name}' can not be overwritten on QLabel object"):
        setattr(qt.QLabel(), name, None)


def test_a_class_written_in_python_has_its_own_attributes(qt):
    class Line(qt.QLineEdit):
        def sizeHint(self):  # Qt asks it
            return qt.QSize(33, 44)

    line = Line("one")
    line.note = 3
    assert (line.note, line.text, line._qt.sizeHint().width()) == (3, "one", 33)


def test_an_event_filter_written_in_python_is_called(qt):
    class Filter(qt.QObject):
        def eventFilter(self, watched, event):
            seen.append((watched, event.type()))
            return False

    seen, line = [], qt.QLineEdit()
    line.installEventFilter(Filter(line))
    gc.collect()
    line.show()
    harness.process_events()
    assert (line, qt.QEvent.Show) in seen


def test_classes_have_no_qt_parents_in_python(qt):
    assert not isinstance(qt.QPushButton(), qt.QWidget)
    assert qt.QPushButton().inherits("QWidget")


def test_the_same_widget_is_the_same_object_again(qt):
    panel = qt.QWidget()
    layout = qt.QVBoxLayout(panel)
    button = qt.QPushButton()
    layout.addWidget(button)
    assert layout.itemAt(0).widget() is button and button.parent() is panel


def test_the_name_is_the_object_name_and_children_are_found_by_it(qt):
    panel = qt.QWidget()
    button = qt.QPushButton(panel)
    button.name = "apply"
    assert button.objectName == "apply" and panel.apply is button


def test_a_dynamic_property_is_an_attribute(qt):
    label = qt.QLabel()
    label.setProperty("SlicerParameterName", "smooth")
    assert label.SlicerParameterName == "smooth"


def test_enums_are_numbers_at_class_scope_and_can_be_combined(qt):
    label = qt.QLabel()
    label.setAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    assert label.alignment == 130 == qt.Qt.AlignmentFlag.AlignRight | qt.Qt.AlignVCenter
    label.alignment = 1
    assert label.alignment == qt.Qt.AlignLeft


def test_a_state_that_a_signal_carries_equals_the_enum(qt):
    states, box = [], qt.QCheckBox()
    box.connect("stateChanged(int)", states.append)
    box.checked = True
    assert states == [qt.Qt.Checked]


def test_lists_come_as_tuples(ctk):
    edit = ctk.ctkPathLineEdit()
    edit.nameFilters = ["*.nii", "*.nrrd"]
    assert edit.nameFilters == ("*.nii", "*.nrrd")
    assert isinstance(edit.children(), tuple)


def test_methods_take_no_keywords(qt):
    with pytest.raises(ValueError, match="called slot does not support kwargs"):
        qt.QLabel().setText(text="one")
    with pytest.raises(ValueError, match="called slot does not support kwargs"):
        qt.QLabel(text="one")


def test_wrong_arguments_are_a_value_error(qt):
    with pytest.raises(ValueError, match="setText with wrong arguments"):
        qt.QLabel().setText(1, 2, 3)


def test_a_destroyed_widget_is_told(qt):
    label = qt.QLabel()
    label.deleteLater()
    harness.process_events()
    with pytest.raises(ValueError, match="destroyed QLabel"):
        _ = label.text


def test_a_single_underscore_at_the_end_is_dropped(qt):
    assert qt.QDialog().exec_ and qt.QDialog().exec
    with pytest.raises(AttributeError):
        _ = qt.QDialog().exec__


def test_single_shot_is_the_static_method(qt):
    timer, called = qt.QTimer(), []
    with pytest.raises(AttributeError, match="Slot 'singleShot' can not be overwritten"):
        timer.singleShot = True
    qt.QTimer.singleShot(5, lambda: called.append(1))
    harness.wait_until(lambda: called)


def test_what_is_not_in_qt_is_not_in_the_module(qt):
    with pytest.raises(AttributeError, match="QLable"):
        _ = qt.QLable


@pytest.mark.parametrize("signature", ["clicked(bool)", "clicked()", "clicked( bool )"])
def test_signals_are_connected_by_their_signature(qt, signature):
    calls, button = [], qt.QPushButton()
    assert button.connect(signature, lambda: calls.append(1))
    button.click()
    assert calls == [1]


@pytest.mark.parametrize("signature", ["clicked(int)", "klicked()", "toggled()"])
def test_a_signature_that_does_not_exist_fails_the_test(qt, signature):
    assert not qt.QPushButton().connect(signature, lambda: None)
    with pytest.raises(harness.HarnessFailure, match="does not exist on QPushButton"):
        harness.process_events()


def test_a_slot_gets_as_many_arguments_as_it_takes(qt):
    class Panel:
        def onNothing(self):
            calls.append(())

        def onChecked(self, checked):
            calls.append((checked,))

        def onAll(self, *arguments):
            calls.append(arguments)

    calls, panel, button = [], Panel(), qt.QPushButton()
    button.checkable = True
    for slot in (panel.onNothing, panel.onChecked, panel.onAll, lambda checked, other=3: calls.append((checked, other))):
        button.clicked.connect(slot)
    button.click()
    assert calls == [(), (True,), (True,), (True, 3)]


def test_disconnecting_needs_an_equal_function(qt):
    calls, button = [], qt.QPushButton()
    button.clicked.connect(calls.append)
    assert not button.clicked.disconnect(print)
    assert button.clicked.disconnect(calls.append)
    button.click()
    assert calls == []


def test_the_first_overload_is_connected_by_name(qt):
    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    box.setMRMLScene(slicer.mrmlScene)
    seen = []
    box.currentNodeChanged.connect(seen.append)
    box.connect("currentNodeChanged(bool)", seen.append)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    box.setCurrentNode(node)
    assert seen == [node, True]


def test_signatures_of_pyside_are_refused(qt):
    assert not slicer.qMRMLNodeComboBox().connect("currentNodeChanged(PyObject)", print)
    assert "does not exist on qMRMLNodeComboBox" in failures.take()[0]


def test_what_only_qt_6_has_is_refused(qt):
    for owner, name in ((qt.QCheckBox(), "checkStateChanged"), (qt.QVBoxLayout(), "contentsMargins"), (qt.QPalette, "Accent")):
        with pytest.raises(AttributeError, match="came with Qt 6"):
            getattr(owner, name)
    assert not qt.QCheckBox().connect("checkStateChanged(Qt::CheckState)", print)
    assert "does not exist on QCheckBox" in failures.take()[0]


def test_qt_connects_its_own_slots(qt):
    box, label = qt.QCheckBox(), qt.QLabel()
    box.connect("toggled(bool)", label, "setEnabled(bool)")
    box.checked = True
    box.checked = False
    assert not label.enabled


def test_an_exception_in_a_slot_fails_the_test(qt):
    button = qt.QPushButton()
    button.clicked.connect(lambda: 1 / 0)
    button.show()
    with pytest.raises(harness.HarnessFailure, match="ZeroDivisionError"):
        harness.click(button)


def test_an_exception_in_an_observer_fails_the_test():
    tag = slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, lambda *_: 1 / 0)
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    slicer.mrmlScene.RemoveObserver(tag)
    with pytest.raises(harness.HarnessFailure, match="ZeroDivisionError"):
        harness.process_events()


@pytest.mark.parametrize("failing", ["1 / 0", "button.clicked.connect(lambda: 1 / 0); button.click()"])
def test_an_exception_in_a_script_is_shown_and_is_its_status(failing):
    script = f"from Testing.gui import harness; harness.start(); import qt; button = qt.QPushButton(); {failing}"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert ended.returncode == 1
    assert ended.stderr.count("ZeroDivisionError") == 1


def test_a_warning_of_qt_fails_the_test():
    QtCore.qWarning("something is wrong")
    with pytest.raises(harness.HarnessFailure, match="something is wrong"):
        harness.check()


def test_a_dialog_is_answered_and_one_that_is_not_expected_fails_the_test(qt):
    harness.answer("Yes", "No")
    assert slicer.util.confirmYesNoDisplay("Delete?")
    assert not slicer.util.confirmYesNoDisplay("Really?")
    assert [dialog.text for dialog in harness.take_shown()] == ["Delete?", "Really?"]
    assert not slicer.util.confirmOkCancelDisplay("And this?")
    with pytest.raises(harness.HarnessFailure, match="does not expect: ctkMessageBox 'Slicer confirmation': And this"):
        harness.check()


def test_an_answer_that_no_dialog_asks_for_fails_the_test():
    harness.answer("Yes")
    with pytest.raises(harness.HarnessFailure, match="No dialog asked"):
        harness.check()


def test_file_dialogs_get_a_path_or_none(qt):
    harness.answer("/data/heart.nii", None)
    assert qt.QFileDialog.getOpenFileName(None, "Open", "", "*.nii") == "/data/heart.nii"
    assert qt.QFileDialog.getExistingDirectory(None, "Folder") == ""


def test_an_error_is_shown_in_a_dialog():
    harness.answer("Ok")
    slicer.util.errorDisplay("It did not work")
    assert [(dialog.title, dialog.text) for dialog in harness.take_shown()] == [("Slicer error", "It did not work")]
