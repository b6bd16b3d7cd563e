"""Where a model is right and wrong: slices of a case with the reference's and the prediction's edges.

True proportions in mm, the patient's right on the picture's left (axial, coronal), as in `MedSegDLLib.pictures`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from skimage.measure import find_contours

from MedSegDLLib.image import Image
from MedSegDLLib.pictures import PERCENTILES, slice_position
from MedSegDLLib.views import View, view_of
from MedSegDLTrainLib.measure import Comparison

REFERENCE_COLOUR, PREDICTION_COLOUR = "#3ddc84", "#ff4d4d"

_TILES = 4
_TILE_INCHES = 2.9
_HEADING_INCHES = 0.55
_MARGIN_MM = 25
_UNKNOWN_BRIGHTNESS = 0.35  # of what nobody annotated
_OUTLINED = (withStroke(linewidth=2, foreground="black"),)


def case_overlay(image: Image, pair: Comparison, heading: str) -> Figure:
    """The slices with most wrong voxels and the middle slice of a case, in order, on black.

    `image` and `pair` lie on one grid. The reference's edges are green and wide, the prediction's red and narrow, so that
    both show where they agree. What nobody annotated is darkened.
    """
    view = view_of(image.geometry)
    numbers = chosen_slices(pair, view, _TILES)
    box = _box(pair, view)
    greys = [view.slice_of(image.array[0], number)[box].astype(np.float32) for number in numbers]
    low, high = np.percentile(np.stack(greys), PERCENTILES)
    pixel = image.geometry.spacing[view.down], image.geometry.spacing[view.right]
    figure, tiles = _page(len(numbers), greys[0].shape, pixel, heading)
    for axes, number, grey in zip(tiles, numbers, greys, strict=True):
        planes = [view.slice_of(array, number)[box] for array in (pair.reference, pair.prediction, pair.annotated)]
        shown = np.clip((grey - low) / max(high - low, 1e-6), 0, 1) * np.where(planes[2], 1, _UNKNOWN_BRIGHTNESS)
        _draw(axes, shown, planes[0], planes[1], pixel)
        wrong = int(np.count_nonzero(planes[0] != planes[1]))
        _mark(axes, f"{number + 1}/{image.geometry.size[view.across]}  {slice_position(image.geometry, view.across, number)}")
        axes.text(0.02, 0.02, f"{wrong} voxels differ", transform=axes.transAxes, **_STYLE)
        for x, y, letters in zip((0.02, 0.98), (0.5, 0.5), view.sides(image.geometry)[:2], strict=True):
            axes.text(x, y, letters, transform=axes.transAxes, ha="left" if x < 0.5 else "right", va="center", **_STYLE)
    return figure


def chosen_slices(pair: Comparison, view: View, most: int) -> list[int]:
    """The middle slice of the reference (of the annotation, if it is empty), and those with most wrong voxels, in order."""
    others = tuple({0, 1, 2} - {2 - view.across})
    wrong = np.count_nonzero(pair.reference != pair.prediction, axis=others)
    occupied = np.flatnonzero(pair.reference.any(axis=others))
    if not len(occupied):
        occupied = np.flatnonzero(pair.annotated.any(axis=others))
    chosen = [int(occupied[len(occupied) // 2])] if len(occupied) else []
    for number in np.argsort(-wrong, kind="stable"):
        if len(chosen) < most and wrong[number] and int(number) not in chosen:
            chosen.append(int(number))
    return sorted(chosen) or [pair.reference.shape[2 - view.across] // 2]


_STYLE = {"color": "#ffe08a", "fontsize": 7.5, "path_effects": _OUTLINED}


def _mark(axes: Axes, text: str) -> None:
    axes.text(0.02, 0.98, text, transform=axes.transAxes, va="top", **_STYLE)


def _box(pair: Comparison, view: View) -> tuple[slice, slice]:
    """The rows and columns that hold every label of both, and some of what is round them; all where there is no label."""
    either = (pair.reference > 0) | (pair.prediction > 0)
    plane = np.any([view.slice_of(either, number) for number in range(either.shape[2 - view.across])], axis=0)
    box = []
    for axis, along in enumerate((view.down, view.right)):
        found = np.flatnonzero(plane.any(axis=1 - axis))
        if not len(found):
            return slice(None), slice(None)
        margin = round(max(_MARGIN_MM / pair.geometry.spacing[along], 0.2 * len(found)))
        box.append(slice(max(int(found[0]) - margin, 0), int(found[-1]) + 1 + margin))
    return tuple(box)


def _page(tiles: int, shape: tuple[int, int], pixel: tuple[float, float], heading: str) -> tuple[Figure, list[Axes]]:
    """A black figure with room for `tiles` slices of (down, right) pixels in a row, below a heading."""
    tall = shape[0] * pixel[0] / (shape[1] * pixel[1])
    wide, high = _TILE_INCHES * min(1.0, 1.3 / tall), _TILE_INCHES * min(tall, 1.3)
    width, height = max(tiles * wide, 2 * _TILE_INCHES), high + _HEADING_INCHES
    figure = Figure(figsize=(width, height), facecolor="black")
    figure.text(0.1 / width, 1 - 0.2 / height, heading, color="white", fontsize=10, va="center", parse_math=False)
    handles = [
        Line2D([], [], color=colour, linewidth=line, label=name)
        for name, colour, line in (("reference", REFERENCE_COLOUR, 2.2), ("prediction", PREDICTION_COLOUR, 1.2))
    ]
    place = {"loc": "upper left", "bbox_to_anchor": (0.0, 1 - 0.27 / height), "borderpad": 0.3}
    figure.legend(handles=handles, ncols=2, frameon=False, fontsize=8, labelcolor="white", **place)
    boxes = [((n * wide + 0.02) / width, 0.02 / height, (wide - 0.04) / width, (high - 0.04) / height) for n in range(tiles)]
    style = {"facecolor": "black", "xticks": [], "yticks": [], "frame_on": False}
    return figure, [figure.add_axes(box, **style) for box in boxes]


def _draw(axes: Axes, grey: np.ndarray, reference: np.ndarray, prediction: np.ndarray, pixel: tuple[float, float]) -> None:
    (rows, columns), (tall, wide) = grey.shape, pixel
    extent = (-0.5 * wide, (columns - 0.5) * wide, (rows - 0.5) * tall, -0.5 * tall)
    axes.imshow(grey, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="bicubic", aspect="equal")
    for labels, colour, width in ((reference, REFERENCE_COLOUR, 2.2), (prediction, PREDICTION_COLOUR, 1.1)):
        axes.add_collection(LineCollection(_edges(labels, pixel), colors=colour, linewidths=width), autolim=False)


def _edges(labels: np.ndarray, pixel: tuple[float, float]) -> Sequence[np.ndarray]:
    """Closed lines (N, 2) in mm to the right and down round every label of a slice (down, right)."""
    lines = []
    for value in np.unique(labels[labels > 0]):
        edges = find_contours(np.pad(labels == value, 1).astype(np.float32), 0.5)
        lines += [((edge - 1) * pixel)[:, ::-1] for edge in edges]
    return lines
