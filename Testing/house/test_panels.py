"""The .ui files of both modules and the code on them agree, without running either."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
MODULES = ("MedSegDL", "MedSegDLTrain")
# What the panels may be made of: what the test harness has, and Slicer's own classes that it stands in for.
ALLOWED = {
    "QCheckBox", "QComboBox", "QDoubleSpinBox", "QFrame", "QGroupBox", "QLabel", "QLineEdit", "QListWidget", "QPlainTextEdit",
    "QProgressBar", "QPushButton", "QSpinBox", "QTabWidget", "QTableWidget", "QToolButton", "QTreeWidget", "QWidget",
    "ctkCollapsibleButton", "ctkPathLineEdit", "ctkSliderWidget", "qMRMLNodeComboBox", "qMRMLWidget",
}  # fmt: skip
FOR_ORDER_ONLY = {"qMRMLWidget", "QGroupBox", "QFrame", "QWidget", "ctkCollapsibleButton"}
TO_BE_TOLD = {
    "QCheckBox", "QComboBox", "QDoubleSpinBox", "QLineEdit", "QListWidget", "QPushButton", "QSpinBox", "QTableWidget",
    "QToolButton", "QTreeWidget", "ctkPathLineEdit", "ctkSliderWidget", "qMRMLNodeComboBox",
}  # fmt: skip
# Classes that Slicer's parameterNodeWrapper/guiConnectors.py binds to a parameter of some type.
BINDABLE = {
    "QCheckBox", "QComboBox", "QDoubleSpinBox", "QLabel", "QLineEdit", "QPushButton", "QSlider", "QSpinBox", "QTextEdit",
    "ctkPathLineEdit", "ctkSliderWidget", "qMRMLNodeComboBox",
}  # fmt: skip
MENUS_OF_SLICER = set("fevh")  # Alt with the first letters of File, Edit, View and Help (qSlicerMainWindow.ui)


@cache
def ui_of(module: str) -> ElementTree.Element:
    return ElementTree.parse(ROOT / module / "Resources" / "UI" / f"{module}.ui").getroot()


def widgets_of(module: str) -> dict[str, ElementTree.Element]:
    return {widget.get("name"): widget for widget in ui_of(module).iter("widget")}


def property_of(widget: ElementTree.Element, name: str) -> str | None:
    found = (child for child in widget if child.tag in ("property", "attribute") and child.get("name") == name)
    return next(("".join(child.itertext()).strip() for child in found), None)


def code_of(module: str) -> list[ast.Module]:
    files = [ROOT / module / f"{module}.py", *sorted((ROOT / module / f"{module}Panel").glob("*.py"))]
    return [ast.parse(file.read_text(encoding="utf-8")) for file in files]


def names_used(module: str) -> set[str]:
    """What is read from an object called ui or _ui."""
    nodes = (node for tree in code_of(module) for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {node.attr for node in nodes if re.fullmatch(r"(.*\.)?_?ui", ast.unparse(node.value))}


@pytest.mark.parametrize("module", MODULES)
def test_every_name_in_the_code_is_a_widget_of_the_ui_file(module):
    used = names_used(module)
    assert used - set(widgets_of(module)) == set() and len(used) > 20


@pytest.mark.parametrize("module", MODULES)
def test_every_widget_of_the_ui_file_is_used_bound_or_for_order_only(module):
    used = names_used(module)
    idle = {name: widget for name, widget in widgets_of(module).items() if name not in used}
    idle = {name: widget for name, widget in idle.items() if property_of(widget, "SlicerParameterName") is None}
    idle = {name: widget for name, widget in idle.items() if widget.get("class") not in FOR_ORDER_ONLY}
    assert {name for name, widget in idle.items() if property_of(widget, "buddy") is None} == set()


@pytest.mark.parametrize("module", MODULES)
def test_only_classes_that_the_harness_stands_for_are_used(module):
    assert {widget.get("class") for widget in widgets_of(module).values()} <= ALLOWED


@pytest.mark.parametrize("module", MODULES)
def test_everything_to_click_or_fill_in_says_what_it_is_for(module):
    silent = {
        name
        for name, widget in widgets_of(module).items()
        if widget.get("class") in TO_BE_TOLD and len(property_of(widget, "toolTip") or "") < 15
    }
    assert silent == set()


@pytest.mark.parametrize("module", MODULES)
def test_labels_lead_the_keyboard_to_widgets_that_exist(module):
    widgets = widgets_of(module)
    for name, widget in widgets.items():
        buddy = property_of(widget, "buddy")
        assert buddy is None or buddy in widgets, name


@pytest.mark.parametrize("module", MODULES)
def test_alt_with_a_letter_means_one_thing_and_is_not_taken_by_a_menu_of_slicer(module):
    """Qt does nothing at once where two have the same letter."""
    texts = [property_of(widget, "text") or "" for widget in widgets_of(module).values()]
    letters = [mark[1].lower() for text in texts if (mark := re.search(r"&(\w)", text))]
    assert len(letters) > 10 and len(set(letters)) == len(letters)
    assert set(letters) & MENUS_OF_SLICER == set()


@pytest.mark.parametrize("module", MODULES)
def test_the_tab_key_leads_out_of_every_table_and_text(module):
    widgets = widgets_of(module).values()
    tables = [widget for widget in widgets if widget.get("class") == "QTableWidget"]
    texts = [widget for widget in widgets if widget.get("class") == "QPlainTextEdit"]
    assert tables and texts
    assert {property_of(table, "tabKeyNavigation") for table in tables} == {"false"}
    assert {property_of(text, "tabChangesFocus") for text in texts} == {"true"}


@pytest.mark.parametrize("module", MODULES)
def test_widgets_are_bound_to_parameters_that_exist_by_classes_that_slicer_can_bind(module):
    (node,) = (
        each for each in code_of(module)[0].body if isinstance(each, ast.ClassDef) and each.name == f"{module}ParameterNode"
    )
    parameters = {line.target.id for line in node.body if isinstance(line, ast.AnnAssign)}
    bound = {name: property_of(widget, "SlicerParameterName") for name, widget in widgets_of(module).items()}
    bound = {name: parameter for name, parameter in bound.items() if parameter is not None}
    assert bound and set(bound.values()) <= parameters
    assert {widgets_of(module)[name].get("class") for name in bound} <= BINDABLE


@pytest.mark.parametrize("module", MODULES)
def test_sentences_are_translated_whole(module):
    """_() takes a plain text: Slicer's tool that collects them cannot evaluate an f-string, and values come in afterwards."""
    calls = (node for tree in code_of(module) for node in ast.walk(tree) if isinstance(node, ast.Call))
    texts = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "_"]
    assert texts and all(isinstance(text, ast.Constant) and isinstance(text.value, str) for text in texts)


@pytest.mark.parametrize("module", MODULES)
def test_colours_are_those_of_the_palette(module):
    """A fixed colour of text or ground disappears in the other of the light and the dark theme."""
    text = (ROOT / module / "Resources" / "UI" / f"{module}.ui").read_text(encoding="utf-8")
    assert "<color" not in text and not re.search(r"color:\s*(?!palette)", text)
