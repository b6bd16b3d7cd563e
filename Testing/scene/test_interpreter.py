import os
import subprocess
import sys
from pathlib import Path

import pytest

import MedSegDLLib
from MedSegDLScene import interpreter
from MedSegDLScene.interpreter import this_interpreter, with_packages
from MedSegDLScene.slicer_python import slicerInterpreter

ENGINE = str(Path(MedSegDLLib.__file__).parents[1])


def test_this_python_finds_the_packages_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/first", ENGINE, "/second"]))
    found = this_interpreter()
    assert found.command == (sys.executable,)
    code = "import sys, MedSegDLLib, MedSegDLTrainLib; print(MedSegDLLib.__file__, '/first' in sys.path)"
    told = subprocess.run(
        [*found.command, "-c", code], cwd=tmp_path, env=found.environment, capture_output=True, encoding="utf-8"
    )
    assert told.stdout == f"{MedSegDLLib.__file__} True\n", told.stderr


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 always looks into the current folder")
def test_a_module_in_the_current_folder_does_not_stand_in_for_pythons_own(tmp_path):
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong one')", encoding="utf-8")
    found = this_interpreter()
    command = [*found.command, "-m", "MedSegDLLib", "--version"]
    told = subprocess.run(command, cwd=tmp_path, env=found.environment, capture_output=True, encoding="utf-8")
    assert told.stdout == f"medsegdl {MedSegDLLib.__version__}\n", told.stderr


def test_folders_of_the_packages_come_first_and_once():
    path = with_packages({"PYTHONPATH": os.pathsep.join(["/first", ENGINE, ""])})["PYTHONPATH"].split(os.pathsep)
    assert path[0] == ENGINE
    assert path.count(ENGINE) == 1
    assert path[-1] == "/first"


def test_without_the_trainer_the_engine_alone_is_found(monkeypatch):
    find = interpreter.find_spec
    monkeypatch.setattr(interpreter, "find_spec", lambda name: None if name == "MedSegDLTrainLib" else find(name))
    assert with_packages({})["PYTHONPATH"] == ENGINE


def test_the_environment_of_this_process_is_not_changed(monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert "PYTHONPATH" in this_interpreter().environment
    assert "PYTHONPATH" not in os.environ


def test_the_environment_may_be_secret():
    assert "PATH" not in repr(this_interpreter())


def test_in_the_application_it_is_python_slicer_with_the_whole_environment(tmp_path, monkeypatch):
    program = tmp_path / "PythonSlicer"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SLICER_HOME", raising=False)
    assert slicerInterpreter() == this_interpreter()  # Slicer is installed, but this is not it
    monkeypatch.setenv("SLICER_HOME", str(tmp_path))
    found = slicerInterpreter()
    assert found.command == (str(program),)
    assert found.environment["SLICER_HOME"] == str(tmp_path)
    assert found.environment["PYTHONPATH"].split(os.pathsep)[0] == ENGINE
    program.unlink()
    assert slicerInterpreter() == this_interpreter()
