"""The Slicer extension's CMake files, configured with stand-ins for Slicer's macros, and the tree that they would install.

The stand-ins take the arguments that Slicer's CMake/SlicerMacroBuildScriptedModule.cmake takes, refuse others and files that do
not exist as it does, and copy what CTK's ctkMacroCompilePythonScript.cmake copies: each file under its own relative path into
one folder that both modules share.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).parents[2]
MODULES = ("MedSegDL", "MedSegDLTrain")
MODULE_FOLDER = "lib/Slicer-5.10/qt-scripted-modules"
NOT_INSTALLED = ("CMakeLists.txt", "ruff.toml")
SLICER_CONFIG = """
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/macros.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/empty.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/package.cmake")
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.10/qt-scripted-modules")
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.10/qt-scripted-modules")
"""
MACROS = """
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MY_UNPARSED_ARGUMENTS OR NOT DEFINED MY_NAME)
    message(FATAL_ERROR "wrong arguments: ${ARGN}")
  endif()
  set(place ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR})
  foreach(file ${MY_SCRIPTS} ${MY_RESOURCES})
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "given nonexistent file or directory '${file}'")
    endif()
    if(EXISTS ${place}/${file})
      message(FATAL_ERROR "two modules have a file '${file}'")
    endif()
    get_filename_component(folder ${file} DIRECTORY)
    file(COPY ${file} DESTINATION ${place}/${folder})
  endforeach()
  install(DIRECTORY ${place}/ DESTINATION ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR} COMPONENT RuntimeLibraries)
endmacro()
macro(slicer_add_python_unittest)
  cmake_parse_arguments(MY "" "SCRIPT;TESTNAME_PREFIX" "SLICER_ARGS" ${ARGN})
  file(APPEND ${CMAKE_BINARY_DIR}/unittests.txt "${MY_SCRIPT}\\n")
endmacro()
"""

# SlicerExtensionCPack.cmake puts these into the package; UseSlicer.cmake sets those that are not set to Slicer's own.
PACKAGE = """
file(WRITE ${CMAKE_BINARY_DIR}/package.txt "${EXTENSION_README_FILE};${EXTENSION_LICENSE_FILE}")
"""

needs_cmake = pytest.mark.skipif(
    not (shutil.which("cmake") and shutil.which("c++")), reason="cmake or a compiler is not installed"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build and package folder; the build begins empty, as the macro that looks for files of one name needs it."""
    folder = tmp_path_factory.mktemp("extension")
    slicer = folder / "slicer"
    slicer.mkdir()
    (slicer / "SlicerConfig.cmake").write_text(SLICER_CONFIG, encoding="utf-8")
    (slicer / "macros.cmake").write_text(MACROS, encoding="utf-8")
    (slicer / "empty.cmake").touch()
    (slicer / "package.cmake").write_text(PACKAGE, encoding="utf-8")
    build, package = folder / "build", folder / "package"
    run("-S", ROOT, "-B", build, f"-DSlicer_DIR={slicer}", "-DBUILD_TESTING=ON")
    run("--install", build, "--prefix", package)
    return build, package


def run(*arguments: str | Path) -> None:
    subprocess.run(["cmake", *arguments], check=True, capture_output=True, encoding="utf-8")


