"""Where a model runs: automatic, or one of the devices that the worker has found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from slicer.i18n import tr as _

from MedSegDLScene.worker_client import Device

AUTOMATIC = "auto"


class DeviceChoice:
    """A combo box of devices; `onChosen` is told the name of the one that a person takes."""

    def __init__(self, ui: object, onChosen: Callable[[str], None]) -> None:
        self._combo, self._onChosen = ui.deviceComboBox, onChosen
        self._names: list[str] = []
        self._combo.connect("activated(int)", self._onActivated)  # a person's choice, never our own filling

    def show(self, devices: Sequence[Device], chosen: str) -> None:
        """The devices, as far as the worker has told, and which of them is chosen."""
        texts = {AUTOMATIC: _automatic(devices), **{device.name: device.text for device in devices}}
        if chosen not in texts:
            texts[chosen] = _("{device} (not found)").format(device=chosen) if devices else chosen
        if self._names != list(texts) or self._combo.itemText(0) != texts[AUTOMATIC]:
            self._names = list(texts)
            self._combo.clear()
            self._combo.addItems(list(texts.values()))
        self._combo.currentIndex = self._names.index(chosen)
        toolTip = _("{device}\nThe computing devices that were found. Automatic takes the fastest with enough memory.")
        toolTip = toolTip.format(device=texts[chosen])  # the box is too narrow for some names
        if self._combo.toolTip != toolTip:  # 100 times a second while busy
            self._combo.toolTip = toolTip

    def _onActivated(self, index: int) -> None:
        self._onChosen(self._names[index])


def _automatic(devices: Sequence[Device]) -> str:
    return _("Automatic ({device})").format(device=devices[0].text) if devices else _("Automatic")
