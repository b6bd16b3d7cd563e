"""Distances between the surfaces of two masks, in mm.

The surface of a mask runs between voxels, not through their centres: each 2x2x2 neighbourhood that holds voxels of both
kinds has one surface element, with the area and the centroid of the marching-cubes surface there. Weighting by area makes
means and percentiles independent of how densely the grid samples a side (Nikolov et al. 2021, doi:10.2196/26151; figures
as in Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z). Nikolov puts the element into the middle of the neighbourhood
instead. The centroid is nearer to the truth and less flattering: of two balls of radius 31 and 30 mm in voxels of
8 x 1.3 x 1.3 mm, 1 mm apart, it gives 1.05 mm; the middle gives 0.31 mm, and the centres of boundary voxels 0.28 mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes


@dataclass(frozen=True)
class Surface:
    """Surface elements of a mask: `points` (N, 3) in mm along z, y, x and their `areas` (N,) in mm²."""

    points: np.ndarray
    areas: np.ndarray


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances of two surfaces from each other in mm.

    `mean` and `standard_deviation` are over both surfaces together, weighted by area (symmetric); `hausdorff` is the
    largest of all; `hd95` is the larger of the two directed 95th percentiles.
    """

    mean: float
    standard_deviation: float
    hausdorff: float
    hd95: float


def surface_of(mask: np.ndarray, spacing_zyx: tuple[float, float, float], open_axis: int | None = None) -> Surface:
    """The surface of a boolean mask (Z, Y, X); outside of the array is background.

    Along `open_axis` the array's ends are no surface: the object is taken to go on there as in the last slice.
    """
    codes = _neighbourhood_codes(mask, open_axis)
    corners = np.flatnonzero((codes != 0) & (codes != 255))
    index, codes = np.stack(np.unravel_index(corners, codes.shape), axis=1), codes.ravel()[corners]
    areas, centroids = _elements_of_codes(tuple(map(float, spacing_zyx)))
    return Surface(index * np.asarray(spacing_zyx) + centroids[codes], areas[codes])


def surface_distances(reference: Surface, prediction: Surface) -> SurfaceDistances:
    """Mean, standard deviation, Hausdorff distance and its 95th percentile of two surfaces that are not empty."""
    to_reference, to_prediction = _nearest(prediction, reference), _nearest(reference, prediction)
    distances = np.concatenate([to_reference, to_prediction])
    areas = np.concatenate([prediction.areas, reference.areas])
    mean = np.average(distances, weights=areas)
    return SurfaceDistances(
        mean=float(mean),
        standard_deviation=float(np.sqrt(np.average((distances - mean) ** 2, weights=areas))),
        hausdorff=float(distances.max()),
        hd95=max(_percentile(to_reference, prediction.areas, 95), _percentile(to_prediction, reference.areas, 95)),
    )


def _neighbourhood_codes(mask: np.ndarray, open_axis: int | None) -> np.ndarray:
    """(Z+1, Y+1, X+1) uint8: which of the eight voxels round each corner are set, one bit each."""
    closed = np.pad(mask, [(0, 0) if axis == open_axis else (1, 1) for axis in range(3)])
    if open_axis is not None:
        closed = np.pad(closed, [(1, 1) if axis == open_axis else (0, 0) for axis in range(3)], mode="edge")
    codes = closed.view(np.uint8)
    codes = codes[:, :, :-1] | codes[:, :, 1:] << 1
    codes = codes[:, :-1] | codes[:, 1:] << 2
    return codes[:-1] | codes[1:] << 4


@lru_cache(maxsize=16)
def _elements_of_codes(spacing_zyx: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """(256,) mm² and (256, 3) mm: area and centroid of the marching-cubes surface in the cell of each neighbourhood."""
    areas, centroids = np.zeros(256), np.zeros((256, 3))
    for code in range(1, 255):
        cell = np.array([code >> bit & 1 for bit in range(8)], np.float32).reshape(2, 2, 2)
        vertices, faces, _, _ = marching_cubes(cell, 0.5, spacing=spacing_zyx)
        a, b, c = vertices[faces].transpose(1, 0, 2).astype(float)
        triangles = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
        areas[code], centroids[code] = triangles.sum(), np.average((a + b + c) / 3, axis=0, weights=triangles)
    return areas, centroids


def _nearest(start: Surface, target: Surface) -> np.ndarray:
    """Distance in mm from each element of `start` to the closest element of `target`."""
    return cKDTree(target.points).query(start.points)[0]


def _percentile(distances: np.ndarray, areas: np.ndarray, percent: float) -> float:
    """The smallest distance within which at least `percent` of the area lies."""
    order = np.argsort(distances)
    share = np.cumsum(areas[order]) / areas.sum()
    return float(distances[order][min(np.searchsorted(share, percent / 100 - 1e-9), len(order) - 1)])
