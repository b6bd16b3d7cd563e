"""Which Python packages the worker lacks, what installs them, and why an installation failed.

Nothing here imports the packages: whether one is there, its metadata says. Imports neither slicer nor qt.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Package:
    """A distribution as pip knows it, and the oldest version that will do."""

    name: str
    minimum: str

    @property
    def requirement(self) -> str:
        """As pip takes it, for example "torch>=2.4"."""
        return f"{self.name}>={self.minimum}"


TORCH = Package("torch", "2.4")

# What the PyTorch extension's installTorch runs: a pip that chooses the build for the graphics card. These commands are run
# here instead of that function, because it returns when all is installed (minutes) and then imports torch into Slicer.
_PYTORCH_EXTENSION = "PyTorchUtils"
_BUILD_CHOOSER = ("-m", "pip", "install", "light-the-torch>=0.5")
_CHOSEN_BUILD = ("-m", "light_the_torch", "install")


class Reason(Enum):
    """Why an installation failed."""

    OFFLINE = "no connection"
    NO_SPACE = "no space"
    NOT_ALLOWED = "no permission"
    NO_BUILD = "no build for this computer"
    OTHER = "other"


# The first pattern that is found decides: what pip says of a full disk or a lost connection ends in sentences about versions.
_SIGNS = (
    (Reason.NO_SPACE, r"no space left on device|errno 28|not enough space on the disk|disk quota exceeded"),
    (Reason.NOT_ALLOWED, r"permission denied|errno 13|winerror 5\b|access is denied|read-only file system"),
    (
        Reason.OFFLINE,
        (
            r"name resolution|getaddrinfo failed|name or service not known|nodename nor servname|network is unreachable|"
            r"failed to establish a new connection|connection (refused|timed out|reset)|connecttimeout|readtimeout|proxyerror|"
            r"connection broken|max retries exceeded"
        ),
    ),
    (Reason.NO_BUILD, r"no matching distribution found|could not find a version that satisfies|not a supported wheel"),
)


def read_requirements(path: Path) -> tuple[Package, ...]:
    """The packages of a requirements file in which every line is empty, a comment, or `name>=version`."""
    lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return tuple(Package(*line.split(">=")) for line in lines if line)


def missing(packages: Iterable[Package]) -> tuple[Package, ...]:
    """Those that are not installed, or too old; also right after an installation by another process."""
    importlib.invalidate_caches()
    return tuple(package for package in packages if not _is_there(package))


def has_pytorch_extension() -> bool:
    """Whether Slicer's extension PyTorch is installed; it is not imported."""
    return importlib.util.find_spec(_PYTORCH_EXTENSION) is not None


def has_torch_builds(system: str = sys.platform, machine: str = "") -> bool:
    """Whether PyTorch is made for this computer at all: its last build for Intel Macs was 2.2.

    A Slicer for Intel that runs on Apple silicon under Rosetta counts as an Intel Mac: its Python loads only such builds.
    """
    return not (system == "darwin" and (machine or platform.machine()) == "x86_64")


def install_commands(packages: Sequence[Package], with_pytorch_extension: bool) -> tuple[tuple[str, ...], ...]:
    """The arguments of Python that install `packages`, one process after another."""
    commands: list[tuple[str, ...]] = []
    if TORCH in packages and with_pytorch_extension:
        commands += [_BUILD_CHOOSER, (*_CHOSEN_BUILD, TORCH.requirement, "torchvision")]
    elif TORCH in packages:
        commands.append(("-m", "pip", "install", TORCH.requirement))
    if others := [package.requirement for package in packages if package != TORCH]:
        commands.append(("-m", "pip", "install", *others))
    return tuple(commands)


def reason_of(lines: Iterable[str]) -> Reason:
    """Why an installation failed, read out of what the installer said."""
    said = "\n".join(lines).lower()
    return next((reason for reason, signs in _SIGNS if re.search(signs, said)), Reason.OTHER)


class Process(Protocol):
    """What an installation needs of a `CommandProcess`."""

    lines: list[str]
    status: int | None

    @property
    def ended(self) -> bool: ...

    def poll(self) -> None: ...

    def cancel(self) -> None: ...


class Installation:
    """Commands that run one after another until one fails; `poll` takes it further and never blocks."""

    def __init__(self, commands: Sequence[tuple[str, ...]], start: Callable[[tuple[str, ...]], Process]) -> None:
        """`start` begins a process with these arguments of Python; the first begins at once."""
        self.cancelled, self.failure = False, ""  # or the command that failed, as a person would type it
        self._start, self._left, self._said = start, list(commands), []
        self._process: Process | None = None
        self._next()

    @property
    def lines(self) -> list[str]:
        """Everything that was said so far."""
        return [*self._said, *(self._process.lines if self._process else ())]

    @property
    def ended(self) -> bool:
        """Whether all is installed, one command has failed, or it was cancelled."""
        return self._process is None

    def poll(self) -> None:
        """Look whether the running command has ended, and begin the next."""
        if self._process is None:
            return
        self._process.poll()
        if self._process.ended:
            failed = self._process.status != 0
            self._said, self._process = self.lines, None
            if failed and not self.cancelled:
                self.failure = self._command
            elif not self.cancelled:
                self._next()

    def cancel(self) -> None:
        """End the running command and begin no further one; `poll` sees the end."""
        self.cancelled = True
        if self._process is not None:
            self._process.cancel()

    def _next(self) -> None:
        if self._left:
            arguments = self._left.pop(0)
            self._command = " ".join(("python", *arguments))
            self._said.append(self._command)
            self._process = self._start(arguments)


def _is_there(package: Package) -> bool:
    try:
        version = importlib.metadata.version(package.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return bool(version) and _numbers(version) >= _numbers(package.minimum)  # a broken installation has no version


def _numbers(version: str) -> tuple[int, ...]:
    """ "2.10.0+cpu" is (2, 10, 0)."""
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3])
