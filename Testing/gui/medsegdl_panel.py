"""MedSegDL's panel with a worker that does what the test says, and what the tests of the panel have in common."""

from __future__ import annotations

import importlib
import json

import numpy as np
import slicer

from MedSegDLLib.geometry import Geometry
from Testing.gui import harness
from Testing.scene.examples import volumeOn

GRID = Geometry((40, 36, 12), (1.4, 1.4, 8.0), (-30.0, -25.0, 10.0))


def open_panel(client, monkeypatch):
    """The module's widget object; `client` stands for the worker."""
    module = importlib.import_module("MedSegDL")
    monkeypatch.setattr(module, "WorkerClient", lambda interpreter: client)
    return harness.open_module("MedSegDL")


class FakeCommand:
    """A command beside the panel (see command_process.CommandProcess) that says and does what the test tells it."""

    def __init__(self, arguments):
        self.arguments, self.lines, self.events, self.status = list(arguments), [], [], None
        self.cancelled = False

    @property
    def ended(self):
        return self.status is not None

    @property
    def sentence(self):
        return self.lines[-1] if self.lines else ""

    def poll(self):
        pass

    def cancel(self):
        self.cancelled = True

    def say(self, *lines):
        self.lines += lines
        self.events += [json.loads(line) for line in lines if line.startswith("{")]

    def end(self, status, *lines):
        self.say(*lines)
        self.status = status


def take_commands(monkeypatch):
    """The list of the commands that the panel starts from now on."""
    commands = []

    def start(interpreter, arguments):
        commands.append(FakeCommand(arguments))
        return commands[-1]

    monkeypatch.setattr(importlib.import_module("MedSegDLPanel.panel"), "CommandProcess", start)
    return commands


def add_volume(name="MR", geometry=GRID):
    """A volume node with values that an MR image can have."""
    node = volumeOn(geometry, name)
    slicer.util.arrayFromVolume(node)[:] += 1000
    slicer.util.arrayFromVolumeModified(node)
    harness.process_events()
    return node


def add_cine(frames=3):
    """The volume that shows one frame of a sequence; all are alike."""
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "Cine")
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("ms")
    for number in range(frames):
        frame = add_volume("frame")
        sequence.SetDataNodeAtValue(frame, str(300 * number))
        slicer.mrmlScene.RemoveNode(frame)
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    harness.process_events()
    return browser.GetProxyNode(sequence)


def model_item(panel, title):
    """The row of the list of models with this title."""
    tree = panel.ui.modelTree
    rows = [
        tree.topLevelItem(n).child(m) for n in range(tree.topLevelItemCount) for m in range(tree.topLevelItem(n).childCount())
    ]
    return next(row for row in rows if row.text(0) == title)


def choose_model(panel, title):
    harness.click_item(panel.ui.modelTree, model_item(panel, title))


def labels(geometry=GRID, **values):
    """A label map with a block of voxels for each value: labels(v1=8) has 8 voxels of the value 1."""
    array = np.zeros(geometry.shape_zyx, np.uint8)
    for row, (name, number) in enumerate(values.items()):
        array[row + 1].flat[50 : 50 + number] = int(name[1:])
    return array


def cells(panel):
    """The texts of the result's table, row by row, without the colour."""
    table = panel.ui.resultTable
    shown = [column for column in range(1, table.columnCount) if not table.isColumnHidden(column)]
    return [[table.item(row, column).text() for column in shown] for row in range(table.rowCount)]


def segmentations():
    return slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
