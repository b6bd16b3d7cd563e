"""The region of interest: one that is made in the panel begins as the whole volume, for a person to pull in."""

from __future__ import annotations

from collections.abc import Callable

import slicer


class RegionChoice:
    """The selector of regions; `volumeNode` gives the volume that is chosen."""

    def __init__(self, ui: object, volumeNode: Callable[[], slicer.vtkMRMLScalarVolumeNode | None]) -> None:
        self._volumeNode = volumeNode
        ui.roiSelector.connect("nodeAddedByUser(vtkMRMLNode*)", self._onAdded)

    def _onAdded(self, roiNode: slicer.vtkMRMLMarkupsROINode) -> None:
        volumeNode = self._volumeNode()
        if volumeNode is None or volumeNode.GetImageData() is None:
            return
        bounds = [0.0] * 6
        volumeNode.GetRASBounds(bounds)  # in the world, transforms included
        lows, highs = bounds[::2], bounds[1::2]
        roiNode.SetCenterWorld([(low + high) / 2 for low, high in zip(lows, highs, strict=True)])
        roiNode.SetSizeWorld([high - low for low, high in zip(lows, highs, strict=True)])
