"""Imports go one way, `MedSegDLScene -> MedSegDLLib <- MedSegDLTrainLib`, and what Slicer imports first is light.

The rules are read off every source by its syntax tree, wherever in a file an import stands.
"""

import ast
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APPLICATION = {"slicer", "slicer_core", "qt", "ctk", "vtk", "vtkmodules"}
HEAVY = {"torch", "skimage", "scipy", "safetensors", "jsonschema", "matplotlib"}
PREPARED = {"MedSegDLTrainLib.job", "MedSegDLTrainLib.progress", "MedSegDLTrainLib.cases"}  # what a Slicer module may use

# Folder or file -> (modules that may not be imported, exceptions from that).
RULES = {
    "MedSegDL/MedSegDLLib": (APPLICATION | {"MedSegDLScene", "MedSegDLTrainLib", "MedSegDL", "MedSegDLTrain"}, set()),
    "MedSegDL/MedSegDLScene": ({"torch", "qt", "ctk", "MedSegDLTrainLib", "MedSegDL", "MedSegDLTrain"}, set()),
    "MedSegDLTrain/MedSegDLTrainLib": (APPLICATION | {"MedSegDLScene", "MedSegDL", "MedSegDLTrain"}, set()),
    "MedSegDL/MedSegDL.py": (HEAVY | {"MedSegDLTrainLib", "MedSegDLTrain"}, set()),
    "MedSegDLTrain/MedSegDLTrain.py": (HEAVY | {"MedSegDLTrainLib", "MedSegDL"}, PREPARED),
}

# What needs numpy, SimpleITK and the standard library only: every __init__, and these.
LIGHT = [
    "archive",
    "atomic",
    "checksums",
    "download",
    "errors",
    "files",
    "folders",
    "geometry",
    "image",
    "labels",
    "model_card",
]
LIGHT += ["options", "progress", "report", "segmentation", "segmentation_file", "strict_json", "volume_curve", "zoo"]
LIGHT += ["commands.models", "mapped_files", "phantom_frames", "protocol", "worker"]


def imported(source):
    """Names of all modules that `source` imports, and for `from a import b` a.b as well, since b may be a module."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def offending(source, banned, exceptions):
    """Those of the imports of `source` whose package is banned, unless they belong to an exception."""
    parents = {exception.partition(".")[0] for exception in exceptions}
    return {
        name
        for name in imported(source)
        if name.partition(".")[0] in banned
        and name not in parents
        and not any(name == exception or name.startswith(exception + ".") for exception in exceptions)
    }


@pytest.mark.parametrize("place", RULES)
def test_imports_go_one_way(place):
    files = [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))
    if not files[0].exists():
        pytest.skip(f"{place} is not written yet")
    found = {str(file): offending(file.read_text(encoding="utf-8"), *RULES[place]) for file in files}
    assert not {file: names for file, names in found.items() if names}


@pytest.mark.parametrize(
    "source, names",
    [
        ("import vtk", {"vtk"}),
        ("import numpy, vtk.util as x", {"vtk.util"}),
        ("def f():\n    from slicer.util import a", {"slicer.util", "slicer.util.a"}),
        ("try:\n    import qt\nexcept ImportError:\n    pass", {"qt"}),
        ("import vtkish\nfrom numpy import vtk\ntext = 'import vtk'", set()),
    ],
)
def test_offences_are_found_wherever_they_stand(source, names):
    assert offending(source, APPLICATION, set()) == names


def test_exceptions_are_exact():
    allowed = (
        "from MedSegDLTrainLib.job import TrainingJob\nimport MedSegDLTrainLib.progress\nfrom MedSegDLTrainLib import cases"
    )
    assert offending(allowed, {"MedSegDLTrainLib"}, PREPARED) == set()
    assert offending("from MedSegDLTrainLib import train", {"MedSegDLTrainLib"}, PREPARED) == {"MedSegDLTrainLib.train"}
    assert offending("import MedSegDLTrainLib.job_search", {"MedSegDLTrainLib"}, PREPARED)


def import_blocked(modules):
    """Import `modules` in a fresh process that lacks the heavy packages and the application's."""
    code = f"import sys; sys.modules.update(dict.fromkeys({sorted(HEAVY | APPLICATION)!r})); import {', '.join(modules)}"
    path = str(ROOT / "MedSegDL")
    return subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env={"PYTHONPATH": path})


def test_light_modules_import_with_numpy_and_simpleitk_only():
    packages = [path.parent.relative_to(ROOT / "MedSegDL") for path in (ROOT / "MedSegDL" / "MedSegDLLib").rglob("__init__.py")]
    modules = [".".join(package.parts) for package in packages] + [f"MedSegDLLib.{name}" for name in LIGHT]
    assert "MedSegDLLib.networks" in modules
    result = import_blocked(modules)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("module", ["MedSegDLLib.checkpoint", "vtkmodules.all", "scipy.ndimage"])
def test_a_heavy_module_would_be_noticed(module):
    assert "ModuleNotFoundError" in import_blocked([module]).stderr


def test_an_older_slicer_is_told_in_a_sentence_that_its_python_is_too_old(monkeypatch):
    """Slicer 5.8 with Python 3.9: its grammar has to reach as far as the first import of ours, and that says why."""
    module = ast.parse((ROOT / "MedSegDL" / "MedSegDL.py").read_text(encoding="utf-8"), feature_version=(3, 9))
    imported = [node.module for node in module.body if isinstance(node, ast.ImportFrom)]
    assert next(name for name in imported if name.startswith("MedSegDL")).startswith("MedSegDLLib.")
    monkeypatch.setattr(sys, "version_info", (3, 9, 10))
    with pytest.raises(ImportError, match=r"which Slicer 5\.10 and later bring"):
        runpy.run_path(str(ROOT / "MedSegDL" / "MedSegDLLib" / "__init__.py"))
