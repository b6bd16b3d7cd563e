"""Goes through Resources/tutorial.md on the test harness and takes its pictures: python -m Testing.gui.take_screenshots

The phantom, the worker, the training and the published model are real; the window is the harness, and each picture says so.
Takes some minutes. With a name, only that part: segmenting or training.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from Testing.gui import harness

PLACE = Path(tempfile.gettempdir()) / "hearts"  # the case folder is to be seen in the pictures

PICTURES = Path(__file__).parents[2] / "Resources" / "Screenshots"
WIDTH = 400
COLOURS = 192
MARGIN = 12
MODEL = "lv_cine_mr"
SECTIONS = ("casesSection", "trainingSection", "runSection")
PATIENTS = {"P1": 0, "P2": 3, "P3": 5, "P4": 7}  # and the frame of the beating heart that each shall be


def take(panel: Any, name: str, most: int = 1000) -> None:
    """A picture of the panel at screen size, `most` pixels high, with few colours, so that the repository stays small."""
    harness.process_events(0.3)
    with Image.open(harness.grab(panel, f"tutorial_{name}")) as large:
        small = large.convert("RGB").resize((WIDTH, large.height * WIDTH // large.width), Image.Resampling.LANCZOS)
    small = without_empty_end(small.crop((0, 0, WIDTH, min(most, small.height))))
    few = small.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)  # keeps small bright areas
    path = PICTURES / f"{name}.png"
    few.save(path, optimize=True)
    print(f"{path.name} {small.size}, {path.stat().st_size // 1000} kB", flush=True)


def without_empty_end(picture: Image.Image) -> Image.Image:
    """Without the room below the last widget."""
    ground = Image.new("RGB", picture.size, picture.getpixel((1, picture.height - 2)))
    end = ImageChops.difference(picture, ground).getbbox()[3]
    return picture.crop((0, 0, picture.width, min(end + MARGIN, picture.height)))


def wait(condition: Callable[[], bool], seconds: float = 600) -> None:
    harness.wait_until(condition, seconds)


def picture_of_missing_packages() -> None:
    """The banner that a new installation shows."""
    from MedSegDLScene import dependencies

    real = dependencies.missing
    dependencies.missing = tuple
    panel = harness.open_module("MedSegDL")
    take(panel, "install")
    dependencies.missing = real
    panel.parent.exit()
    panel.parent.enter()


def segment(panel: Any) -> Any:
    """Apply, and wait for the result."""
    harness.click(panel.ui.applyButton)
    run = panel.logic.runs.runs[-1]
    wait(lambda: run.ended)
    assert run.state == "finished", run.sentence
    harness.process_events(0.3)
    return run


def segmenting() -> None:
    """Steps 1 to 4."""
    picture_of_missing_packages()
    panel = harness.open_module("MedSegDL")
    load_phantom(panel)
    take(panel, "ready")
    panel.ui.optionsButton.collapsed = False
    take(panel, "options")
    panel.ui.optionsButton.collapsed = True
    panel.ui.framesComboBox.setCurrentIndex(1)
    harness.click(panel.ui.applyButton)
    run = panel.logic.runs.runs[-1]
    wait(lambda: run.frame >= 2 and run.stage == "network")
    take(panel, "running")
    wait(lambda: run.ended)
    take(panel, "curve")
    panel.ui.framesComboBox.setCurrentIndex(0)
    segment(panel)
    take(panel, "result")


def load_phantom(panel: Any) -> Any:
    """In an empty scene what Sample Data does; returns the browser that chooses the frame."""
    import slicer

    from MedSegDLPanel.sample_data_buttons import addBeatingPhantom

    slicer.mrmlScene.Clear(0)
    panel.logic.getParameterNode().inputVolume = addBeatingPhantom()
    harness.process_events(0.2)
    return slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")[0]


def training() -> None:
    """Steps 5 to 10."""
    add_cases()
    write_job()
    train()
    publish()
    use_the_new_model()


def add_cases() -> None:
    """A frame of the phantom for each patient, segmented, sent to training and added."""
    browser = load_phantom(harness.open_module("MedSegDL"))
    for patient, frame in PATIENTS.items():
        panel = harness.open_module("MedSegDL")
        browser.SetSelectedItemNumber(frame)
        panel.logic.getParameterNode().outputSegmentation = None
        segment(panel)
        harness.click(panel.ui.trainButton)
        training_panel = harness.open_module("MedSegDLTrain")
        add(training_panel, patient)
    show_only(training_panel, "casesSection")
    table = training_panel.ui.casesTable
    wait(lambda: all(not table.item(row, 0).icon().isNull() for row in range(len(PATIENTS))))
    take(training_panel, "cases")


def add(panel: Any, patient: str) -> None:
    node, before = panel.logic.getParameterNode(), len(panel.panel.cases.rows)
    node.caseFolder = str(PLACE / "cases")
    harness.type_text(panel.ui.patientEdit, patient)
    harness.key(panel.ui.patientEdit, "Return")
    wait(lambda: panel.ui.addButton.enabled)
    show_only(panel, "casesSection")
    if before == 0:
        harness.answer("Ok")
        take(panel, "add")
    harness.click(panel.ui.addButton)
    wait(lambda: len(panel.panel.cases.rows) > before)


def write_job() -> None:
    panel = harness.open_module("MedSegDLTrain")
    show_only(panel, "trainingSection")
    node = panel.logic.getParameterNode()
    node.startFrom, node.minutes = f"model:{MODEL}", 2
    harness.click(panel.ui.writeJobButton)
    wait(lambda: bool(node.job))
    take(panel, "job")


def train() -> None:
    panel = harness.open_module("MedSegDLTrain")
    show_only(panel, "runSection")
    harness.click(panel.ui.startButton)
    wait(lambda: panel.ui.scoresButton.enabled)
    show_only(panel, "runSection")
    take(panel, "training")
    wait(lambda: panel.panel.runs.selected.status.state == "finished")
    harness.process_events(1.5)


def publish() -> None:
    panel = harness.open_module("MedSegDLTrain")
    wait(lambda: not panel.ui.reportWork.visible)
    show_only(panel, "runSection")
    harness.click(panel.ui.publishButton)
    harness.type_text(panel.ui.publishId, "lv_our_scanner")
    harness.type_text(panel.ui.publishTitle, "Left ventricle on our scanner")
    harness.choose(panel.ui.publishKind, "synthetic: made by a program")
    take(panel, "publish")
    harness.click(panel.ui.publishNowButton)
    wait(lambda: panel.ui.publishWorseButton.visible or "model of MedSegDL" in panel.ui.reportMessage.text)
    if panel.ui.publishWorseButton.visible:
        harness.click(panel.ui.publishWorseButton)
        wait(lambda: "model of MedSegDL" in panel.ui.reportMessage.text)


def use_the_new_model() -> None:
    panel = harness.open_module("MedSegDL")
    panel.logic.getParameterNode().modelId = "lv_our_scanner"
    harness.process_events(0.5)
    panel.ui.cardButton.collapsed = False
    segment(panel)
    take(panel, "new_model")


def show_only(panel: Any, section: str) -> None:
    """Close the other sections, so that a picture shows what the text is about."""
    for name in SECTIONS:
        getattr(panel.ui, name).collapsed = name != section
    harness.process_events(0.2)


def main(names: list[str]) -> None:
    """Take the pictures of these parts, or of all."""
    if PLACE.exists():
        sys.exit(f"{PLACE} is there already: remove it first.")
    PLACE.mkdir()
    os.environ["XDG_DATA_HOME"] = str(PLACE / "home")  # no model of whoever runs this is to be seen, and none is left there
    harness.start()
    for module in ("MedSegDL", "MedSegDLTrain"):
        harness.load_module(module)
    try:
        for part in (segmenting, training):
            if not names or part.__name__ in names:
                part()
        harness.close_modules()
        harness.check()
    finally:
        shutil.rmtree(PLACE, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
