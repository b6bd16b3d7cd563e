"""What the worker needs: found by its metadata, installed by commands, and a failure that is explained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from MedSegDLScene.dependencies import (
    TORCH,
    Installation,
    Package,
    Reason,
    has_torch_builds,
    install_commands,
    missing,
    read_requirements,
    reason_of,
)

ROOT = Path(__file__).parents[2]
OTHERS = (Package("safetensors", "0.4.3"), Package("scipy", "1.13"))


class FakeProcess:
    """A command that says one line and ends when it is polled as often as `polls` says."""

    def __init__(self, arguments: tuple[str, ...], status: int = 0, polls: int = 1) -> None:
        self.arguments, self.lines, self.status, self.cancelled = arguments, [], None, False
        self._will_be, self._polls = status, polls

    @property
    def ended(self) -> bool:
        return self.status is not None

    def poll(self) -> None:
        self._polls -= 1
        if self.cancelled or self._polls <= 0:
            self.lines.append(f"said by {self.arguments[-1]}")
            self.status = -9 if self.cancelled else self._will_be

    def cancel(self) -> None:
        self.cancelled = True


def write_distribution(folder: Path, name: str, version: str | None) -> None:
    info = folder / f"{name}-1.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", *([f"Version: {version}"] if version else [])]
    (info / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(("version", "is_missing"), [("2.4.0", False), ("2.10.1+cu126", False), ("2.3.9", True), (None, True)])
def test_what_is_too_old_or_broken_is_missing(tmp_path, monkeypatch, version, is_missing):
    write_distribution(tmp_path, "medsegdl_made_up", version)
    monkeypatch.syspath_prepend(str(tmp_path))
    package = Package("medsegdl_made_up", "2.4")
    assert missing([package]) == ((package,) if is_missing else ())


def test_what_was_installed_a_moment_ago_is_seen(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    package = Package("medsegdl_just_now", "1")
    assert missing([package]) == (package,)
    write_distribution(tmp_path, "medsegdl_just_now", "1.0")
    assert missing([package]) == ()


def test_looking_for_torch_does_not_import_it():
    code = "import sys; from MedSegDLScene.dependencies import *; missing([TORCH]); print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=ROOT / "MedSegDL", check=True
    )
    assert result.stdout.strip() == "False"


def test_the_modules_requirements_are_readable_and_name_nothing_that_slicer_or_the_pytorch_extension_brings():
    names = {package.name for package in read_requirements(ROOT / "MedSegDL" / "Resources" / "requirements.txt")}
    assert "safetensors" in names
    assert not names & {"torch", "numpy", "SimpleITK", "vtk"}


def test_with_the_extension_pytorch_comes_by_its_own_way_and_the_rest_by_pip():
    commands = install_commands((TORCH, *OTHERS), with_pytorch_extension=True)
    assert [command[:2] for command in commands] == [("-m", "pip"), ("-m", "light_the_torch"), ("-m", "pip")]
    assert "torch>=2.4" in commands[1]
    assert commands[2] == ("-m", "pip", "install", "safetensors>=0.4.3", "scipy>=1.13")


def test_without_the_extension_pip_installs_all_and_what_is_there_is_left_alone():
    assert install_commands((TORCH,), with_pytorch_extension=False) == (("-m", "pip", "install", "torch>=2.4"),)
    assert install_commands((OTHERS[0],), with_pytorch_extension=True) == (("-m", "pip", "install", "safetensors>=0.4.3"),)
    assert install_commands((), with_pytorch_extension=True) == ()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution",
            "OFFLINE",
        ),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "NO_SPACE"),
        (
            "ERROR: Could not install packages due to an OSError: [WinError 5] Access is denied",
            "NOT_ALLOWED",
        ),
        ("ERROR: No matching distribution found for torch>=2.4", "NO_BUILD"),
        ("Segmentation fault", "OTHER"),
    ],
)
def test_a_failure_is_explained_by_what_the_installer_said(line, reason):
    assert reason_of(["Collecting torch", line]) is Reason[reason]


def test_a_lost_connection_is_not_taken_for_a_missing_build():
    lines = [
        "WARNING: Retrying after connection broken by 'NewConnectionError'",
        "ERROR: No matching distribution found for torch",
    ]
    assert reason_of(lines) is Reason.OFFLINE


@pytest.mark.parametrize(
    ("system", "machine", "has"),
    [("darwin", "x86_64", False), ("darwin", "arm64", True), ("linux", "x86_64", True), ("win32", "AMD64", True)],
)
def test_only_intel_macs_have_no_pytorch(system, machine, has):
    assert has_torch_builds(system, machine) is has


def test_commands_run_one_after_another():
    started = []
    installation = Installation([("a",), ("b",)], lambda arguments: started.append(FakeProcess(arguments)) or started[-1])
    assert [process.arguments for process in started] == [("a",)]
    installation.poll()
    assert [process.arguments for process in started] == [("a",), ("b",)]
    installation.poll()
    assert installation.ended
    assert (installation.failure, installation.cancelled) == ("", False)
    assert installation.lines == ["python a", "said by a", "python b", "said by b"]


def test_nothing_follows_a_command_that_failed():
    started = []
    installation = Installation(
        [("a",), ("b",)], lambda arguments: started.append(FakeProcess(arguments, status=1)) or started[-1]
    )
    installation.poll()
    assert installation.ended
    assert installation.failure == "python a"
    assert len(started) == 1


def test_cancelling_ends_the_running_command_and_is_no_failure():
    started = []
    installation = Installation(
        [("a",), ("b",)], lambda arguments: started.append(FakeProcess(arguments, polls=100)) or started[-1]
    )
    installation.poll()
    installation.cancel()
    assert started[0].cancelled
    installation.poll()
    assert installation.ended
    assert (installation.failure, len(started)) == ("", 1)
