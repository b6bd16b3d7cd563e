"""The whole round as a person does it, in a process of its own: segment, correct, add cases, train, publish, segment again.

    python -m Testing.gui.whole_round FOLDER

FOLDER gets the cases, the run, the answers before and after, and steps.json: what each step took and for how long it held up
the window. The model called START_TITLE is looked for where MEDSEGDL_MODELS says. Worker, commands and training are the real
ones, and so is the scene; only the window is the harness.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import slicer
from PySide6 import QtCore

from Testing.gui import harness
from Testing.gui.made_scans import NAME, add_scan, right_answer
from Testing.gui.medsegdl_panel import cells, choose_model, model_item

START_TITLE = "Cores of discs"
NEW, NEW_TITLE = "whole", "Whole discs"
PATIENTS, UNSEEN = (1, 2, 3, 4), 6  # to learn from (the second one is validated on), and never shown to a training
# Twenty seconds, so the learning rate is a fast one. At least one epoch is trained on the slowest computer, and 100 steps do.
TRAINING = {"minutes": 1 / 3, "learning_rate": 0.005, "steps_per_epoch": 150}


@dataclass
class Step:
    """`longest_gap`: seconds in which a timer of 10 ms was not called."""

    name: str
    seconds: float
    longest_gap: float


class Watch:
    """Measures steps: a timer notices for how long nothing else could have happened in the window."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._last, self._gap = time.monotonic(), 0.0
        self._timer = QtCore.QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(10)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """What a person does and what comes of it; pictures and checks stay outside."""
        harness.process_events()
        began = self._last = time.monotonic()
        self._gap = 0.0
        yield
        self._tick()
        self.steps.append(Step(name, round(time.monotonic() - began, 3), round(self._gap, 3)))

    def _tick(self) -> None:
        now = time.monotonic()
        self._gap, self._last = max(self._gap, now - self._last), now


def whole_round(folder: Path) -> list[Step]:
    """Do it; raises AssertionError or TimeoutError with what went wrong."""
    harness.start()
    watch = Watch()
    with watch.step("open MedSegDL"):
        harness.load_module("MedSegDLTrain")  # the application knows both from its start
        panel = harness.open_module("MedSegDL")
    for patient in PATIENTS:
        collect(watch, panel, folder / "discs", patient)
    train = slicer.modules.MedSegDLTrainWidget
    write_job(watch, train)
    start_training(watch, train)
    train = close_and_come_back(watch)
    follow_to_the_end(watch, train)
    publish(watch, train)
    with watch.step("open MedSegDL again"):
        panel = harness.open_module("MedSegDL")
    assert model_item(panel, NEW_TITLE), "the new model is not in the list"
    compare(watch, panel, folder)
    with watch.step("close Slicer"):
        harness.close_modules()
    harness.check()
    return watch.steps


def collect(watch: Watch, panel: object, cases: Path, patient: int) -> None:
    """Segment a scan with the start model, correct it, and add it as a case."""
    volume = add_scan(patient)
    harness.open_module("MedSegDL")
    segmentation = segment(watch, panel, volume, START_TITLE)
    if patient == PATIENTS[0]:
        harness.grab(panel, "round_1_segmented")
    correct(segmentation, volume, patient)
    with watch.step(f"send scan {patient} to MedSegDLTrain"):
        harness.click(panel.ui.trainButton)
    train = slicer.modules.MedSegDLTrainWidget
    if patient == PATIENTS[0]:
        with watch.step("type the case folder"):
            harness.type_text(train.ui.caseFolderPath, str(cases))
        harness.answer("Ok")  # to making a new folder
    add_case(watch, train, patient)


def segment(watch: Watch, panel: object, volume: slicer.vtkMRMLScalarVolumeNode, title: str) -> slicer.vtkMRMLSegmentationNode:
    """Choose volume and model, click Apply and wait; the new segmentation, of which the table tells the volume."""
    before = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    with watch.step(f"segment {volume.GetName()}: {title}"):
        harness.choose(panel.ui.inputSelector, volume.GetName())
        choose_model(panel, title)
        harness.click(panel.ui.applyButton)
        harness.wait_until(lambda: panel.ui.applyButton.text == "&Apply", 60)
    assert not panel.ui.errorFrame.visible, panel.ui.errorLabel.text
    (segmentation,) = [node for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if node not in before]
    ((name, ml),) = cells(panel)
    found_ml = found(segmentation, volume).sum() * np.prod(volume.GetSpacing()) / 1000
    assert name == NAME and abs(float(ml) - found_ml) < 0.01 * found_ml, f"{name}, {ml} ml instead of {found_ml:.1f}"
    return segmentation


def found(segmentation: slicer.vtkMRMLSegmentationNode, volume: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    """(Z, Y, X) 0 and 1: the one segment on the volume's grid, as Slicer itself reads it."""
    segment_id = segmentation.GetSegmentation().GetNthSegmentID(0)
    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment_id, volume)


def correct(segmentation: slicer.vtkMRMLSegmentationNode, volume: slicer.vtkMRMLScalarVolumeNode, patient: int) -> None:
    """What somebody does in the Segment Editor: paint the rim, too."""
    segment_id = segmentation.GetSegmentation().GetNthSegmentID(0)
    assert 0 < found(segmentation, volume).sum() < 0.7 * right_answer(patient).sum(), "the start model is not wrong as planned"
    slicer.util.updateSegmentBinaryLabelmapFromArray(right_answer(patient), segmentation, segment_id, volume)


