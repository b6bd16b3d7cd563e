"""The phantom as sample data: made by another process, which needs nothing but what Slicer brings."""

import os
import sys
import time

import numpy as np
import pytest
import slicer

from MedSegDLLib.errors import Cancelled, OutputError
from MedSegDLLib.phantom import cine_phantom
from MedSegDLScene import sample_data
from MedSegDLScene.interpreter import Interpreter, this_interpreter
from MedSegDLScene.sequences import framesOf, numberOfFrames
from MedSegDLScene.volumes import imageFromVolume
from Testing.scene import workers

# As a fresh Slicer: none of what MedSegDL asks to install.
NOT_YET_INSTALLED = """import sys
for name in ("scipy", "torch", "skimage", "safetensors", "matplotlib", "jsonschema", "vtk", "slicer"):
    sys.modules[name] = None
"""


def fresh_slicer(folder, code=NOT_YET_INSTALLED):
    """A Python that runs `code` when it starts."""
    (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    here = this_interpreter()
    path = os.pathsep.join([str(folder), here.environment["PYTHONPATH"]])
    return Interpreter(here.command, {**here.environment, "PYTHONPATH": path})


def nothing(share):
    """Nobody looks."""


def nodes():
    return slicer.util.getNodesByClass("vtkMRMLVolumeNode") + slicer.util.getNodesByClass("vtkMRMLSequenceNode")


def test_the_phantom_is_a_volume_on_its_own_grid_and_needs_no_scipy(tmp_path):
    expected = cine_phantom(1).images[0]
    image = imageFromVolume(sample_data.addPhantom(fresh_slicer(tmp_path), nothing))
    np.testing.assert_array_equal(image.array, expected.array)
    assert image.geometry.same_grid(expected.geometry, 1e-6)
    assert image.name == "MedSegDL heart phantom"
    assert workers.files_of_this_process() == []


def test_the_beating_phantom_is_a_sequence_over_a_heart_beat():
    shares = []
    volume = sample_data.addBeatingPhantom(this_interpreter(), shares.append, frames=3)
    expected = cine_phantom(3)
    assert numberOfFrames(volume) == 3
    assert framesOf(volume).times_s == (0, 0.3, 0.6)
    for number in (2, 1, 0):
        framesOf(volume).browserNode.SetSelectedItemNumber(number)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(volume), expected.images[number].array[0])
        assert imageFromVolume(volume).geometry.same_grid(expected.images[number].geometry, 1e-6)
    assert shares == sorted(shares) and (shares[0], shares[-1]) == (0, 1)
    assert len(nodes()) == 2  # the sequence and its volume


def test_the_caller_is_asked_all_the_time_and_computes_nothing(monkeypatch):
    """A process that computes for 0.7 s holds nobody: the longest time between two calls is a fraction of that."""
    times = []
    code = "import time; time.sleep(0.7); print('Not today.'); raise SystemExit(1)"
    command = Interpreter((sys.executable, "-c", code), this_interpreter().environment)
    monkeypatch.setattr("MedSegDLLib.phantom.cine_frames", None)
    with pytest.raises(OutputError, match=r"The phantom could not be made\. Not today\."):
        sample_data.addPhantom(command, lambda share: times.append(time.perf_counter()))
    assert len(times) > 10 and np.diff(times).max() < 0.3


@pytest.mark.parametrize("code, words", [
    ("import os; os._exit(3)", "Its process was ended: try again"),
    ("import sys; sys.modules['numpy'] = None", "numpy"),
])  # fmt: skip
def test_a_process_that_fails_is_a_sentence_and_leaves_nothing(tmp_path, code, words):
    with pytest.raises(OutputError, match=words):
        sample_data.addPhantom(fresh_slicer(tmp_path, code), nothing)
    assert nodes() == [] and workers.files_of_this_process() == []


def test_a_folder_that_cannot_be_written_to_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(sample_data, "exchange_folder", lambda size: tmp_path / "gone")
    with pytest.raises(OutputError, match="The phantom could not be made: No such file"):
        sample_data.addPhantom(this_interpreter(), nothing)


def test_an_interpreter_that_is_not_there_is_a_sentence():
    with pytest.raises(OutputError, match="/nowhere/python cannot be started"):
        sample_data.addPhantom(Interpreter(("/nowhere/python",), {}), nothing)
    assert workers.files_of_this_process() == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_who_cancels_gets_an_empty_scene_back_at_once(mark):
    started = []

    def cancel(share):
        started.append(time.perf_counter())
        if len(started) > 20:
            raise Cancelled("Cancelled: nothing was added.")

    here = this_interpreter()
    with pytest.raises(Cancelled):
        sample_data.addBeatingPhantom(Interpreter((*here.command, "-X", mark), here.environment), cancel)
    assert time.perf_counter() - started[-1] < 1
    assert nodes() == [] and workers.files_of_this_process() == [] and workers.none_lives(mark)
