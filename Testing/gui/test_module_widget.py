"""What both panels inherit: they follow the scene's parameter node, and let go of what has gone."""

from __future__ import annotations

import gc
import weakref

import pytest
import slicer
import vtk

from Testing.gui import harness


@pytest.fixture(params=["MedSegDL", "MedSegDLTrain"])
def panel(request, zoo):
    return harness.open_module(request.param)


def add_volume(name: str = "scan") -> slicer.vtkMRMLScalarVolumeNode:
    import numpy as np

    return slicer.util.addVolumeFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4), name=name)


def choose(panel, volume) -> None:
    node = panel.logic.getParameterNode()
    setattr(node, "inputVolume" if hasattr(node, "inputVolume") else "volume", volume)
    harness.process_events(0.2)


def test_a_volume_that_was_chosen_leaves_the_memory_when_it_is_removed(panel):
    volume, other, kept = add_volume(), add_volume("other"), vtk.vtkWeakReference()
    choose(panel, volume)
    choose(panel, other)
    kept.Set(volume)
    slicer.mrmlScene.RemoveNode(volume)
    del volume
    harness.process_events(0.1)
    gc.collect()
    assert kept.Get() is None


def test_coming_back_binds_nothing_a_second_time(panel, monkeypatch):
    node = panel.logic.getParameterNode().parameterNode
    bound, again = panel._parameterNode, []
    monkeypatch.setattr(type(bound), "connectGui", lambda *_: again.append(1))
    for _ in range(3):
        panel.parent.exit()
        panel.parent.enter()
    assert panel._parameterNode is bound and bound.parameterNode is node
    assert again == []


def test_a_scene_that_was_loaded_is_looked_at_anew(panel, tmp_path):
    choose(panel, add_volume())
    file, before = str(tmp_path / "scene.mrml"), panel._parameterNode
    slicer.mrmlScene.SetURL(file)
    slicer.mrmlScene.Commit()
    slicer.mrmlScene.Clear(0)
    slicer.mrmlScene.Import()
    assert panel._parameterNode is not before
    name = "inputVolume" if hasattr(before, "inputVolume") else "volume"
    assert getattr(panel._parameterNode, name).GetName() == "scan"


def test_nothing_watches_the_parameter_node_of_a_scene_that_was_closed_behind_the_panel(panel):
    """Slicer 5.10 would go on doing it, with what Python has collected meanwhile: a crash when the panel is opened again."""
    bound = weakref.ref(panel._parameterNode)
    panel.parent.exit()
    slicer.mrmlScene.Clear(0)
    gc.collect()
    assert bound() is None
    panel.parent.enter()
    assert panel._parameterNode is not None
