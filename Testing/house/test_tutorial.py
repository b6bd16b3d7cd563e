"""The tutorial's links, pictures, buttons and quoted sentences are there; pictures and icons have their sizes."""

from __future__ import annotations

import ast
import re
import struct
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "Resources" / "tutorial.md"
SCREENSHOTS = ROOT / "Resources" / "Screenshots"
MODULES = ("MedSegDL", "MedSegDLTrain")
ICONS = ("Resources/MedSegDL.png", *(f"{name}/Resources/Icons/{name}.png" for name in MODULES))
ICON_SIZE = (128, 128)  # what Slicer's extensions catalogue and module selector show
PANEL_WIDTH = 400
MOST_BYTES = 80_000
OF_THE_README = {"overlay.png"}
VARIES = "…"  # stands for a value in a quoted sentence


@cache
def text() -> str:
    return TUTORIAL.read_text(encoding="utf-8")


def pictures() -> set[str]:
    return set(re.findall(r"!\[[^\]]+\]\(Screenshots/([^)]+)\)", text()))


def size_of(png: Path) -> tuple[int, int]:
    """Width and height, from the file's header."""
    return struct.unpack(">II", png.read_bytes()[16:24])


def test_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text())
    assert links and [link for link in links if not (TUTORIAL.parent / link).exists()] == []


def test_links_within_the_page_lead_to_headings():
    headings = {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in re.findall(r"^#+ (.*)$", text(), re.M)
    }
    links = set(re.findall(r"\]\(#([^)]+)\)", text()))
    assert links and links - headings == set()


def test_named_files_exist():
    paths = re.findall(r"\b((?:MedSegDL|MedSegDLTrain)/[\w./]+\.py)\b", text())
    assert paths and [path for path in paths if not (ROOT / path).exists()] == []


def test_every_screenshot_is_shown_and_every_picture_is_there():
    assert pictures() == {file.name for file in SCREENSHOTS.glob("*.png")} - OF_THE_README


def test_pictures_are_as_wide_as_the_panel_small_and_told_to_be_of_the_harness():
    for name in pictures():
        assert size_of(SCREENSHOTS / name)[0] == PANEL_WIDTH, name
        assert (SCREENSHOTS / name).stat().st_size < MOST_BYTES, name
    assert "test harness, not Slicer" in text()


@pytest.mark.parametrize("icon", ICONS)
def test_icons_have_the_size_that_slicer_shows(icon):
    assert size_of(ROOT / icon) == ICON_SIZE


@cache
def labels_of_the_panels() -> frozenset[str]:
    """What stands on buttons, labels and in lists of both .ui files and panels, without marks for the keyboard."""
    labels = set()
    for module in MODULES:
        ui = ElementTree.parse(ROOT / module / "Resources" / "UI" / f"{module}.ui")
        labels |= {"".join(string.itertext()) for string in ui.iter("string")}
        for file in (ROOT / module / f"{module}.py", *(ROOT / module / f"{module}Panel").glob("*.py")):
            labels |= set(strings_of(file))
    return frozenset(label.replace("&", "").rstrip(":") for label in labels)


def test_what_is_to_be_pressed_is_called_so_in_the_panels():
    """**Bold** in the tutorial: text of a panel, or, with a path like **Edit → Application Settings**, of Slicer."""
    named = set(re.findall(r"\*\*([^*]+)\*\*", text()))
    own = {name for name in named if "→" not in name}
    assert len(own) > 15
    assert own - labels_of_the_panels() == set()


def test_every_sentence_that_is_quoted_occurs_in_the_code():
    """“Like this”, with … for what varies."""
    quoted = re.findall(r"^\| “([^”]+)”", text(), re.MULTILINE)
    assert len(quoted) > 25
    assert [sentence for sentence in quoted if not any(sentence in known for known in sentences())] == []


@cache
def sentences() -> tuple[str, ...]:
    return tuple(sentence for module in MODULES for file in (ROOT / module).rglob("*.py") for sentence in strings_of(file))


def strings_of(file: Path) -> list[str]:
    """Texts of a file, with … for values, whether an f-string or .format puts them in."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            found.append("".join(part.value if isinstance(part, ast.Constant) else VARIES for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(re.sub(r"\{[^{}]*\}", VARIES, node.value))
    return found
