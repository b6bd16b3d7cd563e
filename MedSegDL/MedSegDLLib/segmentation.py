"""What a network or a person has drawn: a label map together with what its values mean."""

from __future__ import annotations

from dataclasses import dataclass

from MedSegDLLib.image import LabelMap
from MedSegDLLib.labels import LabelTable


@dataclass(frozen=True)
class Segmentation:
    """`labelmap` on a grid of the patient and the `labels` that name its values.

    A label may be absent from the label map (nothing was found); a value without a label is legal, too, but has no name.
    """

    labelmap: LabelMap
    labels: LabelTable
