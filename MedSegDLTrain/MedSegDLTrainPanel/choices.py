"""What the panel's fixed lists offer; the parameter node keeps the member's name, the list shows its label."""

from __future__ import annotations

from enum import Enum

from slicer.i18n import tr as _


class CaseStatus(Enum):
    """What a person did with the segments of a case; the value is the engine's word."""

    CORRECTED = "corrected"
    APPROVED = "approved"

    def label(self) -> str:
        """The words in the panel."""
        return {CaseStatus.CORRECTED: _("corrected"), CaseStatus.APPROVED: _("approved: every slice is right")}[self]


class Annotated(Enum):
    """Which slices of a segmentation somebody looked at; named as add_case.Which."""

    ALL = 1
    WITH_SEGMENTS = 2
    LISTED = 3

    def label(self) -> str:
        """The words in the panel."""
        return {
            Annotated.ALL: _("all slices"),
            Annotated.WITH_SEGMENTS: _("only slices with segments"),
            Annotated.LISTED: _("only these slices:"),
        }[self]