def files_of(module: str) -> set[str]:
    """What git keeps, or would keep, of a module, relative to its folder."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", module]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True).stdout.splitlines()
    files = {Path(file) for file in listed if (ROOT / file).is_file()}
    return {file.relative_to(module).as_posix() for file in files if file.name not in NOT_INSTALLED}


@needs_cmake
def test_the_package_carries_our_licence_and_not_slicers(built):
    build, _ = built
    files = (build / "package.txt").read_text(encoding="utf-8").split(";")
    assert [Path(file) for file in files] == [ROOT / "README.md", ROOT / "LICENSE.txt"]


@needs_cmake
def test_build_and_package_hold_the_zoo_beside_the_modules(built):
    for folder in built:
        zoo = folder / MODULE_FOLDER / "models_zoo"
        assert (zoo / "card.schema.json").read_bytes() == (ROOT / "models_zoo" / "card.schema.json").read_bytes()
        assert (zoo / "lv_cine_mr" / "weights.safetensors").is_file()


@needs_cmake
def test_every_file_of_both_modules_is_installed_under_its_own_path(built):
    _, package = built
    place = package / MODULE_FOLDER
    installed = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert {file for file in installed if not file.startswith("models_zoo/")} == files_of("MedSegDL") | files_of(
        "MedSegDLTrain"
    )
    for module in MODULES:
        for file in files_of(module):
            assert (place / file).read_bytes() == (ROOT / module / file).read_bytes()


def test_no_two_files_of_the_modules_have_one_path_or_one_package_name():
    first, second = (files_of(module) for module in MODULES)
    assert not first & second
    packages = [{file.split("/")[0] for file in files if "/" in file} - {"Resources"} for files in (first, second)]
    assert not packages[0] & packages[1]


def test_only_the_two_modules_lie_at_the_top_where_slicer_loads_every_python_file():
    tops = {file for module in MODULES for file in files_of(module) if file.endswith(".py") and "/" not in file}
    assert tops == {"MedSegDL.py", "MedSegDLTrain.py"}


@needs_cmake
def test_each_module_registers_its_own_test(built):
    build, _ = built
    assert (build / "unittests.txt").read_text().split() == ["MedSegDL.py", "MedSegDLTrain.py"]


@needs_cmake
def test_the_installed_tree_passes_tests_of_its_own(built):
    """A part of each: engine, training, scene and both panels, with the modules and packages of the installed tree alone."""
    place = built[1] / MODULE_FOLDER
    tests = ["Testing/engine/test_info_command.py", "Testing/scene/test_segments.py", "Testing/training/test_run_folder.py"]
    tests += [
        "Testing/gui/test_medsegdl_run.py",
        "Testing/gui/test_medsegdltrain_job.py",
        "Testing/training_scene/test_jobs.py",
    ]
    where = ["-o", f"pythonpath={place} {ROOT}", "-p", "no:cacheprovider"]
    code = f"import sys, pytest, MedSegDLLib as lib; assert lib.__file__.startswith({str(place)!r}); "
    code += "sys.exit(pytest.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "-q", *where, *tests]
    environment = os.environ | {"PYTHONPATH": str(place)}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8")
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]


def constant(module: str, name: str) -> str:
    """The expression that a module's script gives parent.<name>."""
    tree = ast.parse((ROOT / module / f"{module}.py").read_text(encoding="utf-8"))
    given = (node for node in ast.walk(tree) if isinstance(node, ast.Assign))
    return next(ast.unparse(node.value) for node in given if ast.unparse(node.targets[0]).endswith(f"parent.{name}"))


@pytest.mark.parametrize("module", MODULES)
def test_what_the_extensions_manager_shows_is_there(module):
    for name in ("title", "categories", "contributors", "helpText", "acknowledgementText"):
        assert constant(module, name)
    assert "Segmentation" in constant(module, "categories")


def test_the_entry_for_the_extensions_index_fits_its_schema_and_the_cmake_file():
    entry = json.loads((ROOT / "Resources" / "MedSegDL.json").read_text(encoding="utf-8"))
    jsonschema.validate(entry, ENTRY_SCHEMA)
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    (depends,) = re.findall(r'EXTENSION_DEPENDS "([^"]*)"', cmake)
    assert entry["build_dependencies"] == depends.split(";") and entry["tier"] == 1 and entry["category"] == "Segmentation"


def test_what_the_extensions_index_looks_at_without_a_network_is_right():
    """As its scripts/check_description_files.py: one name, a licence, line ends, and a repository below 100 MB."""
    entry = ROOT / "Resources" / "MedSegDL.json"
    (project,) = re.findall(r"^project\((\w+)\)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert project == entry.stem and not project.lower().startswith("slicer")
    assert (ROOT / "LICENSE.txt").is_file() and b"\r" not in entry.read_bytes()
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout.splitlines()
    assert sum((ROOT / file).stat().st_size for file in listed if (ROOT / file).is_file()) < 50e6


# The keys of Slicer's slicer-extension-catalog-entry-schema-v1.0.1.json.
ENTRY_SCHEMA = {
    "type": "object",
    "required": ["$schema", "category", "scm_url"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "pattern": r"slicer-extension-catalog-entry-schema-v1\.0\.1\.json#$"},
        "category": {"type": "string"},
        "scm_url": {"type": "string"},
        "scm_revision": {"type": "string"},
        "scm_type": {"enum": ["git", "local"]},
        "build_dependencies": {"type": "array", "items": {"type": "string"}},
        "build_subdirectory": {"type": "string"},
        "enabled": {"type": "boolean"},
        "tier": {"type": "integer", "minimum": 1, "maximum": 5},
    },
}
