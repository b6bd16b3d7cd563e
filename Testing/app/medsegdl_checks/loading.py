"""Both modules are found, loaded, opened and reloaded, and pass their own tests. NOT YET RUN in the application."""

from __future__ import annotations

import slicer

from .application import Ticks, openModule, waitUntil

MODULES = ("MedSegDL", "MedSegDLTrain")
_PHANTOMS = ("MedSegDL heart phantom", "MedSegDL beating heart phantom")
_LONGEST_GAP_S = 1.0


def bothModulesOpen() -> str:
    """Each has its panel, title and icon, and the selector shows it as chosen."""
    for name in MODULES:
        widget = openModule(name)
        assert slicer.util.selectedModule() == name, slicer.util.selectedModule()
        assert widget.panel is not None
        module = slicer.util.getModule(name)
        assert module.title and not module.icon.isNull(), name
    return "opened: " + ", ".join(MODULES)


def ownTestsPass() -> str:
    """What "Reload and Test" and CTest run: the class NAMETest of each module."""
    for name in MODULES:
        slicer.selfTests[name](msec=50)
    return "passed: " + ", ".join(f"{name}Test" for name in MODULES)


def panelsFitIntoTheModulePanel() -> str:
    """No panel asks for more than 400 pixels of width, whatever style and font Slicer has on this system."""
    widths = {name: openModule(name).parent.minimumSizeHint.width() for name in MODULES}
    assert max(widths.values()) <= 400, widths
    return ", ".join(f"{name} wants {width} px" for name, width in widths.items())


def modulesCanBeReloaded() -> str:
    """The developer's Reload button: the panel is made anew, from packages that are read anew."""
    for name in MODULES:
        before = openModule(name)
        before.onReload()
        after = slicer.util.getModuleWidget(name)
        assert after is not before and after.panel is not None, name
    return "reloaded: " + ", ".join(MODULES)


def sampleDataAreListed() -> str:
    """The phantoms are in the module Sample Data, and its buttons add them without a download and without freezing the window.

    SampleData.downloadSample would not do: it looks for an address even where a source makes its data itself.
    """
    waitUntil(lambda: "MedSegDL" in slicer.modules.sampleDataSources, 10, "Sample Data has a category MedSegDL")
    slicer.util.selectModule("SampleData")
    panel, told = slicer.util.getModuleWidget("SampleData").parent, []
    for name in _PHANTOMS:
        slicer.mrmlScene.Clear(0)
        button, ticks = slicer.util.findChild(panel, f"{name}PushButton"), Ticks()
        assert not button.icon.isNull(), name
        button.click()
        ticks.stop()
        (volume,) = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        assert volume.GetImageData().GetNumberOfPoints() > 0
        assert ticks.longestGap < _LONGEST_GAP_S, f"{name} held the window for {ticks.longestGap:.1f} s"
        told.append(f"{name}: the window was held for {ticks.longestGap:.2f} s at most")
    return "; ".join(told)
