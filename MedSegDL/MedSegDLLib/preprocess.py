"""From an image as stored to network input, and from labels back onto the image's own voxels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from scipy import ndimage

from MedSegDLLib.errors import ModelError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from MedSegDLLib.model_card import Preprocessing
from MedSegDLLib.normalise import normalised
from MedSegDLLib.options import Region
from MedSegDLLib.target_grid import TargetGrid

# A spacing this close to the wanted one is left alone: resampling would only blur.
_SAME_SPACING = 0.01
_LETTERS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
_SPLINE_ORDER = {"linear": 1, "cubic": 3}


@dataclass(frozen=True)
class Turn:
    """Axes reordered and turned round: new axis n of x, y, z is old axis order[n], reversed if flipped[n]."""

    order: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def apply(self, array: np.ndarray) -> np.ndarray:
        """A view of `array` (…, Z, Y, X) with its last three axes turned."""
        leading = array.ndim - 3
        axes = [leading + 2 - axis for axis in reversed(self.order)]
        turned = array.transpose(*range(leading), *axes)
        return np.flip(turned, [leading + 2 - axis for axis in range(3) if self.flipped[axis]])

    def region(self, region: Region, size: tuple[int, int, int]) -> Region:
        """`region` of a grid of `size` (before the turn) in the turned grid."""
        start = [
            size[old] - region.start_ijk[old] - region.size[old] if flip else region.start_ijk[old]
            for old, flip in zip(self.order, self.flipped, strict=True)
        ]
        return Region(tuple(start), tuple(region.size[old] for old in self.order))


@dataclass(frozen=True)
class Prepared:
    """Network input `array` (C, Z, Y, X) float32, and the `target` on whose voxels labels of it are wanted.

    The target is the wanted region of the source image, turned as the network wants it, with `spacing_zyx` in mm.
    """

    array: np.ndarray
    target: TargetGrid
    spacing_zyx: tuple[float, float, float]
    source: Geometry
    turn: Turn
    region: Region  # in the turned grid

    def restored(self, labels: np.ndarray) -> np.ndarray:
        """Labels (Z, Y, X) on the target as labels on the source grid; 0 outside of the region."""
        whole = np.zeros(self.source.shape_zyx, labels.dtype)
        self.turn.apply(whole)[_slices(self.region)] = labels
        return whole


def preprocess(
    image: Image, how: Preprocessing, region: Region | None = None, patch_size: tuple[int, int, int] = (1, 1, 1)
) -> Prepared:
    """Turn, resample and normalise `image` as a model card says, then crop it to `region` (voxels of the image) if given.

    Intensities are normalised over the whole image, so that a region gets the very input that it has in the whole. Around
    the region a quarter of `patch_size` (x, y, z) is kept on each side, and at least one patch in all, where the image goes
    that far, because a network needs to see the neighbourhood.
    Shrinking smooths first (Gaussian, σ = (factor − 1)/2 voxels), so that fine structures do not turn into patterns.
    """
    turn = turn_for(image.geometry, how.orientation)
    turned = image.geometry.permuted(turn.order, turn.flipped)
    wanted = (region or Region((0, 0, 0), image.geometry.size)).clipped_to(image.geometry)
    wanted = turn.region(wanted, image.geometry.size)
    grid = turned.resampled(_spacing(turned, how.spacing))
    scale, offset = _mapping(turned, grid)
    array = normalised(_resampled(turn.apply(image.array), grid, scale, offset, how.resampling), how.normalisation)
    target = TargetGrid(
        wanted.size[::-1],
        tuple(1 / s for s in scale),
        tuple((start - o) / s for start, o, s in zip(wanted.start_ijk[::-1], offset, scale, strict=True)),
    )
    if region is not None:
        array, target = _cropped(array, target, patch_size[::-1])
    return Prepared(array, target, turned.spacing_zyx, image.geometry, turn, wanted)


def turn_for(geometry: Geometry, orientation: str) -> Turn:
    """How to turn a grid to `orientation`: three letters (the closest right angles), or "slices" (see Preprocessing)."""
    if orientation == "slices":
        across = max(range(3), key=lambda axis: (geometry.spacing[axis], axis))
        return Turn((*(axis for axis in range(3) if axis != across), across), (False, False, False))
    if len(orientation) != 3 or {_LETTERS[letter][0] for letter in orientation if letter in _LETTERS} != {0, 1, 2}:
        raise ModelError(f"The orientation is 'slices' or three letters out of L/R, A/P, S/I such as LPS, not '{orientation}'.")
    wanted = [_LETTERS[letter] for letter in orientation]
    # along[axis]: how far each of the grid's axes goes along the wanted direction of the new axis
    along = np.array([geometry.axes[patient] * sign for patient, sign in wanted])
    order = max(permutations(range(3)), key=lambda order: sum(abs(along[new, old]) for new, old in enumerate(order)))
    return Turn(order, tuple(bool(along[new, old] < 0) for new, old in enumerate(order)))


def _spacing(geometry: Geometry, wanted: tuple[float | None, ...]) -> tuple[float, ...]:
    pairs = zip(geometry.spacing, wanted, strict=True)
    return tuple(own if new is None or abs(own / new - 1) <= _SAME_SPACING else new for own, new in pairs)


def _mapping(turned: Geometry, grid: Geometry) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(z, y, x) scale and offset: voxel n of `grid` lies at index scale·n + offset of `turned`, which has the same axes."""
    scale = np.array(grid.spacing_zyx) / turned.spacing_zyx
    # Both boxes have one centre; in whole numbers, so that an axis that is not resampled is mapped exactly.
    offset = ((np.array(turned.shape_zyx) - 1) - scale * (np.array(grid.shape_zyx) - 1)) / 2
    return tuple(scale.tolist()), tuple(offset.tolist())


def _resampled(array: np.ndarray, grid: Geometry, scale: tuple[float, ...], offset: tuple[float, ...], how: str) -> np.ndarray:
    """`array` (C, Z, Y, X) on `grid`; beyond the outermost voxel centres the edge goes on."""
    if all(factor == 1 for factor in scale):
        return array
    resampled = np.empty((len(array), *grid.shape_zyx), np.float32)
    sigma = [max(factor - 1, 0) / 2 for factor in scale]
    for channel, out in zip(array, resampled, strict=True):
        smooth = ndimage.gaussian_filter(channel, sigma, output=np.float32, mode="nearest")
        ndimage.affine_transform(smooth, np.array(scale), offset, output=out, order=_SPLINE_ORDER[how], mode="nearest")
    return resampled


def _cropped(array: np.ndarray, target: TargetGrid, patch_zyx: tuple[int, ...]) -> tuple[np.ndarray, TargetGrid]:
    """The part of `array` around `target`, and the target in it."""
    box = []
    for length, count, scale, offset, patch in zip(
        array.shape[1:], target.shape, target.scale, target.offset, patch_zyx, strict=True
    ):
        first, last = int(np.floor(offset)), int(np.ceil(offset + scale * (count - 1)))
        margin = max(patch // 4, -(-(patch - (last - first + 1)) // 2))
        box.append(slice(max(first - margin, 0), min(last + 1 + margin, length)))
    offset = tuple(offset - part.start for offset, part in zip(target.offset, box, strict=True))
    return array[(slice(None), *box)], TargetGrid(target.shape, target.scale, offset)


def _slices(region: Region) -> tuple[slice, ...]:
    pairs = zip(region.start_ijk, region.size, strict=True)
    return tuple(slice(start, start + size) for start, size in pairs)[::-1]
