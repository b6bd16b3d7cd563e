"""The Slicer extension's CMakeLists.txt, configured with a stand-in that says where Slicer keeps things, and no more."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLICER_CONFIG = """
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/empty.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/empty.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/empty.cmake")
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.10/qt-scripted-modules")
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.10/qt-scripted-modules")
"""


@pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("c++")), reason="cmake or a compiler is not installed")
def test_build_and_package_hold_the_zoo_beside_the_modules(tmp_path):
    slicer = tmp_path / "slicer"
    slicer.mkdir()
    (slicer / "SlicerConfig.cmake").write_text(SLICER_CONFIG, encoding="utf-8")
    (slicer / "empty.cmake").touch()
    build, package = tmp_path / "build", tmp_path / "package"
    run("-S", ROOT, "-B", build, f"-DSlicer_DIR={slicer}")
    run("--install", build, "--prefix", package)
    for folder in (build, package):
        zoo = folder / "lib" / "Slicer-5.10" / "qt-scripted-modules" / "models_zoo"
        assert (zoo / "card.schema.json").read_bytes() == (ROOT / "models_zoo" / "card.schema.json").read_bytes()


def run(*arguments: str | Path) -> None:
    subprocess.run(["cmake", *arguments], check=True, capture_output=True, encoding="utf-8")
