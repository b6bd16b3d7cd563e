"""The files of a case that is to be added, written in small steps: nobody waits until a large volume is copied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import slicer

from MedSegDLLib.errors import InputError
from MedSegDLLib.image import LabelMap
from MedSegDLLib.metaimage import metaimage_header
from MedSegDLScene.steps import slabs
from MedSegDLScene.volumes import checkIsImage, geometryOfVolume, notFinite


def writeImageInSteps(volumeNode: slicer.vtkMRMLScalarVolumeNode | None, path: Path) -> Iterator[None]:
    """Write what `imageFromVolume` gives to a MetaImage file.

    After the first step the node is not needed any more. Raises InputError as `imageFromVolume`, and if the volume changes
    before it is read; OSError.
    """
    checkIsImage(volumeNode)
    data, voxels = volumeNode.GetImageData(), slicer.util.arrayFromVolume(volumeNode)
    name, geometry, since = volumeNode.GetName(), geometryOfVolume(volumeNode), data.GetMTime()
    voxelType = np.dtype(np.float32) if np.issubdtype(voxels.dtype, np.floating) else voxels.dtype
    wrong = 0
    yield
    with path.open("xb") as file:
        file.write(metaimage_header(geometry, voxelType))
        for part in slabs(voxels.shape):
            with np.errstate(over="ignore"):  # looked for below
                values = np.ascontiguousarray(voxels[part], voxelType)
            wrong += values.size - int(np.count_nonzero(np.isfinite(values)))
            file.write(values)
            yield
    if wrong:
        raise notFinite(name, wrong)
    if data.GetMTime() != since:
        raise InputError(f"'{name}' was changed at the same time: try again.")


def writeLabelmapInSteps(labelmap: LabelMap, path: Path) -> Iterator[None]:
    """Write a label map to a MetaImage file; raises OSError."""
    with path.open("xb") as file:
        file.write(metaimage_header(labelmap.geometry, labelmap.array.dtype))
        for part in slabs(labelmap.array.shape):
            file.write(np.ascontiguousarray(labelmap.array[part]))
            yield
