"""The one geometric resampling of a patch: what is drawn, where its voxels lie in the case, and the values found there.

Zoom, stretch, shear, rotation, tilt, flips, right angles, elastic displacement and the change from the case's spacing to
the job's are one set of positions: images are interpolated once, linearly, and labels looked up once, at the nearest voxel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from MedSegDLTrainLib.job import Augmentation

KNOTS = 5  # of smooth random fields, along each axis of a patch: some four waves across it
_SLAB = 8  # patch slices that are resampled together on a CPU: they stay in its cache


@dataclass(frozen=True)
class Warp:
    """Patch voxel i (z, y, x) lies at matrix · (i − (size − 1)/2) + elastic(i) + centre, in voxels of what it is taken from.

    `matrix` (3, 3) and `centre` (3,) float64. `elastic`, if any, is (3, knots z, knots y, knots x): displacements in voxels
    of the case at knots that are spread evenly over the patch, between them cubic.
    """

    size_zyx: tuple[int, int, int]
    matrix: np.ndarray
    elastic: np.ndarray | None
    centre: np.ndarray

    @property
    def is_crop(self) -> bool:
        """Whether every patch voxel is one voxel of the case: only shifted, turned by right angles or flipped."""
        whole = np.rint(self.matrix)
        return self.elastic is None and abs(self.matrix - whole).max() < 1e-5 and abs(np.linalg.det(whole)) == 1


def drawn_warp(
    augmentation: Augmentation,
    size_zyx: tuple[int, int, int],
    patch_spacing_zyx: np.ndarray,
    case_spacing_zyx: np.ndarray,
    random: np.random.Generator,
) -> Warp:
    """A random warp round (0, 0, 0), for `place_warp`. Patches of one slice keep to their slice."""
    in_mm = _drawn_matrix(augmentation, size_zyx[0] > 1, random)
    matrix = in_mm * np.asarray(patch_spacing_zyx) / np.asarray(case_spacing_zyx)[:, None]
    elastic = None
    if augmentation.elastic_mm and random.random() < augmentation.probability:
        knots = smooth_knots(size_zyx, random, augmentation.elastic_mm, fields=3)
        if size_zyx[0] == 1:
            knots[0] = 0
        elastic = np.einsum("kj,jzyx->kzyx", in_mm / np.asarray(case_spacing_zyx)[:, None], knots)
    return Warp(size_zyx, matrix, elastic, np.zeros(3))


def _drawn_matrix(augmentation: Augmentation, tilted: bool, random: np.random.Generator) -> np.ndarray:
    """(3, 3) from patch offsets (z, y, x) in mm to case offsets in mm: the inverse of what is done to the anatomy."""
    scale = math.exp(random.uniform(*np.log(augmentation.scale)))
    axes = np.array([tilted, True, True])
    stretch = 1 + random.uniform(-augmentation.stretch, augmentation.stretch, 3)
    stretch /= np.exp(np.log(stretch[axes]).mean())  # as large as before, on the whole
    matrix = np.diag(np.where(axes, stretch / scale, 1.0))
    shear = np.eye(3)
    shear[2, 1] = random.uniform(-augmentation.shear, augmentation.shear)
    matrix = _rotation(0, augmentation.rotation_degrees, random) @ shear @ matrix
    if tilted:
        for axis in (1, 2):
            matrix = _rotation(axis, augmentation.tilt_degrees, random) @ matrix
    return matrix @ _drawn_symmetry(augmentation, tilted, random)


def _rotation(axis: int, largest_degrees: float, random: np.random.Generator) -> np.ndarray:
    """A random rotation round axis 0 (z), 1 (y) or 2 (x)."""
    angle = math.radians(random.uniform(-largest_degrees, largest_degrees))
    first, second = (other for other in range(3) if other != axis)
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = math.cos(angle)
    matrix[first, second], matrix[second, first] = -math.sin(angle), math.sin(angle)
    return matrix


def _drawn_symmetry(augmentation: Augmentation, tilted: bool, random: np.random.Generator) -> np.ndarray:
    """Flips of the axes that the job names, and with right_angles one of the eight symmetries of the xy plane."""
    signs = np.array([-1.0 if axis in augmentation.flips and random.random() < 0.5 else 1.0 for axis in "zyx"])
    symmetry = np.diag(signs if tilted else [1.0, *signs[1:]])
    if augmentation.right_angles:
        symmetry[:, 1:] *= random.choice([-1.0, 1.0], size=2)
        symmetry = symmetry[:, [0, 2, 1]] if random.random() < 0.5 else symmetry
    return symmetry


def smooth_knots(size_zyx: tuple[int, int, int], random: np.random.Generator, largest: float, fields: int) -> np.ndarray:
    """(fields, knots z, y, x) Gaussian values with a standard deviation drawn from 0…largest; one knot on axes of one voxel."""
    knots = random.standard_normal((fields, *(KNOTS if length > 1 else 1 for length in size_zyx)))
    return knots * random.uniform(0, largest)


def cubic_weights(length: int, count: int, points: np.ndarray | None = None) -> np.ndarray:
    """(points, count) weights of `count` knots spread evenly over 0…length − 1, at `points` (all voxels if not given).

    Keys' cubic convolution (1981, eq. 4, a = −1/2), the end knots going on outside.
    """
    points = np.arange(length) if points is None else points
    place = points * ((count - 1) / max(length - 1, 1))
    d = np.abs(place[:, None] - np.arange(-1, count + 1))
    weights = np.where(d < 1, (1.5 * d - 2.5) * d**2 + 1, np.where(d < 2, ((-0.5 * d + 2.5) * d - 4) * d + 2, 0.0))
    weights[:, 1] += weights[:, 0]
    weights[:, -2] += weights[:, -1]
    return weights[:, 1:-1]


def place_warp(warp: Warp, centre_zyx: np.ndarray, inside_zyx: np.ndarray | None) -> Warp:
    """The warp round a centre, moved as little as it takes for a patch voxel to lie exactly on `inside_zyx`.

    A warp that only crops is moved by less than a voxel, so that it needs no interpolation.
    """
    half = (np.array(warp.size_zyx) - 1) / 2
    if inside_zyx is not None:
        wanted = np.linalg.solve(warp.matrix, inside_zyx - centre_zyx) + half
        index = np.clip(np.rint(wanted), 0, 2 * half)
        centre_zyx = inside_zyx - _positions(warp, [index[axis : axis + 1] for axis in range(3)])[:, 0, 0, 0]
    if warp.is_crop:
        matrix = np.rint(warp.matrix)
        return replace(warp, matrix=matrix, centre=np.rint(centre_zyx - matrix @ half) + matrix @ half)
    return replace(warp, centre=np.asarray(centre_zyx, float))


def _positions(warp: Warp, points: list[np.ndarray]) -> np.ndarray:
    """(3, Z, Y, X) positions of the grid of patch indices points[0] × points[1] × points[2]."""
    rows, columns = _position_factors(warp, points)
    return np.einsum("kzyj,jx->kzyx", rows, columns)


def _position_factors(warp: Warp, points: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(3, Z, Y, J) and (J, X) whose product over J is all positions: they are sums of products of what each axis gives.

    einsum of two arrays, not a matrix product: its sums do not depend on the number of threads.
    """
    z, y, x = (point - (length - 1) / 2 for point, length in zip(points, warp.size_zyx, strict=True))
    along = warp.matrix
    plane = along[:, 0, None, None] * z[:, None] + along[:, 1, None, None] * y + warp.centre[:, None, None]
    rows, columns = [plane, np.broadcast_to(along[:, 2, None, None], plane.shape)], [np.ones_like(x), x]
    if warp.elastic is not None:
        sizes = zip(warp.size_zyx, warp.elastic.shape[1:], points, strict=True)
        weights = [cubic_weights(length, count, point) for length, count, point in sizes]
        partly = np.einsum("yb,kabc->kayc", weights[1], warp.elastic)
        rows.extend(np.moveaxis(np.einsum("za,kayc->kzyc", weights[0], partly), -1, 0))
        columns.extend(weights[2].T)
    return np.stack(rows, axis=-1), np.stack(columns)