def add_case(watch: Watch, train: object, patient: int) -> None:
    """Type whose scan it is, and add it."""
    ui = train.ui
    assert ui.volumeSelector.currentNode().GetName() == f"Scan {patient}", "another scan is chosen than the one that was sent"
    with watch.step(f"add scan {patient}"):
        harness.type_text(ui.patientEdit, f"P{patient}")
        harness.wait_until(lambda: ui.addButton.enabled)
        harness.click(ui.addButton)
        harness.wait_until(lambda: not ui.addWork.visible and f"patient P{patient}" in ui.addMessage.text, 30)
    assert ui.casesTable.rowCount == PATIENTS.index(patient) + 1
    if patient == PATIENTS[-1]:
        harness.wait_until(lambda: not ui.casesTable.item(patient - 1, 0).icon().isNull(), 30)
        harness.grab(train, "round_2_cases")


def write_job(watch: Watch, train: object) -> None:
    """A job from the start model for a minute; 20 seconds of it, which only the text can say."""
    ui = train.ui
    with watch.step("write a job"):
        harness.choose(ui.startCombo, START_TITLE)
        harness.type_text(ui.minutesSpin, "1")
        harness.click(ui.writeJobButton)
        harness.wait_until(lambda: not ui.jobWork.visible, 120)
    assert ui.jobTabs.visible, ui.jobMessage.text
    harness.grab(train, "round_3_job")
    with watch.step("change the job's text"):
        ui.jobTabs.setCurrentIndex(1)
        job = json.loads(ui.jobText.plainText)
        job["optimisation"] |= TRAINING
        ui.jobText.setPlainText(json.dumps(job, indent=2))
        harness.click(ui.checkJobButton)
    assert ui.startButton.enabled, ui.jobProblem.text


def start_training(watch: Watch, train: object) -> None:
    """Start, and see the curve of the loss grow."""
    ui = train.ui
    with watch.step("start the training"):
        harness.click(ui.startButton)
        harness.wait_until(lambda: ui.lossButton.visible and ui.lossButton.enabled, 60)
    with watch.step("watch the curve"):
        harness.click(ui.lossButton)
        table = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLTableNode").GetTable()
        points = table.GetNumberOfRows()
        harness.wait_until(lambda: table.GetNumberOfRows() > points, 20)
    assert "Running" in ui.runState.text
    harness.grab(train, "round_4_training")


def close_and_come_back(watch: Watch) -> object:
    """Close both panels as Slicer does when it ends, and open MedSegDLTrain again: the run is found, and goes on."""
    with watch.step("close both panels"):
        harness.close_modules()
    with watch.step("open MedSegDLTrain again"):
        train = harness.open_module("MedSegDLTrain")
        harness.wait_until(lambda: "Running" in train.ui.runState.text)
    harness.grab(train, "round_5_found_again")
    return train


def follow_to_the_end(watch: Watch, train: object) -> None:
    with watch.step("train to the end"):
        harness.wait_until(lambda: "Running" not in train.ui.runState.text, 120)
    assert "Finished" in train.ui.runState.text, train.ui.runState.text
    assert train.ui.validationTable.rowCount == 1, "the validated case is not in the table"
    harness.grab(train, "round_6_finished")


def publish(watch: Watch, train: object) -> None:
    """Id, title and what the images are, then the button."""
    ui = train.ui
    with watch.step("publish"):
        harness.click(ui.publishButton)
        harness.type_text(ui.publishId, NEW)
        harness.type_text(ui.publishTitle, NEW_TITLE)
        harness.choose(ui.publishKind, "synthetic: made by a program")
        harness.click(ui.publishNowButton)
        harness.wait_until(lambda: not ui.reportWork.visible, 60)
    assert "is a model of MedSegDL now" in ui.reportMessage.text, ui.reportMessage.text or ui.publishReason.text
    harness.grab(train, "round_7_published")


def compare(watch: Watch, panel: object, folder: Path) -> None:
    """Both models on a scan that no training has seen; their answers and the right one go into answers.npz."""
    volume = add_scan(UNSEEN)
    before = segment(watch, panel, volume, START_TITLE)
    after = segment(watch, panel, volume, NEW_TITLE)
    with watch.step("compare in the panel"):
        harness.choose(panel.ui.compareSelector, before.GetName())
    ((_name, *numbers),) = cells(panel)
    assert len(numbers) == 3, f"no comparison is shown: {panel.ui.compareNoteLabel.text}"
    harness.grab(panel, "round_8_compared")
    np.savez(folder / "answers.npz", right=right_answer(UNSEEN), before=found(before, volume), after=found(after, volume))


def main(folder: Path) -> str:
    """Why it went wrong, or ""."""
    try:
        steps = whole_round(folder)
    except Exception:
        return traceback.format_exc()
    (folder / "steps.json").write_text(json.dumps([asdict(step) for step in steps], indent=1), encoding="utf-8")
    heavy = sorted({"torch", "safetensors", "skimage", "matplotlib"} & set(sys.modules))
    return f"This process has imported {', '.join(heavy)}." if heavy else ""


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])) or 0)
