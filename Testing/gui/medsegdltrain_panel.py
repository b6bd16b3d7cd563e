"""MedSegDLTrain's panel with commands that do what the test says, and what the tests of the panel have in common."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import slicer

from MedSegDLScene.interpreter import Interpreter, this_interpreter
from Testing.gui import harness, train_examples

FAKE = Path(__file__).with_name("fake_commands.py")


def fake_interpreter(**wishes: object) -> Interpreter:
    """A Python that runs fake_commands.py instead of the command line."""
    environment = {**this_interpreter().environment, "FAKE_COMMANDS": json.dumps(wishes)}
    return Interpreter((sys.executable, str(FAKE)), environment)


def open_panel(monkeypatch, interpreter: Interpreter):
    """The module's widget object."""
    import qt  # the harness brings it

    qt.QSettings().remove("MedSegDLTrain/LastCaseFolder")
    module = importlib.import_module("MedSegDLTrain")
    monkeypatch.setattr(module, "slicerInterpreter", lambda: interpreter)
    return harness.open_module("MedSegDLTrain")


def choose_folder(panel, folder: Path) -> None:
    panel.ui.caseFolderPath.currentPath = ""
    harness.type_text(panel.ui.caseFolderPath, str(folder))
    harness.process_events(0.3)


def texts(table) -> list[list[str]]:
    """The texts of a table's shown columns, row by row, without hidden rows."""
    columns = [column for column in range(table.columnCount) if not table.isColumnHidden(column)]
    rows = [row for row in range(table.rowCount) if not table.isRowHidden(row)]
    return [[table.item(row, column).text() for column in columns] for row in rows]


def add_scan(number: int = 0, name: str = "scan-9"):
    """A frame of the phantom and the segments of its left ventricle and of something that is no label."""
    image, labelmap = train_examples.phantom().images[number], train_examples.labels_of(number)
    volume = slicer.util.addVolumeFromArray(image.array[0], image.geometry.affine_ijk_to_ras, name)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{name} segmentation")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for label, array in ((train_examples.LABEL, labelmap.array), ("Rib", 1 - labelmap.array)):
        segmentId = segmentation.GetSegmentation().AddEmptySegment("", label)
        slicer.util.updateSegmentBinaryLabelmapFromArray(array, segmentation, segmentId, volume)
    return volume, segmentation


def picture(panel, name: str) -> None:
    """A picture of the whole panel, which must fit into the 400 pixels that Slicer gives it."""
    harness.process_events(0.1)
    assert panel.parent.minimumSizeHint.width() <= 400
    harness.grab(panel, name)
