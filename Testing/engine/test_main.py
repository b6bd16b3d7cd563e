import os
import subprocess
import sys
from pathlib import Path

import pytest

from MedSegDLLib import __version__
from MedSegDLLib.__main__ import SUBCOMMANDS
from MedSegDLLib.commands import info
from MedSegDLLib.errors import DeviceError, InputError
from Testing.engine.conftest import CommandLine


def test_help_names_every_subcommand(command_line: CommandLine):
    outcome = command_line("--help")
    assert outcome.status == 0
    assert all(f"  {name} " in outcome.out for name in SUBCOMMANDS)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_explains_itself(command_line: CommandLine, name: str):
    outcome = command_line(name, "--help")
    assert outcome.status == 0 and outcome.out.startswith(f"usage: medsegdl {name}") and "--debug" in outcome.out


def test_version(command_line: CommandLine):
    assert command_line("--version").out == f"medsegdl {__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("segments",), ("segment",), ("info", "a", "b"), ("info", "--no-such-option", "a")])
def test_bad_usage_is_2_and_shows_how_to_use_it(command_line: CommandLine, arguments: tuple[str, ...]):
    outcome = command_line(*arguments)
    assert outcome.status == 2 and outcome.err.startswith("usage: medsegdl") and "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (InputError("The file is empty."), 2, "The file is empty."),
        (DeviceError("There is no GPU."), 3, "There is no GPU."),
        (MemoryError(), 3, "too little memory"),
        (KeyboardInterrupt(), 130, "Stopped as asked."),
        (ZeroDivisionError("division by zero"), 1, "MedSegDL has a fault (ZeroDivisionError: division by zero)"),
    ],
)
def test_every_error_is_one_sentence_and_a_status(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, sentence: str
):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(info, "describe", fail)
    outcome = command_line("info", "image.nii")
    assert outcome.status == status and outcome.out == ""
    assert sentence in outcome.err and len(outcome.err.splitlines()) == 1
    told = command_line("info", "image.nii", "--debug")
    assert told.status == status and "Traceback" in told.err and told.err.splitlines()[-1] == outcome.err.strip()


def test_only_the_module_that_is_called_is_imported():
    program = (
        "import sys; from MedSegDLLib.__main__ import main; main(['info', '--help']);"
        "heavy = {'torch', 'MedSegDLLib.commands.segment', 'MedSegDLLib.commands.models'}; print(heavy & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_module_is_a_program(tmp_path: Path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "MedSegDLLib", "info", tmp_path / "missing.nii"]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == f"{tmp_path / 'missing.nii'} does not exist: check the name.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_reader_who_has_had_enough_is_no_fault():
    """`medsegdl models list | head -1`: the pipe is closed before anything is written."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "MedSegDLLib", "models", "list"]
    done = subprocess.run(command, env=environment, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_console_that_knows_only_ascii_is_no_fault(tmp_path: Path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "MedSegDLLib", "info", tmp_path / "müssing.nii"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 2 and b"m?ssing.nii does not exist" in done.stderr
