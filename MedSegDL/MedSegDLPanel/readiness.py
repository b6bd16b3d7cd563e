"""Why Apply cannot be pressed yet, in the order in which a person would put it right."""

from __future__ import annotations

from collections.abc import Sequence

import slicer
from slicer.i18n import tr as _

from MedSegDLLib.errors import MedSegDLError
from MedSegDLLib.zoo import ZooModel
from MedSegDLScene.volumes import checkHasVoxels


def reasonNotToApply(
    dependenciesComplete: bool,
    volumeNode: slicer.vtkMRMLScalarVolumeNode | None,
    model: ZooModel | None,
    modelId: str,
    chosenLabels: Sequence[str] | None,
) -> str:
    """A sentence, or "" where a run can begin.

    `modelId` is what was chosen, though it may not be here; `chosenLabels` None means all labels of the model.
    """
    if not dependenciesComplete:
        return _("What computes the networks is not installed yet: see the top of this panel.")
    if volumeNode is None:
        return _("Choose the volume to segment. A volume is loaded with Add Data, from the DICOM module or from Sample Data.")
    if model is None and modelId:
        return _("The model '{id}' is not on this computer: import or download it, or choose another one.").format(id=modelId)
    if model is None:
        return _("Choose a model.")
    if chosenLabels is not None and not chosenLabels:
        return _("Check at least one segment in Options.")
    try:
        checkHasVoxels(volumeNode)
    except MedSegDLError as problem:
        return str(problem)
    return ""
