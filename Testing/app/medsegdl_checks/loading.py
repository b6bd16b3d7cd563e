"""Both modules are found, loaded, opened and reloaded, and pass their own tests. NOT YET RUN in the application."""

from __future__ import annotations

import slicer

from .application import openModule, waitUntil

MODULES = ("MedSegDL", "MedSegDLTrain")
_PHANTOM = "MedSegDL heart phantom"


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
    """The phantom is in the module Sample Data, with a picture, and loads without a download."""
    import SampleData

    waitUntil(lambda: "MedSegDL" in slicer.modules.sampleDataSources, 10, "Sample Data has a category MedSegDL")
    sources = slicer.modules.sampleDataSources["MedSegDL"]
    assert _PHANTOM in {source.sampleName for source in sources}
    node = SampleData.downloadSample(_PHANTOM)
    assert node.GetImageData().GetNumberOfPoints() > 0
    return ", ".join(source.sampleName for source in sources)
