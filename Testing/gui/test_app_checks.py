"""The checks of Testing/app, which are meant for the application, on the harness: are they right in themselves?

Not here: what the harness has no stand-in for (saving a scene, Segment Editor, plot views, PythonSlicer, another Slicer).
"""

from __future__ import annotations

import importlib
import types

import pytest

from Testing.gui import harness

QUICK = ("bothModulesOpen", "panelsFitIntoTheModulePanel", "modulesCanBeReloaded", "show3DMakesSurfaces")
SLOW = (
    "theWindowNeverFreezes",
    "cancelTakesEffectAtOnce",
    "aKilledWorkerIsOneSentence",
    "aClosedSceneDropsTheResult",
    "closingLeavesNothingBehind",
    "resultCanBeSentToTraining",
    "reportIsInTheClipboard",
    "aTrainingOutlivesItsPanel",
)


@pytest.fixture(autouse=True)
def modules(tmp_path, monkeypatch):
    """Both modules are known, as they are once Slicer has started."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    for name in ("MedSegDL", "MedSegDLTrain"):
        harness.load_module(name)


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.soak) for name in SLOW)])
def test_a_check_for_the_application_passes_on_the_harness(name):
    checks = importlib.import_module("Testing.app.medsegdl_checks.all_checks").CHECKS
    (check,) = (check for check in checks if check.__name__ == name)
    print(f"{name}: {check()}")


@pytest.mark.parametrize(("launcher", "program"), [("/opt/Slicer/Slicer", "/opt/Slicer/Slicer"), ("", "/Applications/Slicer")])
def test_another_slicer_is_started_also_on_macos_which_has_no_launcher(monkeypatch, launcher, program):
    leaving = importlib.import_module("Testing.app.medsegdl_checks.leaving")
    app = types.SimpleNamespace(launcherExecutableFilePath=launcher, applicationFilePath=lambda: "/Applications/Slicer")
    monkeypatch.setattr(leaving.slicer, "app", app)
    assert leaving._program() == program
