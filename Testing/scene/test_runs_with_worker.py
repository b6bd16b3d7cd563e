"""Orders carried out by the real worker process, on real MRML."""

import time

import numpy as np
import pytest
import slicer

from MedSegDLLib.errors import MedSegDLError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.options import SegmentOptions
from MedSegDLScene.interpreter import this_interpreter
from MedSegDLScene.segmentation_runs import Order, SegmentationRuns, segmentNow
from MedSegDLScene.worker_client import WorkerClient
from Testing.models import write_bright_model
from Testing.scene.examples import segmentNames

GRID = Geometry((40, 36, 8), (1.5, 1.25, 6.0), (-20.0, 30.0, 5.0), (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0))


@pytest.fixture
def runs(tmp_path, monkeypatch):
    write_bright_model(tmp_path, "bright")
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path))
    client = WorkerClient(this_interpreter())
    yield SegmentationRuns(client)
    client.close()


def _volume():
    array = np.zeros(GRID.shape_zyx, np.int16)
    array[3, 10, 20] = 1000
    return slicer.util.addVolumeFromArray(array, GRID.affine_ijk_to_ras, "MR")


def test_from_a_volume_to_named_segments_twice_with_one_process_and_on_after_a_cancelled_and_a_failed_run(runs):
    volume, options = _volume(), SegmentOptions(device="cpu")
    node = segmentNow(runs, Order(volume, "bright", options), lambda: None)
    assert segmentNames(node) == ["Bright"]
    expected = (GRID.affine_ijk_to_ras @ [20, 10, 3, 1])[:3]
    np.testing.assert_allclose(node.GetSegmentCenterRAS("Bright"), expected, atol=1e-3)
    assert runs.runs[0].report["device"] == "cpu"
    runs.cancel(runs.add(Order(volume, "bright", options)))
    with pytest.raises(MedSegDLError, match="no label 'Liver'"):
        segmentNow(runs, Order(volume, "bright", SegmentOptions(labels=("Liver",))), lambda: None)
    assert segmentNow(runs, Order(volume, "bright", options, segmentationNode=node), lambda: None) is node
    assert [run.state for run in runs.runs] == ["finished", "cancelled", "failed", "finished"]
    end = time.monotonic() + 20
    while runs.needsPolling and time.monotonic() < end:
        runs.poll()
    assert not runs.needsPolling
