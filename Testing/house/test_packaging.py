"""What pip gets: one version, dependencies that are declared and pinned, and a wheel that carries packages and zoo."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import MedSegDLLib

ROOT = Path(__file__).parents[2]
PACKAGES = [ROOT / "MedSegDL" / "MedSegDLLib", ROOT / "MedSegDL" / "MedSegDLScene", ROOT / "MedSegDLTrain" / "MedSegDLTrainLib"]
EXTRA_OF_PACKAGE = {"MedSegDLLib": "", "MedSegDLScene": "scene", "MedSegDLTrainLib": "train"}
INSTALLED_BY_MAKE = ("scene", "train", "gui", "dev")
OF_THE_APPLICATION = {"SampleData"}  # a module of Slicer's, imported where it is asked for
# A torch with CUDA brings these, in versions that torch itself says.
OF_TORCH = ("nvidia-", "cuda-", "triton")


def requirements(distribution: str, extras: tuple[str, ...] = ()) -> list[Requirement]:
    """What an installed distribution requires on this machine, with these extras."""
    found = [Requirement(line) for line in metadata.requires(distribution) or []]
    return [one for one in found if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras))]


def required_by_make() -> set[str]:
    """Names of all distributions that `make install` needs here, whatever requires them."""
    names, waiting = set(), requirements("medsegdl", INSTALLED_BY_MAKE)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in names and not name.startswith(OF_TORCH):
            names.add(name)
            waiting += requirements(name, tuple(requirement.extras))
    return names


def pins() -> dict[str, Requirement]:
    """Lines of constraints.txt that hold for this Python, by name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(one.name): one for one in found if one.marker is None or one.marker.evaluate()}


def imported_packages(folder: Path) -> set[str]:
    """Top-level names that the files below `folder` import, other than the standard library and this project."""
    names = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - set(EXTRA_OF_PACKAGE)


def test_there_is_one_version():
    assert metadata.version("medsegdl") == MedSegDLLib.__version__
    assert (
        re.search(r"^## \[?([\d.]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[1]
        == MedSegDLLib.__version__
    )


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_what_a_package_imports_is_declared(folder):
    declared = requirements("medsegdl", (EXTRA_OF_PACKAGE[folder.name],))
    provided = {file.parts[0].removesuffix(".py") for one in declared for file in metadata.files(one.name)}
    assert imported_packages(folder) - provided - OF_THE_APPLICATION == set()


def test_constraints_pin_everything_that_make_installs_and_it_is_installed():
    pinned = pins()
    assert required_by_make() <= pinned.keys()
    for name in required_by_make():
        assert pinned[name].specifier.contains(metadata.version(name)), name


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from a copy of what git would hand out, since setuptools leaves a build folder behind."""
    source = tmp_path_factory.mktemp("source")
    for name in ("MedSegDL", "MedSegDLTrain", "models_zoo"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE.txt"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", source / "dist", source)
    return next((source / "dist").glob("medsegdl-*.whl"))


def pip(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments], check=True)


def test_the_wheel_holds_every_file_of_packages_and_zoo(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    for folder in PACKAGES:
        files = [*folder.rglob("*.py"), *folder.rglob("*.json")]
        assert {file.relative_to(folder.parent).as_posix() for file in files} <= held
    share = f"medsegdl-{MedSegDLLib.__version__}.data/data/share/medsegdl"
    zoo = [file for file in (ROOT / "models_zoo").rglob("*") if file.is_file()]
    assert {f"{share}/{file.relative_to(ROOT).as_posix()}" for file in zoo} <= held


def test_an_installed_wheel_finds_its_zoo(wheel, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    pip("--python", python, "install", "--no-deps", "--no-index", wheel)
    # Its dependencies are those of this environment; a .pth file is not followed from there, so MedSegDL itself is the wheel's.
    site_packages = next((tmp_path / "env" / "lib").glob("python*/site-packages"))
    (site_packages / "dependencies.pth").write_text(str(Path(pytest.__file__).parents[1]), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MEDSEGDL_MODELS")}
    environment |= {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    result = subprocess.run(
        [python.with_name("medsegdl"), "models", "list"], env=environment, cwd=tmp_path, capture_output=True, encoding="utf-8"
    )
    assert result.returncode == 0, result.stderr
    for card in (ROOT / "models_zoo").glob("*/card.json"):
        assert card.parent.name in result.stdout
    found = subprocess.run(
        [python, "-c", "from MedSegDLLib.zoo import bundled_zoo; print(bundled_zoo())"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
    )
    assert found.stdout.strip() == str(tmp_path / "env" / "share" / "medsegdl" / "models_zoo"), found.stderr


def test_weights_in_the_repository_are_small():
    for file in (ROOT / "models_zoo").glob("*/weights.safetensors"):
        assert file.stat().st_size <= 5 * 2**20, file
