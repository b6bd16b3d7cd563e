"""The stand-ins for CTK's and Slicer's widgets do what the originals' sources and tests say; README.md here cites them."""

from __future__ import annotations

import pytest
import slicer

from Testing.gui import harness

VOLUME = "vtkMRMLScalarVolumeNode"


@pytest.fixture
def ctk():
    import ctk

    return ctk


@pytest.fixture
def selector():
    """A node selector as a .ui makes it: types first, the scene last; without actions."""
    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = [VOLUME]
    box.addEnabled = box.removeEnabled = False
    box.setMRMLScene(slicer.mrmlScene)
    return box


def add(name, className=VOLUME):
    return slicer.mrmlScene.AddNewNodeByClass(className, name)


def texts(box):
    combo = box._qt._combo
    return [combo.itemText(row) for row in range(combo.count())]


def test_the_first_node_becomes_current_in_an_empty_selector(selector):
    first = add("first")
    add("second")
    assert selector.currentNode() is first and selector.currentNodeID == first.GetID()
    assert selector.nodeCount() == 2


def test_with_none_or_actions_in_the_list_a_new_node_does_not_become_current(selector):
    selector.noneEnabled = True
    add("first")
    assert selector.currentNode() is None
    other = slicer.qMRMLNodeComboBox()
    other.nodeTypes = ["vtkMRMLSegmentationNode"]
    other.setMRMLScene(slicer.mrmlScene)
    add("segmentation", "vtkMRMLSegmentationNode")
    assert other.currentNode() is None


def test_a_scene_with_nodes_makes_the_first_current_unless_none_is_allowed():
    first = add("first")
    for none, current in ((False, first), (True, None)):
        box = slicer.qMRMLNodeComboBox()
        box.nodeTypes, box.noneEnabled = [VOLUME], none
        box.setMRMLScene(slicer.mrmlScene)
        assert box.currentNode() is current


def test_a_node_asked_for_before_there_is_a_scene_is_taken_with_it():
    add("first")
    second = add("second")
    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = [VOLUME]
    box.setCurrentNode(second)
    box.setMRMLScene(slicer.mrmlScene)
    assert box.currentNode() is second


def test_without_a_scene_a_selector_is_disabled():
    box = slicer.qMRMLNodeComboBox()
    assert not box.enabled
    box.setMRMLScene(slicer.mrmlScene)
    assert box.enabled


def test_after_the_current_node_is_removed_its_neighbour_follows_and_at_last_none(selector):
    nodes, seen = [add(name) for name in "abc"], []
    selector.setCurrentNode(nodes[2])
    selector.connect("currentNodeChanged(vtkMRMLNode*)", seen.append)
    for node in reversed(nodes):
        slicer.mrmlScene.RemoveNode(node)
    assert seen == [nodes[1], nodes[0], None]


def test_a_renamed_node_is_shown_by_its_new_name(selector):
    node = add("old")
    node.SetName("new")
    assert texts(selector) == ["new"]


def test_hidden_nodes_and_child_classes_are_left_out_as_asked(selector):
    hidden, labels = add("hidden"), add("labels", "vtkMRMLLabelMapVolumeNode")
    hidden.SetHideFromEditors(True)
    assert texts(selector) == ["labels"]
    selector.showChildNodeTypes = False
    assert texts(selector) == []
    hidden.SetHideFromEditors(False)
    selector.showChildNodeTypes = True
    selector.hideChildNodeTypes = [labels.GetClassName()]
    assert texts(selector) == ["hidden"]


def test_only_nodes_with_an_attribute_are_offered(selector):
    add("plain")
    add("marked").SetAttribute("MedSegDL", "1")
    selector.addAttribute(VOLUME, "MedSegDL")
    assert texts(selector) == ["marked"]


def test_the_actions_stand_after_a_line(selector):
    selector.addEnabled = selector.removeEnabled = selector.renameEnabled = True
    assert texts(selector)[1:] == ["Rename current Volume", "Create new Volume", "Delete current Volume"]


