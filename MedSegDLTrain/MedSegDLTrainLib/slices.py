"""Annotated slices in memory, ready to draw patches from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MedSegDLLib.errors import InputError
from MedSegDLLib.files import read_image, read_labelmap
from MedSegDLLib.model_card import Normalisation
from MedSegDLLib.normalise import normalised
from MedSegDLTrainLib.cases import IGNORE, Case, image_path, label_path


@dataclass(frozen=True)
class AnnotatedSlice:
    """One slice: normalised `image` (Y, X) float32, `label` (Y, X) uint8, `spacing_yx` in mm, the patient it comes from."""

    image: np.ndarray
    label: np.ndarray
    spacing_yx: tuple[float, float]
    patient: str
    case: str

    @property
    def has_foreground(self) -> bool:
        return bool(((self.label > 0) & (self.label != IGNORE)).any())

    @property
    def foreground_centre_yx(self) -> tuple[float, float]:
        """Centre of mass of the foreground in pixels."""
        rows, columns = np.nonzero((self.label > 0) & (self.label != IGNORE))
        return float(rows.mean()), float(columns.mean())


def slices_of(folder: Path, case: Case, normalisation: Normalisation) -> list[AnnotatedSlice]:
    """The slices of a case (along the array's z) that somebody annotated; slices that are all IGNORE are left out."""
    image, labelmap = read_image(image_path(folder, case)), read_labelmap(label_path(folder, case))
    if not image.geometry.same_grid(labelmap.geometry):
        raise InputError(f"Image and labels of case {case.name} lie on different grids.")
    intensities = normalised(image.array, normalisation)[0]
    return [
        AnnotatedSlice(picture, label.astype(np.uint8), image.geometry.spacing_zyx[1:], case.patient, case.name)
        for picture, label in zip(intensities, labelmap.array, strict=True)
        if (label != IGNORE).any()
    ]
