"""Runs the two modules' own unmodified files outside Slicer: PythonQt's manners on PySide6, on slicer-core's real MRML scene.

    from Testing.gui import harness
    harness.start()
    panel = harness.open_module("MedSegDL")
    harness.click(panel.ui.applyButton)
    harness.grab(panel, "apply")

What each stand-in assumes of Slicer stands in Testing/gui/README.md.
"""

from .dialogs import Dialog, answer, take_opened, take_shown, take_unused
from .driving import choose, click, click_item, drag_slider, key, process_events, type_text, wait_until
from .failures import HarnessFailure
from .start import dark, start, stop

__all__ = [
    "Dialog", "HarnessFailure", "answer", "check", "choose", "click", "click_item", "close_modules", "dark", "drag_slider",
    "grab", "key", "load_module", "open_module", "process_events", "start", "stop", "take_opened", "take_shown", "take_unused",
    "type_text", "wait_until",
]  # fmt: skip

from .checking import check
from .panels import close_modules, load_module, open_module
from .pictures import grab
