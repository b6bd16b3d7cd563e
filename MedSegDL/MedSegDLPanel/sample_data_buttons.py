"""The phantoms in Slicer's module Sample Data: a click, a small window with Cancel while they are made, and they are shown."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from MedSegDLLib.errors import Cancelled, MedSegDLError
from MedSegDLPanel.show_nodes import showInSliceViews
from MedSegDLScene import sample_data
from MedSegDLScene.interpreter import Interpreter
from MedSegDLScene.slicer_python import slicerInterpreter

CATEGORY = "MedSegDL"


def addPhantom(source: object = None) -> slicer.vtkMRMLScalarVolumeNode | None:
    """The heart phantom as a volume, shown in the slice views; None if the person cancelled, or was told why there is none.

    `source` is what Sample Data hands over.
    """
    return _added(sample_data.addPhantom, _("Computing the heart phantom…"))


def addBeatingPhantom(source: object = None) -> slicer.vtkMRMLScalarVolumeNode | None:
    """As `addPhantom`, over one heart beat: the volume that shows the frames of a new sequence."""
    return _added(sample_data.addBeatingPhantom, _("Computing the beating heart phantom…"))


def registerSampleData(icons: Path) -> None:
    """List both in the module Sample Data; `icons` is the folder of their pictures. Called once Slicer has started."""
    import SampleData

    for name, add, picture in (
        (sample_data.PHANTOM, addPhantom, "HeartPhantom.png"),
        (sample_data.BEATING_PHANTOM, addBeatingPhantom, "BeatingHeartPhantom.png"),
    ):
        # One entry without address or file: Sample Data wants lists of one length, and never looks at them here.
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=name,
            uris=[None],
            fileNames=[None],
            nodeNames=[name],
            customDownloader=add,
            thumbnailFileName=str(icons / picture),
        )


def _added(
    add: Callable[[Interpreter, sample_data.Meanwhile], slicer.vtkMRMLScalarVolumeNode], text: str
) -> slicer.vtkMRMLScalarVolumeNode | None:
    try:
        with closing(_Waiting(text)) as waiting:
            volumeNode = add(slicerInterpreter(), waiting.show)
    except Cancelled:
        return None
    except MedSegDLError as problem:
        slicer.util.errorDisplay(str(problem), windowTitle="MedSegDL")
        return None
    showInSliceViews(volumeNode)
    return volumeNode


class _Waiting:
    """A small window that says what is made. It is modal: behind it nobody can press the button again, or close Slicer."""

    def __init__(self, text: str) -> None:
        self._dialog = slicer.util.createProgressDialog(
            labelText=text,
            windowTitle="MedSegDL",
            autoReset=False,
            autoClose=False,
            windowModality=qt.Qt.ApplicationModal,
        )
        self._dialog.show()

    def show(self, share: float) -> None:
        """Show how much is done, 0…1, and let Slicer see to its events; raises Cancelled if Cancel was pressed."""
        self._dialog.maximum = 100 if share else 0  # 0: a bar that only moves
        self._dialog.value = round(100 * share)
        slicer.app.processEvents()
        if self._dialog.wasCanceled:
            raise Cancelled("Cancelled: nothing was added.")

    def close(self) -> None:
        """The window goes."""
        self._dialog.close()
        self._dialog.deleteLater()
