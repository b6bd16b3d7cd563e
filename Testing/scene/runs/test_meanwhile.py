"""What people do to the scene while a segmentation runs or waits: nodes removed, changed and moved, scenes closed."""

import gc

import slicer

from MedSegDLScene.segmentation_runs import Order
from Testing.scene.examples import linearTransform, rotation, volumeOn
from Testing.scene.runs_examples import GRID, finished, labelsWith


def test_a_volume_removed_during_its_run_ends_it(runs, client, scene):
    volume = volumeOn(GRID)
    run = runs.add(Order(volume, "bright"))
    scene.RemoveNode(volume)
    client.finish(labelsWith())
    runs.poll()
    assert run.state == "failed"
    assert run.sentence == "The volume 'MR' was removed before it was segmented: there is no result."
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_a_volume_removed_before_its_turn_ends_the_run_at_once(runs, client, scene):
    runs.add(Order(volumeOn(GRID, "A"), "bright"))
    volume = volumeOn(GRID, "B")
    run = runs.add(Order(volume, "bright"))
    scene.RemoveNode(volume)
    runs.poll()
    assert run.state == "failed"
    assert "'B' was removed" in run.sentence


def test_an_output_removed_during_the_run_ends_it_and_stops_the_worker(runs, client, scene):
    volume = volumeOn(GRID)
    node = finished(runs, client, Order(volume, "bright")).segmentationNode
    run = runs.add(Order(volume, "bright", segmentationNode=node))
    scene.RemoveNode(node)
    runs.poll()
    assert run.state == "failed"
    assert "was removed before the result could go into it" in run.sentence
    assert client.cancelled == [client.last.request]


def test_a_roi_removed_before_the_run_began_is_a_sentence_and_afterwards_no_matter(runs, client, scene):
    rois = []
    for name in "AB":
        rois.append(scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name))
        rois[-1].SetCenter(*(GRID.affine_ijk_to_ras @ [3, 3, 2, 1])[:3])
        rois[-1].SetSize(20, 20, 20)
    volume = volumeOn(GRID)
    first, second = (runs.add(Order(volume, "bright", roiNode=roi)) for roi in rois)
    for roi in rois:
        scene.RemoveNode(roi)
    client.finish(labelsWith())
    runs.poll()
    assert first.state == "finished"
    assert (second.state, second.sentence[:35]) == ("failed", "The region of interest 'B' was remo")


def test_a_closed_scene_drops_every_result_even_where_a_new_one_has_the_same_ids(runs, client, scene):
    volume = volumeOn(GRID)
    ids = [volume.GetID()]
    every = [runs.add(Order(volume, "bright")), runs.add(Order(volume, "bright"))]
    del volume
    scene.Clear(0)
    ids.append(volumeOn(GRID, "another patient").GetID())
    assert ids[0] == ids[1]
    client.finish(labelsWith())
    runs.poll()
    assert {run.state for run in every} == {"failed"}
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_another_grid_given_to_the_volume_drops_the_result(runs, client, scene):
    volume = volumeOn(GRID)
    run = runs.add(Order(volume, "bright"))
    volume.SetOrigin(1, 2, 3)
    client.finish(labelsWith())
    runs.poll()
    assert run.state == "failed"
    assert "another grid" in run.sentence
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_a_transform_hardened_during_the_run_drops_the_result(runs, client):
    volume = volumeOn(GRID)
    volume.SetAndObserveTransformNodeID(linearTransform(rotation(30, "x")).GetID())
    run = runs.add(Order(volume, "bright"))
    volume.HardenTransform()
    client.finish(labelsWith())
    runs.poll()
    assert (run.state, "another grid" in run.sentence) == ("failed", True)


def test_a_transform_put_above_the_volume_during_the_run_moves_the_result_too(runs, client):
    volume = volumeOn(GRID)
    run = runs.add(Order(volume, "bright"))
    transform = linearTransform(rotation(30, "x"))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    client.finish(labelsWith())
    runs.poll()
    assert run.segmentationNode.GetParentTransformNode() is transform


def test_voxels_changed_during_the_run_are_told(runs, client):
    volume = volumeOn(GRID)
    run = runs.add(Order(volume, "bright"))
    slicer.util.arrayFromVolume(volume)[:] += 1
    slicer.util.arrayFromVolumeModified(volume)
    client.finish(labelsWith())
    runs.poll()
    assert run.state == "finished"
    assert run.sentence == "'MR' was changed while it was segmented: the result is that of the voxels before."


def test_a_volume_that_was_only_looked_at_is_not_told_as_changed(runs, client):
    volume = volumeOn(GRID)
    run = runs.add(Order(volume, "bright"))
    slicer.util.arrayFromVolumeModified(volume)
    client.finish(labelsWith())
    runs.poll()
    assert (run.state, run.sentence) == ("finished", "")


def test_a_volume_emptied_during_the_run_is_a_sentence(runs, client):
    volume = volumeOn(GRID)
    run = runs.add(Order(volume, "bright"))
    volume.SetAndObserveImageData(None)
    client.finish(labelsWith())
    runs.poll()
    assert (run.state, "is empty" in run.sentence) == ("failed", True)


def test_a_list_of_runs_keeps_no_deleted_volume_in_memory(runs, client, scene):
    volume = volumeOn(GRID)
    freed = []
    volume.AddObserver("DeleteEvent", lambda *_: freed.append(True))
    run = finished(runs, client, Order(volume, "bright"))
    client.asked.clear()
    scene.RemoveNode(run.segmentationNode)
    scene.RemoveNode(volume)
    del volume
    gc.collect()  # wrappers of other tests may lie in cycles with it
    assert freed
    assert (run.order.volumeNode, run.segmentationNode, run.state) == (None, None, "finished")
