"""What a model card asks to be done to a finished label map."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from scipy import ndimage

from MedSegDLLib.errors import ModelError
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.model_card import Postprocessing

# Voxels that touch at a face, edge or corner are one piece; a hole is closed where no face of its voxels leads out.
_TOUCHING = np.ones((3, 3, 3), bool)


def postprocess(labels: np.ndarray, how: Postprocessing, table: LabelTable, voxel_volume_ml: float) -> np.ndarray:
    """Labels (Z, Y, X) after the largest piece, minimum volume and holes of the card, in this order, label by label.

    What is removed becomes background (0). Holes take the label round them where they are background: another label is
    never overwritten. Raises ModelError if the card names a label that `table` does not have.
    """
    values = {label.name: label.value for label in table.labels}
    largest, filled = _values(how.largest_component, values), _values(how.fill_holes, values)
    minimum_voxels = how.minimum_volume_ml / voxel_volume_ml
    if not (largest or filled or minimum_voxels):
        return labels
    labels = labels.copy()
    boxes = dict(enumerate(ndimage.find_objects(labels), start=1))
    present = [(value, boxes[value]) for value in values.values() if boxes.get(value)]
    for value, box in present:
        if value in largest or minimum_voxels:
            _keep_pieces(labels[box], value, value in largest, minimum_voxels, how.bridged_slices)
    for value, box in present:
        if value in filled:
            _fill_holes(labels[box], value, how.fill_holes_by_slice)
    return labels


def only(labels: np.ndarray, values: Collection[int]) -> np.ndarray:
    """Labels of which those that are not among `values` have become background."""
    return np.where(np.isin(labels, list(values)), labels, 0).astype(labels.dtype)


def _values(names: tuple[str, ...], values: dict[str, int]) -> set[int]:
    if unknown := [name for name in names if name not in values]:
        raise ModelError(f"The card's postprocessing names labels that the model does not have: {', '.join(unknown)}.")
    return {values[name] for name in names}


def _keep_pieces(box: np.ndarray, value: int, largest_only: bool, minimum_voxels: float, bridged_slices: int) -> None:
    """Remove small pieces of a label, and all but its largest (the first of equals) if asked, from its box in place."""
    mask = box == value
    pieces, _ = ndimage.label(_reaching(mask, bridged_slices), _TOUCHING)
    pieces[~mask] = 0
    voxels = np.bincount(pieces.ravel())
    voxels[0] = 0
    kept = voxels >= max(minimum_voxels, 1)
    if largest_only:
        kept &= np.arange(len(voxels)) == voxels.argmax()
    box[(pieces > 0) & ~kept[pieces]] = 0


def _reaching(mask: np.ndarray, slices: int) -> np.ndarray:
    """Each voxel also in as many `slices` after its own: what was missed in between no longer parts an organ."""
    reaching = mask.copy()
    for step in range(1, min(slices, len(mask) - 1) + 1):
        reaching[step:] |= mask[:-step]
    return reaching


def _fill_holes(box: np.ndarray, value: int, by_slice: bool) -> None:
    mask = box == value
    closed = np.stack([ndimage.binary_fill_holes(plane) for plane in mask]) if by_slice else ndimage.binary_fill_holes(mask)
    box[closed & (box == 0)] = value
