"""What MedSegDLTrainScene may import: no widgets, no network; and what of it runs without Slicer."""

from __future__ import annotations

from pathlib import Path

import pytest

from Testing.house.test_import_bans import APPLICATION, NOT_IN_SLICER, ROOT, import_without, lint

SCENE = ROOT / "MedSegDLTrain" / "MedSegDLTrainScene"
# Modules that do not import slicer: snake_case, and testable anywhere.
WITHOUT_SLICER = ["annotated_slices", "case_table", "command_work", "event_tail", "jobs", "known_runs", "looking"]
WITHOUT_SLICER += ["next_case", "run_history", "runs", "validation"]


def modules() -> list[str]:
    return sorted(path.stem for path in Path(SCENE).glob("*.py") if path.stem != "__init__")


def test_all_of_it_imports_without_what_slicer_lacks():
    result = import_without([f"MedSegDLTrainScene.{name}" for name in modules()], [*NOT_IN_SLICER, "qt", "ctk"])
    assert result.returncode == 0, result.stderr


def test_what_needs_no_scene_imports_without_slicer():
    result = import_without([f"MedSegDLTrainScene.{name}" for name in WITHOUT_SLICER], [*NOT_IN_SLICER, *APPLICATION])
    assert result.returncode == 0, result.stderr


def test_the_list_of_what_needs_no_scene_is_whole():
    found = {name for name in modules() if "import slicer" not in (SCENE / f"{name}.py").read_text(encoding="utf-8")}
    assert found == set(WITHOUT_SLICER)


@pytest.mark.parametrize("module", ["torch", "filelock", "qt", "ctk", "MedSegDLTrainPanel", "MedSegDLPanel"])
def test_each_banned_import_is_reported(module):
    assert f"TID251 `{module}` is banned" in lint(SCENE, f"import {module}\n")


def test_what_it_is_built_on_is_not_banned():
    said = lint(SCENE, "import slicer\nimport vtk\nimport MedSegDLScene\nimport MedSegDLTrainLib\nimport MedSegDLLib\n")
    assert "All checks passed" in said, said
