"""A case of a run's report comes into the scene as it was judged."""

import numpy as np
import pytest
import slicer

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import write_labelmap
from MedSegDLLib.image import LabelMap
from MedSegDLLib.strict_json import write_json
from MedSegDLScene.labelmaps import labelmapFromSegmentation
from MedSegDLTrainLib.cases import label_table_of
from MedSegDLTrainLib.report_note import NOTE_FILE, REPORT_FOLDER, ReportNote
from MedSegDLTrainScene.load_comparison import loadComparison
from Testing.scene.examples import segmentNames
from Testing.training.finished_run import GRID, write_run


@pytest.fixture
def run(tmp_path):
    """A run with what its report would have kept of case c."""
    run = write_run(tmp_path, "ttv")
    predictions = run / REPORT_FOLDER / "predictions" / "abc"
    predictions.mkdir(parents=True)
    marked = np.zeros(GRID.shape_zyx, np.uint8)
    marked[1, 6:10, 5:9] = 1
    write_labelmap(LabelMap(marked, GRID), predictions / "c.nii.gz")
    write_json(ReportNote("predictions/abc", ("Bright",), ("c",)), run / REPORT_FOLDER / NOTE_FILE)
    return run


def test_reference_and_prediction_lie_over_the_image_and_are_told_apart(run, tmp_path):
    loaded = loadComparison(run, "c")
    table = label_table_of(tmp_path / "cases")
    found = {
        node.GetName(): int(labelmapFromSegmentation(node, loaded.volumeNode, table).labelmap.array.sum())
        for node in (loaded.referenceNode, loaded.predictionNode)
    }
    assert found == {"c reference": 2 * 8 * 8, "c prediction of run": 4 * 4}
    assert segmentNames(loaded.predictionNode) == ["Bright"]
    displays = loaded.referenceNode.GetDisplayNode(), loaded.predictionNode.GetDisplayNode()
    assert [bool(display.GetVisibility2DFill()) for display in displays] == [True, False]
    assert [bool(display.GetVisibility2DOutline()) for display in displays] == [False, True]


def test_what_the_report_does_not_have_is_a_sentence_and_adds_no_node(run, tmp_path):
    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(InputError, match="has no case a: make the report again"):
        loadComparison(run, "a")
    write_json(ReportNote("predictions/abc", ("Gone",), ("c",)), run / REPORT_FOLDER / NOTE_FILE)
    with pytest.raises(InputError, match="no label 'Gone' any more"):
        loadComparison(run, "c")
    (run / REPORT_FOLDER / NOTE_FILE).unlink()
    with pytest.raises(InputError, match="cannot be read"):
        loadComparison(run, "c")
    assert slicer.mrmlScene.GetNumberOfNodes() == before
