"""Runs on a client that does what the test says, with the models "bright" and "two"."""

import pytest

from MedSegDLScene.segmentation_runs import SegmentationRuns
from Testing.models import BRIGHT_AND_BRIGHTEST, write_bright_model
from Testing.scene.fake_client import FakeClient


@pytest.fixture(autouse=True)
def zoo(tmp_path, monkeypatch):
    write_bright_model(tmp_path, "bright")
    write_bright_model(tmp_path, "two", BRIGHT_AND_BRIGHTEST)
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path))


@pytest.fixture
def client():
    return FakeClient()


@pytest.fixture
def runs(client):
    return SegmentationRuns(client)
