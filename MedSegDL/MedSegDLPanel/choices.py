"""The choices of the panel that are one of a few: names that are saved in the scene, with the words that a person reads."""

from __future__ import annotations

from enum import Enum

from slicer.i18n import tr as _

from MedSegDLScene.segments import Existing


class Frames(Enum):
    """What is segmented of a volume that is the current frame of a sequence."""

    THIS = 1
    EVERY = 2

    def label(self) -> str:
        """The words in the panel."""
        return {Frames.THIS: _("This frame"), Frames.EVERY: _("Every frame")}[self]


class ExistingSegments(Enum):
    """What becomes of the segments that the chosen segmentation already has."""

    REPLACE_SAME = 1
    REPLACE_ALL = 2
    KEEP = 3

    def label(self) -> str:
        """The words in the panel."""
        return {
            ExistingSegments.REPLACE_SAME: _("Replace those of this model"),
            ExistingSegments.REPLACE_ALL: _("Replace all"),
            ExistingSegments.KEEP: _("Keep all, add beside them"),
        }[self]

    @property
    def existing(self) -> Existing:
        """The same for MedSegDLScene."""
        return Existing[self.name]