def box_of(warp: Warp, shape_zyx: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """First voxel, and the one after the last, of the box of the case (`shape_zyx`) that the warp reads.

    It may reach over the volume: by a patch that is only cropped as far as it lies outside, else by one voxel, which holds
    what is outside. Extremes of a displacement are looked for at four places between two knots, with half a voxel to spare.
    """
    count = 2 if warp.elastic is None else 4 * (KNOTS - 1) + 1
    points = [np.linspace(0, length - 1, count if length > 1 else 1) for length in warp.size_zyx]
    positions = _positions(warp, points).reshape(3, -1)
    lowest, highest = positions.min(axis=1), positions.max(axis=1)
    if warp.is_crop:
        return np.rint(lowest).astype(int), np.rint(highest).astype(int) + 1
    if warp.elastic is not None:
        spare = np.where(np.any(warp.elastic, axis=(1, 2, 3)), 0.5, 0.0)
        lowest, highest = lowest - spare, highest + spare
    start = np.clip(np.floor(lowest), -1, shape_zyx).astype(int)
    return start, np.maximum(np.clip(np.ceil(highest), -1, shape_zyx).astype(int), start) + 1


def cut_out(array: np.ndarray, start: np.ndarray, stop: np.ndarray, outside: float) -> np.ndarray:
    """A copy of the box start…stop of the last three axes of `array`, with the value `outside` where it reaches over."""
    size = np.array(array.shape[-3:])
    first, last = np.clip(start, 0, size), np.clip(stop, 0, size)
    inner = array[(..., *(slice(a, b) for a, b in zip(first, last, strict=True)))]
    if (first == start).all() and (last == stop).all():
        return np.array(inner, order="C", subok=False)
    whole = np.full((*array.shape[:-3], *(stop - start)), outside, array.dtype)
    whole[(..., *(slice(a, b) for a, b in zip(first - start, last - start, strict=True)))] = inner
    return whole


def warped(image: Tensor, labels: Tensor, warp: Warp) -> tuple[Tensor, Tensor]:
    """Image (C, *size) float32, linear, and labels (*size) uint8, nearest, as new tensors on the device of `image`.

    `image` (C, Z, Y, X) float32 and `labels` (Z, Y, X) uint8 are contiguous; positions outside of them take the value of
    their nearest voxel.
    """
    if warp.is_crop:
        return _turned(image, warp.matrix), _turned(labels, warp.matrix)
    new_image = torch.empty((len(image), *warp.size_zyx), device=image.device)
    new_labels = torch.empty(warp.size_zyx, dtype=labels.dtype, device=image.device)
    factors = _position_factors(warp, [np.arange(length) for length in warp.size_zyx])
    rows, columns = (torch.from_numpy(factor.astype(np.float32)).to(image.device) for factor in factors)
    slab = _SLAB if image.device.type == "cpu" else warp.size_zyx[0]
    for first in range(0, warp.size_zyx[0], slab):
        positions = _product(rows[:, first : first + slab], columns)
        for axis, length in enumerate(labels.shape):
            positions[axis].clamp_(0, length - 1)
        new_image[:, first : first + slab] = _linear(image, positions)
        new_labels[first : first + slab] = _nearest(labels, positions)
    return new_image, new_labels


def _turned(array: Tensor, matrix: np.ndarray) -> Tensor:
    """A copy whose last three axes are put in another order and turned round as `matrix`, a signed permutation, says."""
    before = array.ndim - 3
    sources = np.abs(matrix).argmax(axis=0)  # of each patch axis
    backwards = [before + axis for axis, source in enumerate(sources) if matrix[source, axis] < 0]
    turned = array.permute(*range(before), *(before + int(source) for source in sources))
    return turned.flip(backwards) if backwards else turned.clone(memory_format=torch.contiguous_format)


def _product(rows: Tensor, columns: Tensor) -> Tensor:
    """(3, Z, Y, X) out of (3, Z, Y, J) and (J, X); term by term, as matrix products are too coarse on some devices."""
    positions = rows[..., :1] * columns[0]
    for term in range(1, len(columns)):
        positions.addcmul_(rows[..., term : term + 1], columns[term])
    return positions


def _linear(image: Tensor, positions: Tensor) -> Tensor:
    """(C, z, Y, X) values of `image` at `positions` (3, z, Y, X) within it.

    PyTorch samples pictures some four times as fast as volumes. So the slices are taken as one picture, one below the other,
    with a second channel that lies one slice further up; what is left is to mix the two.
    """
    channels, slices, height, width = image.shape
    z, y, x = positions
    if slices == 1:
        return _picture_values(image, y, x)[:, 0]
    below = z.floor().clamp_(max=slices - 2)
    first, last = int(below.min()), int(below.max())  # only slices that are read, as long pictures cost precision
    rows, area = (last - first + 1) * height, height * width
    start = image.storage_offset() + first * area
    pictures = image.as_strided((channels, 2, rows, width), (slices * area, area, width, 1), start)
    values = _picture_values(pictures, torch.add(y, below - first, alpha=height), x)
    return torch.lerp(values[:, 0], values[:, 1], z - below)


def _picture_values(pictures: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """(N, C, z, Y, X) of `pictures` (N, C, rows, columns) at rows y and columns x, both (z, Y, X)."""
    rows, columns = pictures.shape[2:]
    grid = torch.empty((*x.shape, 2), device=x.device)
    torch.mul(x, 2 / columns, out=grid[..., 0]).add_(1 / columns - 1)
    torch.mul(y, 2 / rows, out=grid[..., 1]).add_(1 / rows - 1)
    flat = grid.view(1, -1, x.shape[-1], 2).expand(len(pictures), -1, -1, -1)
    values = functional.grid_sample(pictures, flat, mode="bilinear", padding_mode="border", align_corners=False)
    return values.view(*values.shape[:2], *x.shape)


def _nearest(labels: Tensor, positions: Tensor) -> Tensor:
    _, height, width = labels.shape
    z, y, x = positions.round_().to(torch.int32)
    return labels.view(-1).index_select(0, z.mul_(height).add_(y).mul_(width).add_(x).view(-1)).view(x.shape)
