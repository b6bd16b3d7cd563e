"""The import bans that ruff checks do fire, and what Slicer imports of training and scene needs no package that Slicer lacks.

The engine's own modules are in Testing/engine/test_imports.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "MedSegDL" / "MedSegDLLib"
SCENE = ROOT / "MedSegDL" / "MedSegDLScene"
PANEL = ROOT / "MedSegDL" / "MedSegDLPanel"
TRAINING = ROOT / "MedSegDLTrain" / "MedSegDLTrainLib"
TRAINING_SCENE = ROOT / "MedSegDLTrain" / "MedSegDLTrainScene"
TRAINING_PANEL = ROOT / "MedSegDLTrain" / "MedSegDLTrainPanel"

APPLICATION = ["slicer", "qt", "ctk", "vtk", "vtkmodules"]
OF_TRAINING = ["MedSegDLTrainLib", "MedSegDLTrainScene", "MedSegDLTrainPanel"]
BANNED = {
    ENGINE: [*APPLICATION, "MedSegDLScene", "MedSegDLPanel", *OF_TRAINING],
    SCENE: ["torch", "qt", "ctk", "MedSegDLPanel", *OF_TRAINING],
    PANEL: ["torch", *OF_TRAINING],
    TRAINING: [*APPLICATION, "MedSegDLScene", "MedSegDLPanel", "MedSegDLTrainScene", "MedSegDLTrainPanel"],
    TRAINING_SCENE: ["torch", "filelock", "qt", "ctk", "MedSegDLPanel", "MedSegDLTrainPanel"],
    TRAINING_PANEL: ["torch", "filelock"],
}
ALLOWED = {
    ENGINE: ["numpy", "torch"],
    SCENE: ["slicer", "vtk", "MedSegDLLib"],
    PANEL: ["qt", "slicer", "MedSegDLScene", "MedSegDLLib"],
    TRAINING: ["torch", "MedSegDLLib"],
    TRAINING_SCENE: ["slicer", "vtk", "MedSegDLScene", "MedSegDLTrainLib"],
    TRAINING_PANEL: ["qt", "slicer", "MedSegDLPanel", "MedSegDLTrainScene", "MedSegDLTrainLib"],
}

# What Slicer imports before anything is installed into its Python.
LIGHT_TRAINING = ["job", "job_checks", "progress", "cases", "splits", "division", "run_folder", "detached", "thumbnails"]
# What starts and watches processes, for scripts outside of Slicer as well.
LIGHT_SCENE = ["command_process", "interpreter", "line_pipes", "process_groups", "slicer_python", "worker_client"]
LIGHT_SCENE += ["worker_process"]
NOT_IN_SLICER = ["torch", "skimage", "scipy", "safetensors", "jsonschema", "matplotlib", "filelock"]


def lint(folder: Path, source: str) -> str:
    """What ruff says about imports if `source` were a file of `folder`."""
    command = [sys.executable, "-m", "ruff", "check", "--select", "TID", "--output-format", "concise"]
    name = folder / "commands" / "offending.py"
    return subprocess.run(
        [*command, "--stdin-filename", name, "-"], input=source, capture_output=True, encoding="utf-8", cwd=ROOT
    ).stdout


@pytest.mark.parametrize("folder", BANNED, ids=lambda folder: folder.name)
def test_each_banned_import_is_reported_wherever_it_stands(folder):
    lines = []
    for number, module in enumerate(BANNED[folder]):
        lines += [
            f"import {module}",
            f"from {module}.part import name",
            f"def function_{number}():",
            f"    import {module} as other",
        ]
    said = lint(folder, "\n".join(lines) + "\n")
    for module in BANNED[folder]:
        assert said.count(f"TID251 `{module}` is banned") == 3, said


@pytest.mark.parametrize("folder", ALLOWED, ids=lambda folder: folder.name)
def test_what_a_package_is_built_on_is_not_banned(folder):
    said = lint(folder, "".join(f"import {module}\n" for module in ALLOWED[folder]))
    assert "All checks passed" in said, said


def import_without(modules: list[str], blocked: list[str]) -> subprocess.CompletedProcess:
    """Import `modules` in a new process in which the `blocked` ones cannot be found."""
    lines = ["import sys", f"sys.modules.update(dict.fromkeys({blocked!r}))", *(f"import {module}" for module in modules)]
    # As in Slicer, whose module folder holds all packages: pip installs some of them only.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / module) for module in ("MedSegDL", "MedSegDLTrain"))}
    return subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, encoding="utf-8", env=environment)


def test_training_modules_for_slicer_import_with_numpy_and_simpleitk_alone():
    modules = ["MedSegDLTrainLib", *(f"MedSegDLTrainLib.{name}" for name in LIGHT_TRAINING)]
    result = import_without(modules, [*NOT_IN_SLICER, *APPLICATION])
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("folder", [SCENE, TRAINING_SCENE], ids=lambda folder: folder.name)
def test_the_scene_packages_import_without_what_slicer_lacks(folder):
    pytest.importorskip("slicer")
    files = [file.stem for file in sorted(folder.glob("*.py")) if file.stem != "__init__"]
    modules = [folder.name, *(f"{folder.name}.{file}" for file in files)]
    result = import_without(modules, [*NOT_IN_SLICER, "qt", "ctk"])
    assert result.returncode == 0, result.stderr


def test_what_runs_processes_for_slicer_needs_no_slicer():
    result = import_without([f"MedSegDLScene.{name}" for name in LIGHT_SCENE], [*NOT_IN_SLICER, *APPLICATION])
    assert result.returncode == 0, result.stderr


def test_blocking_a_module_would_be_noticed():
    assert "ModuleNotFoundError" in import_without(["torch"], ["torch"]).stderr
