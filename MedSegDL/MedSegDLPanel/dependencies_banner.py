"""The banner above the panel: which packages are missing, and their installation. Not to be seen where nothing is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from MedSegDLPanel.folding_log import FoldingLog
from MedSegDLPanel.notes import standOut
from MedSegDLPanel.polling import Polling
from MedSegDLScene import dependencies
from MedSegDLScene.dependencies import TORCH, Installation, Package, Process, Reason


class DependenciesBanner:
    """Asks, installs without freezing, shows the log, explains a failure; then the panel goes on without a restart."""

    def __init__(
        self,
        ui: object,
        requirements: Path,
        start: Callable[[tuple[str, ...]], Process],
        polling: Polling,
        onInstalled: Callable[[], None],
    ) -> None:
        """`start` runs Slicer's Python with these arguments; `onInstalled` is called when nothing is missing any more."""
        self._ui, self._start, self._polling, self._onInstalled = ui, start, polling, onInstalled
        self._packages = (TORCH, *dependencies.read_requirements(requirements))
        self._missing: tuple[Package, ...] = ()
        self._installation: Installation | None = None
        standOut(ui.dependenciesLabel)
        self._log = FoldingLog(ui.installLogButton, ui.installLog)
        ui.installButton.connect("clicked(bool)", self._onInstall)
        ui.installCancelButton.connect("clicked(bool)", self._onCancel)
        polling.add(self._poll)

    @property
    def complete(self) -> bool:
        """Whether everything is there."""
        return not self._missing

    def look(self) -> None:
        """Look again what is missing, and show it; while an installation runs nothing changes."""
        if self._installation is None:
            self._missing = dependencies.missing(self._packages)
            self._show(_sentenceOfMissing(self._missing))

    def close(self) -> None:
        """End an installation that is running."""
        if self._installation is not None:
            self._installation.cancel()
            self._installation = None

    def _show(self, sentence: str) -> None:
        ui, installing = self._ui, self._installation is not None
        ui.dependenciesFrame.visible = bool(self._missing)
        ui.dependenciesLabel.text = sentence
        ui.installButton.visible = not installing and dependencies.has_torch_builds()
        ui.installCancelButton.visible = ui.installBar.visible = installing
        ui.installCancelButton.enabled = installing

    def _onInstall(self) -> None:
        if not slicer.util.confirmOkCancelDisplay(_question(self._missing), windowTitle=_("Install packages")):
            return
        commands = dependencies.install_commands(self._missing, dependencies.has_pytorch_extension())
        self._log.clear()
        self._log.unfold()
        self._installation = Installation(commands, self._start)
        self._show(_("Installing {names}. Slicer can be used meanwhile.").format(names=_names(self._missing)))
        self._polling.wake()

    def _onCancel(self) -> None:
        if self._installation is not None:
            self._installation.cancel()
            self._ui.installCancelButton.enabled = False

    def _poll(self) -> bool:
        installation = self._installation
        if installation is None:
            return False
        installation.poll()
        self._log.show(installation.lines)
        if not installation.ended:
            return True
        self._installation = None
        self._conclude(installation)
        return False

    def _conclude(self, installation: Installation) -> None:
        self._missing = dependencies.missing(self._packages)
        if not self._missing:
            self._show("")
            self._onInstalled()
        elif installation.cancelled:
            self._show(_("The installation was stopped.") + " " + _sentenceOfMissing(self._missing))
        else:
            reason = dependencies.reason_of(installation.lines)
            self._show(_sentenceOfFailure(reason) + " " + _("Still missing: {names}.").format(names=_names(self._missing)))


def _names(packages: Sequence[Package]) -> str:
    return ", ".join("PyTorch" if package == TORCH else package.name for package in packages)


def _sizeOf(packages: Sequence[Package]) -> str:
    """What to expect of the download, in words."""
    if TORCH in packages:
        return _("about 0.3 GB to download, with an NVIDIA graphics card about 3 GB")
    return _("less than 0.1 GB to download")


def _sentenceOfMissing(packages: Sequence[Package]) -> str:
    if not dependencies.has_torch_builds():
        return _(
            "This Slicer was built for Intel Macs (on newer Macs it runs by translation), and PyTorch, which computes the "
            "networks, is no longer made for those. Use Slicer on Windows or Linux, or a Slicer built for Apple silicon."
        )
    return _("To segment, MedSegDL needs {names}: {size}. Everything else in Slicer works without.").format(
        names=_names(packages), size=_sizeOf(packages)
    )


def _question(packages: Sequence[Package]) -> str:
    return _(
        "Install {names} into Slicer's Python?\n\nThat is {size}, and takes some minutes. The files come from the Python "
        "package index and pytorch.org; no image and nothing about you or your patients is sent."
    ).format(names=_names(packages), size=_sizeOf(packages))


def _sentenceOfFailure(reason: Reason) -> str:
    return {
        Reason.OFFLINE: _(
            "The installation failed because the package server cannot be reached: check the network connection or the proxy."
        ),
        Reason.NO_SPACE: _("The installation failed because the disk is full: make room and install again."),
        Reason.NOT_ALLOWED: _(
            "The installation failed because Slicer's folder cannot be written to: install Slicer where you may write, or "
            "ask who administers this computer."
        ),
        Reason.NO_BUILD: _("The installation failed because there is no build of a package for this Slicer."),
        Reason.OTHER: _("The installation failed; the details say what the installer said last."),
    }[reason]
