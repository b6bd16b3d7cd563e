"""How .ci/environment makes, keeps, renews and repairs an environment; a stand-in for Python notes what it is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INPUTS = ["pyproject.toml", "setup.py", "constraints.txt", ".ci/environment"]

# A Python that fits, but fails when what it is asked contains {fails}; `-m venv` copies it into the environment.
STAND_IN = """#!/bin/sh
case "$*" in *"{fails}"*) exit 1 ;; esac
case "$1" in -c) exit 0 ;; --version) echo "Python 3.11.0"; exit 0 ;; esac
echo "$*" >>"{log}"
if [ "$2" = venv ]; then
    rm -rf "$4" && mkdir -p "$4/bin" && cp "$0" "$4/bin/python"
fi
"""


@pytest.fixture
def clone(tmp_path) -> Path:
    """A folder with the script and empty files where it looks for what to install."""
    folder = tmp_path / "clone"
    (folder / ".ci").mkdir(parents=True)
    for name in INPUTS[:-1]:
        (folder / name).touch()
    shutil.copy(ROOT / ".ci" / "environment", folder / ".ci")
    set_age(folder, INPUTS, seconds=60)
    return folder


def set_age(folder: Path, names: list[str], seconds: float) -> None:
    now = (folder / ".ci").stat().st_mtime
    for name in names:
        os.utime(folder / name, (now - seconds, now - seconds))


def stand_in(clone: Path, name: str = "python3", fails: str = "nothing") -> Path:
    path = clone.parent / name
    path.write_text(STAND_IN.format(log=clone.parent / "asked", fails=fails), encoding="utf-8")
    path.chmod(0o755)
    return path


def make(clone: Path, *pythons: Path) -> subprocess.CompletedProcess:
    return subprocess.run([clone / ".ci" / "environment", ".venv", *pythons], capture_output=True, encoding="utf-8")


def asked(clone: Path) -> list[str]:
    """What the stand-ins were asked since the last look."""
    log = clone.parent / "asked"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def test_a_new_environment_gets_the_pinned_packages_and_a_second_call_does_nothing(clone):
    python = stand_in(clone)
    assert make(clone, python).returncode == 0
    venv, setuptools, project = asked(clone)
    assert venv == "-m venv --clear .venv"
    assert "--constraint constraints.txt" in setuptools and setuptools.endswith(" setuptools")
    assert "--constraint constraints.txt" in project and ".[scene,train,gui,dev]" in project
    assert make(clone, python).stdout == ""
    assert asked(clone) == []


@pytest.mark.parametrize("changed", INPUTS)
def test_a_changed_list_renews_without_starting_over(clone, changed):
    python = stand_in(clone)
    make(clone, python)
    asked(clone)
    set_age(clone, [changed], seconds=-60)
    assert make(clone, python).returncode == 0
    assert [line for line in asked(clone) if "venv" in line] == []


def test_an_installation_that_failed_starts_over(clone):
    assert make(clone, stand_in(clone, fails="--editable")).returncode == 1
    asked(clone)
    assert make(clone, stand_in(clone)).returncode == 0
    assert asked(clone)[0] == "-m venv --clear .venv"


def test_a_renewal_that_pip_refuses_keeps_the_environment_and_is_tried_again(clone):
    make(clone, stand_in(clone))
    set_age(clone, ["pyproject.toml"], seconds=-60)
    inside = clone / ".venv" / "bin" / "python"
    shutil.copy(stand_in(clone, fails="--editable"), inside)
    assert make(clone).returncode == 1
    shutil.copy(stand_in(clone), inside)
    asked(clone)
    assert make(clone).returncode == 0
    assert len(asked(clone)) == 2 and inside.exists()


def test_a_renewal_that_is_cut_off_starts_over(clone):
    make(clone, stand_in(clone))
    set_age(clone, ["pyproject.toml"], seconds=-60)
    inside = clone / ".venv" / "bin" / "python"
    inside.write_text(inside.read_text(encoding="utf-8").replace('echo "$*" >>', 'kill -KILL $PPID; echo "$*" >>'))
    assert make(clone).returncode == -9
    asked(clone)
    assert make(clone, stand_in(clone)).returncode == 0
    assert asked(clone)[0] == "-m venv --clear .venv"


def test_a_moved_environment_starts_over(clone):
    python = stand_in(clone)
    make(clone, python)
    asked(clone)
    moved = clone.rename(clone.parent / "moved")
    assert make(moved, python).returncode == 0
    assert asked(moved)[0] == "-m venv --clear .venv"


def test_an_environment_whose_python_is_gone_starts_over(clone):
    python = stand_in(clone)
    make(clone, python)
    asked(clone)
    (clone / ".venv" / "bin" / "python").unlink()
    assert make(clone, python).returncode == 0
    assert asked(clone)[0] == "-m venv --clear .venv"


def test_the_first_python_that_fits_is_taken(clone):
    too_old, missing, fits = stand_in(clone, "old", fails="version_info"), clone.parent / "missing", stand_in(clone)
    assert make(clone, missing, too_old, fits).returncode == 0
    assert asked(clone)[0] == "-m venv --clear .venv"


def test_without_a_python_that_fits_one_sentence_says_which_would(clone):
    result = make(clone, clone.parent / "missing", stand_in(clone, "old", fails="version_info"))
    assert result.returncode == 1
    assert "needs Python 3.10 to 3.13" in result.stderr and len(result.stderr.splitlines()) == 1


def test_without_the_venv_module_one_sentence_says_what_to_install(clone):
    result = make(clone, stand_in(clone, fails="ensurepip"))
    assert result.returncode == 1
    assert "python3-venv" in result.stderr and len(result.stderr.splitlines()) == 1
