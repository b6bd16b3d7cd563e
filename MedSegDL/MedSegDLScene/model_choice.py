"""Choosing a model: which there are, in groups and by search, and whether a volume looks like what one was made for."""

from __future__ import annotations

from collections.abc import Sequence

import slicer

from MedSegDLLib.errors import InputError
from MedSegDLLib.expectations import unlike_expected
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.model_card import ModelCard
from MedSegDLLib.zoo import ZooModel
from MedSegDLScene.label_groups import wordsFound
from MedSegDLScene.volumes import checkHasVoxels, geometryOfVolume

_MODALITY = "DICOM.Modality"  # attribute of a series' item in the Subject Hierarchy
_BELOW_ANY_MR = -500.0  # MR images have no negative values but for a few after resampling; air in CT has about -1000


def groupedModels(models: Sequence[ZooModel]) -> list[tuple[str, list[ZooModel]]]:
    """The models by anatomy (what stands before the first comma in their cards), groups and titles in alphabetical order."""
    groups: dict[str, list[ZooModel]] = {}
    for model in sorted(models, key=lambda model: model.card.title.casefold()):
        groups.setdefault(model.card.anatomy.split(",")[0].strip().capitalize(), []).append(model)
    return sorted(groups.items())


def distinctTitles(models: Sequence[ZooModel]) -> dict[str, str]:
    """What a list calls each model, by its id: the title, with the id where two have the same one."""
    titles = [model.card.title for model in models]
    return {
        model.card.id: f"{title} ({model.card.id})" if titles.count(title) > 1 else title
        for model, title in zip(models, titles, strict=True)
    }


def isFound(card: ModelCard, labels: LabelTable, search: str) -> bool:
    """Whether every word of `search` begins a word of the card's texts or label names; in any order, whatever capitals."""
    texts = (card.id.replace("_", " "), card.id, card.title, card.description, card.modality, card.anatomy, card.intended_use)
    return wordsFound(search, " ".join((*texts, *(label.name for label in labels.labels))))


def warningsFor(volumeNode: slicer.vtkMRMLScalarVolumeNode, card: ModelCard) -> tuple[str, ...]:
    """Sentences on why this volume does not look like what the model was made for; usually none, and none for no voxels.

    Looked at are spacing and field of view, the DICOM modality where it is known, else whether values can be those of the
    model's modality at all.
    """
    try:
        checkHasVoxels(volumeNode)
        unlike = unlike_expected(geometryOfVolume(volumeNode), card)
    except InputError:  # told when the model is applied
        return ()
    return (*_onModality(volumeNode, card), *unlike)


def modalityOf(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> str:
    """The DICOM modality of the series that the volume was loaded from, for example "MR"; empty where it is not known."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(volumeNode)
    return hierarchy.GetItemAttribute(item, _MODALITY) if item else ""


def _onModality(volumeNode: slicer.vtkMRMLScalarVolumeNode, card: ModelCard) -> tuple[str, ...]:
    modality, wanted, name = modalityOf(volumeNode), card.modality, volumeNode.GetName()
    if modality:
        if modality == wanted:
            return ()
        return (f"'{name}' is a {modality} image, but the model '{card.id}' was made for {wanted}.",)
    lowest = volumeNode.GetImageData().GetScalarRange()[0]
    if wanted == "MR" and lowest < _BELOW_ANY_MR:
        return (f"'{name}' has values down to {lowest:.0f}, as CT has, but the model '{card.id}' was made for MR.",)
    if wanted == "CT" and lowest >= 0:
        return (f"'{name}' has no negative values, as CT has outside of the body, but the model '{card.id}' was made for CT.",)
    return ()