def test_a_person_creates_renames_and_deletes_a_node(selector):
    selector.addEnabled = selector.removeEnabled = selector.renameEnabled = selector.noneEnabled = True
    selector.baseName = "Heart"
    selector.show()
    created = []
    selector.connect("nodeAddedByUser(vtkMRMLNode*)", created.append)
    harness.choose(selector, "Create new Volume")
    assert len(created) == 2 and created[0] is created[1]  # as Slicer 5.10 tells
    assert selector.currentNode() is created[0] and created[0].GetName() == "Heart"
    harness.answer("Lung")
    harness.choose(selector, "Rename current Volume")
    assert created[0].GetName() == "Lung" and "Lung" in texts(selector)
    harness.choose(selector, "Delete current Volume")
    assert selector.currentNode() is None and not slicer.mrmlScene.IsNodePresent(created[0])


def test_a_closed_scene_leaves_none(selector):
    add("first")
    slicer.mrmlScene.Clear(0)
    assert selector.currentNode() is None and selector.nodeCount() == 0


def test_what_is_not_a_slot_of_the_selector_is_refused(selector):
    with pytest.raises(AttributeError):
        selector.nodes()
    with pytest.raises(AttributeError):
        selector.setNodeTypes([VOLUME])


def test_a_collapsed_button_hides_what_lies_in_it(ctk):
    import qt

    button = ctk.ctkCollapsibleButton()
    layout = qt.QVBoxLayout(button)
    shown, hidden = qt.QLabel("shown"), qt.QLabel("hidden")
    for label in (shown, hidden):
        layout.addWidget(label)
    hidden.hide()
    button.show()
    changes = []
    button.connect("contentsCollapsed(bool)", changes.append)
    button.collapsed = True
    assert (shown.visible, hidden.visible) == (False, False)
    harness.click(button)
    assert (shown.visible, hidden.visible, button.collapsed) == (True, False, False)
    assert changes == [True, False]
    with pytest.raises(AttributeError):
        button.setCollapsed(True)  # no slot in CTK


def test_what_code_shows_or_hides_in_a_collapsed_button_is_seen_when_it_opens(ctk):
    import qt

    button = ctk.ctkCollapsibleButton()
    layout = qt.QVBoxLayout(button)
    first, second = qt.QLabel("first"), qt.QLabel("second")
    for label in (first, second):
        layout.addWidget(label)
    first.hide()
    button.collapsed = True
    button.show()
    first.visible, second.visible = True, False
    harness.process_events()
    assert (first.visible, second.visible) == (False, False)
    button.collapsed = False
    assert (first.visible, second.visible) == (True, False)
    late = qt.QLabel("late")
    button.collapsed = True
    layout.addWidget(late)
    harness.process_events()
    assert not late.visible
    button.collapsed = False
    harness.process_events()
    assert late.visible


def test_a_slider_and_its_number_go_together(ctk):
    slider = ctk.ctkSliderWidget()
    slider.maximum, slider.singleStep, slider.decimals = 0.9, 0.05, 2
    slider.show()
    values = []
    slider.connect("valueChanged(double)", values.append)
    slider.value = 0.5
    harness.drag_slider(slider, 0.7)
    assert slider.value == pytest.approx(0.7) == values[-1]
    slider.value = 5.0
    assert slider.value == pytest.approx(0.9)


def test_a_path_is_typed_or_chosen(ctk, tmp_path):
    edit = ctk.ctkPathLineEdit()
    edit.filters = ctk.ctkPathLineEdit.Dirs
    edit.show()
    paths = []
    edit.connect("currentPathChanged(QString)", paths.append)
    harness.type_text(edit, "/data")
    assert edit.currentPath == "/data" and paths[-1] == "/data"
    harness.answer(str(tmp_path))
    edit.browse()
    assert edit.currentPath == str(tmp_path)
    assert harness.take_shown()[0].kind == "getExistingDirectory"
    valid = []
    edit.connect("validInputChanged(bool)", valid.append)
    edit.currentPath = ""
    assert valid == [False] and paths[-1] == str(tmp_path)  # nobody is told that the path is empty now
