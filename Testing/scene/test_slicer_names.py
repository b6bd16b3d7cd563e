"""What our code takes from Slicer, and since which version that is there (supported: Slicer 5.10 and later)."""

import ast
import subprocess
import sys
from pathlib import Path

import slicer.util

from Testing.scene import headless

ROOT = Path(__file__).parents[2]
SCENE = ROOT / "MedSegDL" / "MedSegDLScene"
PACKAGES = ("MedSegDL/MedSegDLScene", "MedSegDL/MedSegDLPanel", "MedSegDL/MedSegDLScripts")
PACKAGES += ("MedSegDLTrain/MedSegDLTrainScene", "MedSegDLTrain/MedSegDLTrainPanel")
MODULES = ("MedSegDL/MedSegDL.py", "MedSegDLTrain/MedSegDLTrain.py")

# Name in slicer.util: first release that has it, looked up in the tags of Slicer's repository (Base/Python/slicer/util.py).
FIRST_VERSION = {
    "NodeModify": "4.6.0",
    "addVolumeFromArray": "4.11.20200930",
    "arrayFromVTKMatrix": "4.11.20200930",
    "arrayFromVolume": "4.8.0",
    "childWidgetVariables": "4.10.1",
    "confirmOkCancelDisplay": "4.6.0",
    "createProgressDialog": "4.6.0",
    "errorDisplay": "4.5.0-1",
    "exit": "4.5.0-1",
    "getNodesByClass": "4.6.0",
    "loadUI": "4.8.0",
    "mainWindow": "4.5.0-1",
    "selectModule": "4.5.0-1",
    "showStatusMessage": "4.5.0-1",
    "updateVolumeFromArray": "4.8.0",
    "vtkMatrixFromArray": "4.11.20200930",
}
# Other modules of the package slicer, with the first release that has each.
PYTHON_MODULES = {"slicer.i18n": "5.4.0", "slicer.parameterNodeWrapper": "5.4.0", "slicer.ScriptedLoadableModule": "4.5.0-1"}
# Names that the application adds to the package; slicer-core has none of them.
OF_THE_APPLICATION = {"util", "mrmlScene", "modules", "app", "dicomDatabase", "packaging"}


def _trees() -> list[ast.Module]:
    files = [file for package in PACKAGES for file in sorted((ROOT / package).glob("*.py"))]
    return [ast.parse(file.read_text(encoding="utf-8")) for file in (*files, *(ROOT / module for module in MODULES))]


def _imported(module: str) -> set[str]:
    """Names in `from module import …` anywhere in our code."""
    nodes = (node for tree in _trees() for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == module)
    return {alias.name for node in nodes for alias in node.names}


def _attributes(of: str) -> set[str]:
    """Names read from `of` (slicer, slicer.util …) anywhere in our code."""
    nodes = (node for tree in _trees() for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {node.attr for node in nodes if ast.unparse(node.value) == of}


def test_the_table_lists_what_is_used_of_slicer_util():
    assert _attributes("slicer.util") | _imported("slicer.util") == set(FIRST_VERSION)
    missing = {name for name in FIRST_VERSION if not hasattr(slicer.util, name)}
    assert missing == set()


def test_only_modules_of_slicer_in_the_table_are_imported_from():
    nodes = (node for tree in _trees() for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module)
    assert {node.module for node in nodes if node.module.startswith("slicer.")} - {"slicer.util"} == set(PYTHON_MODULES)


def test_every_class_of_slicer_exists_in_slicer_core():
    classes = {name for name in _attributes("slicer") | _imported("slicer") if name.startswith("vtk")}
    assert {name for name in classes if not hasattr(slicer, name)} == set()
    assert len(classes) > 10


def test_functions_of_slicer_util_are_never_taken_from_slicer_itself():
    """slicer-core has them on `slicer`, too; the application does not."""
    other = {name for name in _attributes("slicer") | _imported("slicer") if not name.startswith("vtk")}
    assert other <= OF_THE_APPLICATION


def test_modules_whose_logic_is_used_are_those_that_the_headless_scene_has():
    assert _attributes("slicer.modules") <= set(headless.LOGICS)


def test_the_scene_imports_without_what_slicer_does_not_bring():
    heavy = ("torch", "skimage", "safetensors", "jsonschema", "matplotlib", "scipy", "qt", "ctk")
    modules = [f"MedSegDLScene.{file.stem}" for file in SCENE.glob("*.py") if file.stem != "__init__"]
    code = f"import sys; sys.modules.update(dict.fromkeys({heavy})); import MedSegDLScene, {', '.join(modules)}"
    environment = {"PYTHONPATH": str(SCENE.parent), "PATH": ""}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)
