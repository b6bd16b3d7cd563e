"""The scripts for the application cannot be run here; their grammar and the names that they use can be checked."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP = ROOT / "Testing" / "app"
FILES = sorted(APP.rglob("*.py"))
# Of the application, not of slicer-core: looked up in Base/Python/slicer and in Base/QTCore of Slicer's sources.
OF_THE_APPLICATION = {"app", "modules", "mrmlScene", "selfTests", "util"}


def tree_of(file: Path, version: tuple[int, int] = (3, 12)) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), file.name, feature_version=version)


def attributes_of(owner: str) -> set[str]:
    nodes = (node for file in FILES for node in ast.walk(tree_of(file)) if isinstance(node, ast.Attribute))
    return {node.attr for node in nodes if ast.unparse(node.value) == owner}


@pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12)])
def test_the_scripts_are_python_of_every_version_that_slicer_brings(version):
    assert len(FILES) > 5
    for file in FILES:
        tree_of(file, version)


def test_a_newer_grammar_would_be_noticed():
    with pytest.raises(SyntaxError):
        ast.parse("try: pass\nexcept* OSError: pass", feature_version=(3, 10))


def test_every_function_of_slicer_util_exists_in_slicer_core():
    util = pytest.importorskip("slicer.util")
    names = attributes_of("slicer.util")
    assert len(names) > 5 and {name for name in names if not hasattr(util, name)} == set()


def test_every_class_of_slicer_exists_in_slicer_core_and_the_rest_is_the_applications():
    slicer = pytest.importorskip("slicer")
    names = attributes_of("slicer")
    classes = {name for name in names if name.startswith("vtk")}
    assert classes and {name for name in classes if not hasattr(slicer, name)} == set()
    assert names - classes <= OF_THE_APPLICATION


def test_every_widget_that_is_pressed_or_read_is_in_one_of_the_ui_files():
    ui = "".join(
        (ROOT / name / "Resources" / "UI" / f"{name}.ui").read_text(encoding="utf-8") for name in ("MedSegDL", "MedSegDLTrain")
    )
    names = attributes_of("widget.ui") | attributes_of("again.ui")
    assert len(names) > 10 and {name for name in names if f'name="{name}"' not in ui} == set()


def test_every_check_is_run_and_all_files_say_that_they_were_not():
    """A check is a public function without arguments that returns a text."""
    listed = (APP / "medsegdl_checks" / "all_checks.py").read_text(encoding="utf-8")
    for file in FILES:
        tree = tree_of(file)
        assert "NOT YET RUN" in ast.get_docstring(tree), file.name
        for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
            is_check = not function.args.args and not function.name.startswith("_") and ast.unparse(function.returns) == "str"
            assert not is_check or f"{file.stem}.{function.name}," in listed, function.name


def test_the_script_is_read_in_whatever_encoding_the_system_has():
    """CTK's executeFile, which --python-script leads to, opens it in the encoding of the system's language."""
    assert (APP / "run_in_slicer.py").read_text(encoding="utf-8").isascii()


def test_a_module_that_is_loaded_late_is_told_that_slicer_has_started():
    """startupCompleted comes before the script; what the module does then, the script has to do."""
    module = (ROOT / "MedSegDL" / "MedSegDL.py").read_text(encoding="utf-8")
    assert 'connect("startupCompleted()", lambda: registerSampleData(icons))' in module
    tree = tree_of(APP / "run_in_slicer.py")
    (told,) = (node for node in tree.body if getattr(node, "name", "") == "_tellThatSlicerHasStarted")
    assert "registerSampleData" in ast.unparse(told.body[-1])


def test_the_script_ends_slicer_whatever_happens():
    (last,) = (node for node in tree_of(APP / "run_in_slicer.py").body if isinstance(node, ast.If))
    (attempt,) = (node for node in last.body if isinstance(node, ast.Try))
    assert ast.unparse(attempt.finalbody[0]) == "slicer.util.exit(status)"
