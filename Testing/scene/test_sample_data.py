"""The phantom as sample data."""

import sys
import types
from pathlib import Path

import numpy as np
import slicer

from MedSegDLLib.phantom import cine_phantom
from MedSegDLScene import sample_data
from MedSegDLScene.sequences import framesOf, numberOfFrames
from MedSegDLScene.volumes import imageFromVolume

ICONS = Path(__file__).parents[2] / "MedSegDL" / "Resources" / "Icons"


def test_the_phantom_is_a_volume_on_its_own_grid():
    expected = cine_phantom(1).images[0]
    image = imageFromVolume(sample_data.addPhantom())
    np.testing.assert_array_equal(image.array, expected.array)
    assert image.geometry.same_grid(expected.geometry, 1e-6)
    assert image.name == "MedSegDL heart phantom"


def test_the_beating_phantom_is_a_sequence_over_a_heart_beat(monkeypatch):
    monkeypatch.setattr(sample_data, "_FRAMES", 3)
    volume = sample_data.addBeatingPhantom()
    expected = cine_phantom(3)
    assert numberOfFrames(volume) == 3
    assert framesOf(volume).times_s == (0, 0.3, 0.6)
    framesOf(volume).browserNode.SetSelectedItemNumber(1)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(volume), expected.images[1].array[0])
    assert imageFromVolume(volume).geometry.same_grid(expected.images[1].geometry, 1e-6)


def test_both_are_listed_in_sample_data(monkeypatch):
    """What SampleData.SampleDataSource does with its arguments: all lists have one length."""
    listed = []

    def register(category, sampleName, uris, fileNames, nodeNames, customDownloader, thumbnailFileName):
        assert len(uris) == len(fileNames) == len(nodeNames)
        listed.append((category, sampleName, customDownloader, thumbnailFileName))

    logic = types.SimpleNamespace(registerCustomSampleDataSource=register)
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
    sample_data.registerSampleData(ICONS)
    assert [(category, make) for category, _, make, _ in listed] == [
        ("MedSegDL", sample_data.addPhantom),
        ("MedSegDL", sample_data.addBeatingPhantom),
    ]
    assert all(Path(thumbnail).is_file() for *_, thumbnail in listed)
