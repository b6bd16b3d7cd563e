"""Data to try the program with, for Slicer's module Sample Data: a heart made of formulas, as one volume or beating.

CT is there already: Slicer's own "CTChest". Nothing is downloaded: the phantom is computed, a second or less a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import slicer

from MedSegDLLib.image import Image

CATEGORY = "MedSegDL"
_FRAMES = 10
_NAME, _BEATING = "MedSegDL heart phantom", "MedSegDL beating heart phantom"


def addPhantom(source: object = None) -> slicer.vtkMRMLScalarVolumeNode:
    """A volume node with a short-axis MR image of a phantom heart in end diastole; `source` is what Sample Data hands over."""
    from MedSegDLLib.phantom import cine_phantom  # brings scipy

    return _addVolume(cine_phantom(1).images[0], _NAME)


def addBeatingPhantom(source: object = None) -> slicer.vtkMRMLScalarVolumeNode:
    """The phantom over one heart beat as a sequence with a browser; returns the volume that shows its frames."""
    from MedSegDLLib.phantom import cine_phantom  # brings scipy

    phantom = cine_phantom(_FRAMES)
    sequence = _addSequence(phantom.images, phantom.times_s)
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{_BEATING} browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    return browser.GetProxyNode(sequence)


def registerSampleData(icons: Path) -> None:
    """List both in the module Sample Data; `icons` is the folder of their pictures. Called once Slicer has started."""
    import SampleData

    for name, make, picture in (
        (_NAME, addPhantom, "HeartPhantom.png"),
        (_BEATING, addBeatingPhantom, "BeatingHeartPhantom.png"),
    ):
        # One entry without address or file: Sample Data wants lists of one length, and never looks at them here.
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=name,
            uris=[None],
            fileNames=[None],
            nodeNames=[name],
            customDownloader=make,
            thumbnailFileName=str(icons / picture),
        )


def _addVolume(image: Image, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    name = slicer.mrmlScene.GenerateUniqueName(name)
    return slicer.util.addVolumeFromArray(image.array[0], image.geometry.affine_ijk_to_ras, name)


def _addSequence(images: Sequence[Image], times_s: Sequence[float]) -> slicer.vtkMRMLSequenceNode:
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", slicer.mrmlScene.GenerateUniqueName(_BEATING))
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("s")
    for image, time_s in zip(images, times_s, strict=True):
        frame = _addVolume(image, _BEATING)
        sequence.SetDataNodeAtValue(frame, f"{time_s:.3f}")  # a copy
        slicer.mrmlScene.RemoveNode(frame)
    return sequence
