"""MedSegDLBatch.py as a plain script, and as Slicer runs it: in the console's own namespace, ending the application."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from MedSegDLLib.files import write_image
from Testing.engine.conftest import bright_box
from Testing.models import write_bright_model

SCRIPT = Path(__file__).parents[2] / "MedSegDL" / "MedSegDLScripts" / "MedSegDLBatch.py"

# What Slicer does with --python-script (CTK's ctkAbstractPythonManager::executeFile), on slicer-core with a stand-in for the
# application that says what became of it.
AS_SLICER_DOES = """
import signal, sys, types
import slicer
signal.signal(signal.SIGINT, signal.SIG_DFL)
def exit(status):
    print("application ended with", status, flush=True)
    sys.exit(0)
slicer.app = types.SimpleNamespace(processEvents=lambda: None)
slicer.util.exit = exit
slicer.dicomDatabase = types.SimpleNamespace(isOpen={is_open}, databaseDirectory={database!r})
sys.argv = [{script!r}, *{arguments!r}]
names = globals()
names["__file__"] = {script!r}
exec(open({script!r}).read(), names)
print("the application goes on", flush=True)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """As a user has it: no PYTHONPATH, a zoo with the model "bright"."""
    write_bright_model(tmp_path / "zoo")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | {"MEDSEGDL_MODELS": str(tmp_path / "zoo"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.fixture
def asked(tmp_path: Path) -> list[str]:
    (tmp_path / "scans").mkdir()
    write_image(bright_box(), tmp_path / "scans" / "a.nii.gz")
    return ["--input", str(tmp_path / "scans"), "--model", "bright", "--output", str(tmp_path / "out")]


def slicers_command(arguments: list[str], database: str = "", is_open: bool = False) -> list[str]:
    code = AS_SLICER_DOES.format(script=str(SCRIPT), arguments=arguments, database=database, is_open=is_open)
    return [sys.executable, "-c", code]


def in_slicer(arguments: list[str], environment: dict[str, str], database: str = "", is_open: bool = False):
    command = slicers_command(arguments, database, is_open)
    return subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")


def test_the_script_runs_under_plain_python_with_the_exit_status_of_the_batch(asked, environment, tmp_path):
    result = subprocess.run([sys.executable, SCRIPT, *asked], env=environment, capture_output=True, encoding="utf-8")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / "a.seg.nrrd").is_file() and "Bright" in (tmp_path / "out" / "summary.csv").read_text()
    result = subprocess.run([sys.executable, SCRIPT, *asked[:2]], env=environment, capture_output=True, encoding="utf-8")
    assert result.returncode == 2 and "--model" in result.stderr


@pytest.mark.parametrize(("extra", "status"), [([], 0), (["--device", "cuda:7"], 2), (["--nonsense"], 2)])
def test_the_application_always_ends_with_the_status_of_the_batch(asked, environment, extra, status):
    result = in_slicer([*asked, *extra], environment)
    assert result.stdout.endswith(f"application ended with {3 if extra[:1] == ['--device'] else status}\n"), result
    assert "Traceback" not in result.stderr


def test_the_script_is_read_where_the_system_has_no_language(asked, environment):
    """A container without LANG: Slicer's Python, which is embedded, then takes files for ASCII."""
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    result = in_slicer([*asked, "--nonsense"], environment | plain)
    assert result.stdout == "application ended with 2\n", result


def test_slicers_own_database_is_named_by_one_option(asked, environment, tmp_path):
    result = in_slicer([*asked[2:], "--slicer-database"], environment, str(tmp_path), is_open=True)
    assert f"{tmp_path} holds no DICOM database of Slicer" in result.stderr
    result = in_slicer([*asked[2:], "--slicer-database"], environment)
    assert "No DICOM database of Slicer is open" in result.stderr and result.stdout == "application ended with 2\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_batch_behind_a_launcher_and_nothing_is_left(asked, environment, tmp_path, number):
    status, _ = interrupted([sys.executable, SCRIPT, *asked], environment, number)
    assert status in (130, 128 + number)
    assert nothing_is_left(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_slicer_which_dies_of_ctrl_c_a_signal_ends_the_batch_first(asked, environment, tmp_path, number):
    _, said = interrupted(slicers_command(asked), environment, number)
    assert said in [f"application ended with {status}\n" for status in (130, 128 + number)]
    assert nothing_is_left(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP], ids=["killed", "terminal closed"])
def test_the_batch_ends_with_the_script_however_that_ends(asked, environment, tmp_path, number):
    process = begun(asked, environment)
    process.send_signal(number)
    process.communicate()
    end = time.monotonic() + 30
    while batches(tmp_path) and time.monotonic() < end:
        time.sleep(0.02)
    assert batches(tmp_path) == []
    assert not (tmp_path / "out" / "a.seg.nrrd").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(
    ("number", "status", "sentence"), [(signal.SIGKILL, 3, "memory ran out"), (signal.SIGSEGV, 1, "crashed (SIGSEGV)")]
)
def test_a_batch_that_is_killed_or_crashes_is_told_in_a_sentence(asked, environment, tmp_path, number, status, sentence):
    process = begun(asked, environment)
    (batch,) = [pid for pid in batches(tmp_path) if pid != process.pid]
    os.kill(batch, number)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == status and sentence in told and "--resume" in told


def begun(asked: list[str], environment: dict[str, str]) -> subprocess.Popen:
    """The script with a batch that has found its image and imports torch."""
    command = [sys.executable, SCRIPT, *asked]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert "to segment" in process.stderr.readline()
    return process


def batches(tmp_path: Path) -> list[int]:
    """Processes that are asked to write into this test's folder."""
    found = subprocess.run(["pgrep", "-f", str(tmp_path / "out")], capture_output=True, text=True).stdout
    return list(map(int, found.split()))


def interrupted(command: list, environment: dict[str, str], number: int) -> tuple[int, str]:
    """Exit status and output of a batch that gets this signal while torch is imported."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    told = process.stderr.readline()
    time.sleep(0.1)
    process.send_signal(number)
    said, rest = process.communicate(timeout=60)
    assert re.match(r"1 image, 1 to segment\.", told) and "Traceback" not in rest, told + rest
    return process.returncode, said


def nothing_is_left(tmp_path: Path) -> bool:
    return subprocess.run(["pgrep", "-f", str(tmp_path / "out")], capture_output=True, text=True).stdout == ""
