"""Models in groups and by search, and volumes that do not look like what a model was made for."""

import dataclasses

import numpy as np
import pytest
import slicer

from MedSegDLLib.labels import Label, LabelTable
from MedSegDLLib.model_card import Expected, ModelCard
from MedSegDLLib.zoo import ZooModel, find_model, read_model
from MedSegDLScene.model_choice import distinctTitles, groupedModels, isFound, modalityOf, warningsFor
from Testing.scene.examples import GRIDS, volumeOn

CARD, TABLE = read_model(find_model("lv_cine_mr"))
ANYTHING = Expected((0.1, 10.0), (1.0, 1000.0))


def _card(**changes) -> ModelCard:
    return dataclasses.replace(CARD, expected=ANYTHING, **changes)


def _volume(lowest=0):
    array = np.full((3, 4, 5), 100, np.int16)
    array[0, 0, 0] = lowest
    return slicer.util.addVolumeFromArray(array, None, "scan")


def _fromDicom(volume, modality):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    hierarchy.SetItemAttribute(hierarchy.CreateItem(hierarchy.GetSceneItemID(), volume), "DICOM.Modality", modality)
    return volume


def test_the_name_of_the_attribute_is_that_of_slicer():
    assert slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName() == "DICOM.Modality"


def test_models_by_anatomy():
    cards = [_card(id=title.lower(), title=title, anatomy=anatomy) for title, anatomy in (("B", "Heart, left"), ("a", "heart"))]
    models = [ZooModel(None, card) for card in (*cards, _card(id="k", title="K", anatomy="Knee, cartilage"))]
    grouped = [(group, [model.card.title for model in models]) for group, models in groupedModels(models)]
    assert grouped == [("Heart", ["a", "B"]), ("Knee", ["K"])]


def test_models_of_one_title_are_told_apart_by_their_ids():
    models = [ZooModel(None, _card(id=name, title=title)) for name, title in (("a", "Heart"), ("b", "Knee"), ("c", "Heart"))]
    assert distinctTitles(models) == {"a": "Heart (a)", "b": "Knee", "c": "Heart (c)"}


@pytest.mark.parametrize(
    ("search", "found"),
    [("", True), ("cine VENTRICLE", True), ("left heart mr", True), ("lv_cine_mr", True), ("lv cine", True), ("knee", False)],
)
def test_search_for_a_model(search, found):
    assert isFound(CARD, TABLE, search) == found


def test_a_model_is_found_by_what_it_marks():
    assert isFound(_card(), LabelTable((Label(1, "Patella", (0, 0, 0)),)), "patel")
    assert not isFound(_card(), TABLE, "patel")


def test_modality_comes_from_the_series():
    assert modalityOf(_volume()) == ""
    assert modalityOf(_fromDicom(_volume(), "CT")) == "CT"


@pytest.mark.parametrize(
    ("make", "modality", "sentence"),
    [
        (lambda: _volume(), "MR", ""),
        (lambda: _volume(-3), "MR", ""),
        (
            lambda: _volume(-1024),
            "MR",
            "'scan' has values down to -1024, as CT has, but the model 'lv_cine_mr' was made for MR.",
        ),
        (lambda: _volume(-1024), "CT", ""),
        (lambda: _volume(0), "CT", "'scan' has no negative values, as CT has outside of the body, but the model"),
        (lambda: _fromDicom(_volume(), "US"), "MR", "'scan' is a US image, but the model 'lv_cine_mr' was made for MR."),
        (lambda: _fromDicom(_volume(-1024), "MR"), "MR", ""),
        (lambda: _volume(-1024), "PT", ""),
    ],
)
def test_a_volume_of_another_modality(make, modality, sentence):
    warnings = warningsFor(make(), _card(modality=modality))
    assert len(warnings) == bool(sentence)
    assert "".join(warnings).startswith(sentence)


def test_spacing_and_field_of_view_are_those_of_the_command_line():
    warnings = warningsFor(volumeOn(GRIDS["oblique"]), dataclasses.replace(CARD, modality="PT"))
    assert len(warnings) == 1
    assert "a field of view of 9.1 × 6.6 mm" in warnings[0]


def test_what_cannot_be_looked_at_gives_no_warning():
    assert warningsFor(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"), CARD) == ()
    sheared = np.array([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    assert warningsFor(slicer.util.addVolumeFromArray(np.zeros((2, 2, 2)), sheared), CARD) == ()
