"""Runs all checks of this folder inside Slicer, which then ends with their exit status. NOT YET RUN: see README.md.

    Slicer --testing --python-script Testing/app/run_in_slicer.py [NAME ...]

With names, only the checks whose names hold one of them. Also `--no-splash`, should the launcher's picture be in the way.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import qt
import slicer

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
MODULES = ("MedSegDL", "MedSegDLTrain")


def loadModules() -> None:
    """Those of this repository, unless Slicer was started with them (an extension, or --additional-module-paths)."""
    factory = slicer.app.moduleManager().factoryManager()
    absent = [name for name in MODULES if not factory.isLoaded(name)]
    for name in absent:  # all are registered first: that puts their folders on sys.path, and one imports from the other
        factory.registerModule(qt.QFileInfo(str(ROOT / name / f"{name}.py")))
    if absent and not factory.loadModules(absent):
        raise RuntimeError(f"Slicer could not load {' and '.join(absent)}: its log says why.")
    if "MedSegDL" in absent:
        _tellThatSlicerHasStarted()


def _tellThatSlicerHasStarted() -> None:
    """The application has said so before it ran this script, and so before the module could hear it."""
    from MedSegDLPanel.sample_data_buttons import registerSampleData

    registerSampleData(ROOT / "MedSegDL" / "Resources" / "Icons")


def main(names: Sequence[str]) -> int:
    """The exit status: 0 if nothing failed, else 1."""
    loadModules()
    sys.path.insert(0, str(FOLDER))
    from medsegdl_checks.all_checks import CHECKS, runAll

    chosen = [check for check in CHECKS if not names or any(name.lower() in check.__name__.lower() for name in names)]
    if not chosen:
        print(f"No check is called {', '.join(names)}; there are {', '.join(check.__name__ for check in CHECKS)}.")
        return 1
    return runAll(chosen, lambda line: print(line, flush=True))


if __name__ == "__main__":
    status = 1
    try:
        status = main(sys.argv[1:])
    except Exception:
        traceback.print_exc()
    finally:
        slicer.util.exit(status)
