"""What MedSegDLScene takes from Slicer, and since which version that is there (supported: Slicer 5.10 and later)."""

import ast
import subprocess
import sys
from pathlib import Path

import slicer.util

PACKAGE = Path(__file__).parents[2] / "MedSegDL" / "MedSegDLScene"

# Name in slicer.util: first release that has it, looked up in the tags of Slicer's repository (Base/Python/slicer/util.py).
FIRST_VERSION = {
    "NodeModify": "4.6.0",
    "addVolumeFromArray": "4.11.20200930",
    "arrayFromVolume": "4.8.0",
    "arrayFromVTKMatrix": "4.11.20200930",
    "vtkMatrixFromArray": "4.11.20200930",
}


def _attributesOf(*path: str) -> set[str]:
    """Names read from slicer (or slicer.util) anywhere in the package."""
    found = set()
    for file in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == ".".join(path):
                found.add(node.attr)
    return found


def test_the_table_lists_what_is_used():
    assert _attributesOf("slicer", "util") == set(FIRST_VERSION)
    assert all(hasattr(slicer.util, name) for name in FIRST_VERSION)


def test_functions_of_slicer_util_are_never_taken_from_slicer_itself():
    """slicer-core has them on `slicer`, too; the application does not."""
    allowed = {name for name in _attributesOf("slicer") if name.startswith("vtk")} | {"util", "mrmlScene", "modules"}
    assert _attributesOf("slicer") == allowed


def test_it_imports_without_what_slicer_does_not_bring():
    heavy = ("torch", "skimage", "safetensors", "jsonschema", "matplotlib", "scipy", "qt", "ctk")
    modules = [f"MedSegDLScene.{file.stem}" for file in PACKAGE.glob("*.py") if file.stem != "__init__"]
    code = f"import sys; sys.modules.update(dict.fromkeys({heavy})); import MedSegDLScene, {', '.join(modules)}"
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PATH": ""}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)
