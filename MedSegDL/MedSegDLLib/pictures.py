"""A page of slices with the segments' edges, to be judged at a glance.

Shown as a radiologist expects it: true proportions in mm, the patient's right on the picture's left (axial, coronal) or
anterior on the left (sagittal), sides named from the direction matrix, so that oblique planes say for example LP.
Drawn with matplotlib's Figure alone, which needs no display.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from skimage.measure import find_contours

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from MedSegDLLib.model_card import ModelCard
from MedSegDLLib.report import label_volumes
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.sides import side
from MedSegDLLib.views import View, view_of

MOST_TILES = 12
SOFT_TISSUE_WINDOW = (-160.0, 240.0)  # CT, Hounsfield units: width 400, level 40
PERCENTILES = (1.0, 99.5)  # of what is shown, where no window is known

# Level at which a mask (0 or 1) is cut: above one half, so that edges of neighbours run side by side and none hides another.
_EDGE_LEVEL = 0.7
_COLUMNS = 4
_TILE_INCHES = 3.6
_DPI = 125
_OUTLINED = (withStroke(linewidth=2, foreground="black"),)


def shown_slices(occupied: np.ndarray, most: int = MOST_TILES) -> list[int]:
    """Which slices to show: evenly spread over those with a segment and a margin; over all where there is no segment.

    `occupied` (slices,) bool: whether a slice has a segment.
    """
    found = np.flatnonzero(occupied)
    margin = max(1, round(0.05 * np.ptp(found))) if len(found) else 0
    first, last = (found[0] - margin, found[-1] + margin) if len(found) else (0, len(occupied) - 1)
    first, last = max(first, 0), min(last, len(occupied) - 1)
    return np.unique(np.linspace(first, last, min(most, last - first + 1)).round().astype(int)).tolist()


def window_of(card: ModelCard) -> tuple[float, float] | None:
    """Lowest and highest intensity to show: the card's window, the soft tissue window for other CT, None for percentiles."""
    if card.preprocessing.normalisation.window is not None:
        return card.preprocessing.normalisation.window
    return SOFT_TISSUE_WINDOW if card.modality == "CT" else None


def notes_of(card: ModelCard) -> tuple[str, ...]:
    """What a picture must say of the model besides its id: the card's own sentences on diagnostic use, if it has any."""
    return tuple(sentence for sentence in card.not_for if "diagnos" in sentence.lower())


def overlay(
    image: Image,
    segmentation: Segmentation,
    title: str = "",
    notes: Sequence[str] = (),
    window: tuple[float, float] | None = None,
) -> Figure:
    """A page with the slices that matter of `image` (its first channel) and the edges of its segments.

    Image and segmentation lie on one grid. Every tile names its slice (counted from 1), the slice's position along the
    normal in mm from the scanner's origin, the patient's sides and a scale; the legend has names and volumes.
    `window`: intensities shown as black and white; None: percentiles of what is shown.
    """
    geometry, labels = image.geometry, segmentation.labelmap.array
    view = view_of(geometry)
    occupied = np.any(labels, axis=tuple({0, 1, 2} - {2 - view.across}))
    numbers = shown_slices(occupied)
    box = _cropped([view.slice_of(labels, number) for number in np.flatnonzero(occupied)], view, geometry)
    greys = [view.slice_of(image.array[0], number)[box] for number in numbers]
    page = _Page(len(numbers), greys[0].shape, _pixel_mm(view, geometry), _legend_rows(segmentation), (title, *notes))
    low, high = window or _percentile_window(greys)
    for axes, number, grey in zip(page.tiles(), numbers, greys, strict=False):
        _draw_slice(axes, grey, page.pixel_mm, (low, high))
        _draw_edges(axes, view.slice_of(labels, number)[box], page.pixel_mm, segmentation)
        _draw_marks(axes, view, geometry, number)
    return page.figure


def write_picture(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; raises OutputError."""
    with written_beside(path) as beside:
        figure.savefig(beside, format="png", dpi=_DPI, facecolor=figure.get_facecolor())


class _Page:
    """A black figure with room for `tiles` slices of (down, right) pixels, a heading and a legend."""

    def __init__(
        self,
        tiles: int,
        shape: tuple[int, int],
        pixel_mm: tuple[float, float],
        legend: list[tuple[tuple | None, str]],
        heading: Sequence[str],
    ) -> None:
        self.pixel_mm = pixel_mm
        self._columns = min(_COLUMNS, tiles)
        self._rows = -(-tiles // self._columns)
        tall = shape[0] * pixel_mm[0] / (shape[1] * pixel_mm[1])
        self._tile = _TILE_INCHES * min(1.0, 1.4 / tall), _TILE_INCHES * min(tall, 1.4)  # inches: width, height
        width = max(self._columns * self._tile[0], 2 * _TILE_INCHES)
        legend_columns = max(1, int(width // _TILE_INCHES))
        self._legend_height = 0.24 * -(-len(legend) // legend_columns) + 0.2
        self._heading_height = 0.24 * len(heading) + 0.16
        height = self._rows * self._tile[1] + self._legend_height + self._heading_height
        self.figure = Figure(figsize=(width, height), facecolor="black")
        self._size = width, height
        for line, text in enumerate(heading):
            self._text(0.1, height - 0.25 - 0.24 * line, text, size=10 if line == 0 else 8.5)
        self._draw_legend(legend, legend_columns)

    def tiles(self) -> list[Axes]:
        width, height = self._size
        left = (width - self._columns * self._tile[0]) / 2
        top = height - self._heading_height
        places = [(column, row) for row in range(self._rows) for column in range(self._columns)]
        return [
            self.figure.add_axes(
                (
                    (left + column * self._tile[0]) / width + 0.002,
                    (top - (row + 1) * self._tile[1]) / height + 0.002,
                    self._tile[0] / width - 0.004,
                    self._tile[1] / height - 0.004,
                ),
                facecolor="black",
                xticks=[],
                yticks=[],
                frame_on=False,
            )
            for column, row in places
        ]

    def _draw_legend(self, legend: list[tuple[tuple | None, str]], columns: int) -> None:
        rows = -(-len(legend) // columns)
        for place, (colour, text) in enumerate(legend):
            column, row = divmod(place, rows)
            x, y = 0.12 + column * self._size[0] / columns, self._legend_height - 0.2 - 0.24 * row
            if colour is not None:
                patch = Rectangle(self._share(x, y - 0.04), 0.2 / self._size[0], 0.13 / self._size[1], facecolor=colour)
                self.figure.add_artist(patch)
            self._text(x + (0.3 if colour is not None else 0), y, text, size=8.5)

    def _share(self, x: float, y: float) -> tuple[float, float]:
        return x / self._size[0], y / self._size[1]

    def _text(self, x: float, y: float, text: str, size: float) -> None:
        self.figure.text(*self._share(x, y), text, color="white", fontsize=size, va="center_baseline", parse_math=False)


def _legend_rows(segmentation: Segmentation) -> list[tuple[tuple | None, str]]:
    """(colour, text) of every label that was found, and a last row that counts those that were not."""
    rows, missing = [], []
    for label, row in zip_longest(segmentation.labels.labels, label_volumes(segmentation)):
        if row["voxels"]:
            rows.append((_shares(label.colour), f"{label.name}  {millilitres(row['volume_ml'])}"))
        else:
            missing.append(label.name)
    if missing:
        names = ", ".join(missing) if len(missing) <= 3 else f"{len(missing)} of {len(missing) + len(rows)} labels"
        rows.append((None, f"Not found: {names}"))
    return rows


def millilitres(volume_ml: float) -> str:
    """A volume as a person reads it: three significant digits, but whole millilitres from 1000 on."""
    digits = 3 if volume_ml < 1 else 2 if volume_ml < 10 else 1 if volume_ml < 1000 else 0
    return f"{volume_ml:.{digits}f} ml"


def _shares(colour: tuple[int, int, int]) -> tuple[float, ...]:
    return tuple(part / 255 for part in colour)


def _pixel_mm(view: View, geometry: Geometry) -> tuple[float, float]:
    return geometry.spacing[view.down], geometry.spacing[view.right]


def _cropped(slices: list[np.ndarray], view: View, geometry: Geometry) -> tuple[slice, slice]:
    """The rows and columns that hold every segment and at least 40 mm (or half their extent) of what is round them."""
    if not slices:
        return slice(None), slice(None)
    occupied = np.any(slices, axis=0)
    box = []
    for axis, pixel in enumerate(_pixel_mm(view, geometry)):
        found = np.flatnonzero(occupied.any(axis=1 - axis))
        margin = round(max(40 / pixel, 0.25 * (np.ptp(found) + 1)))
        box.append(slice(max(found[0] - margin, 0), found[-1] + 1 + margin))
    return tuple(box)


def _percentile_window(greys: list[np.ndarray]) -> tuple[float, float]:
    low, high = np.percentile(np.stack(greys), PERCENTILES)
    return float(low), float(max(high, low + 1e-6))


def _draw_slice(axes: Axes, grey: np.ndarray, pixel_mm: tuple[float, float], window: tuple[float, float]) -> None:
    """The slice in mm: pixel (0, 0) has its centre at (0, 0)."""
    (rows, columns), (tall, wide) = grey.shape, pixel_mm
    extent = (-0.5 * wide, (columns - 0.5) * wide, (rows - 0.5) * tall, -0.5 * tall)
    axes.imshow(grey, cmap="gray", vmin=window[0], vmax=window[1], extent=extent, interpolation="bicubic", aspect="equal")


def _draw_edges(axes: Axes, labels: np.ndarray, pixel_mm: tuple[float, float], segmentation: Segmentation) -> None:
    lines, colours = [], []
    for label in segmentation.labels.labels:
        mask = labels == label.value
        if mask.any():
            edges = find_contours(np.pad(mask, 1).astype(np.float32), _EDGE_LEVEL)
            lines += [((edge - 1) * pixel_mm)[:, ::-1] for edge in edges]
            colours += [_shares(label.colour)] * len(edges)
    axes.add_collection(LineCollection(lines, colors="black", linewidths=2.0, alpha=0.5), autolim=False)
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=1.1), autolim=False)


def _draw_marks(axes: Axes, view: View, geometry: Geometry, number: int) -> None:
    style = {"color": "#ffe08a", "fontsize": 8, "transform": axes.transAxes, "path_effects": _OUTLINED}
    places = ((0.015, 0.5, "left", "center"), (0.985, 0.5, "right", "center"))
    places += ((0.5, 0.985, "center", "top"), (0.5, 0.015, "center", "bottom"))
    for (x, y, horizontal, vertical), letters in zip(places, view.sides(geometry), strict=True):
        axes.text(x, y, letters, ha=horizontal, va=vertical, weight="bold", **style)
    count = geometry.size[view.across]
    place = f"{number + 1}/{count}\n{slice_position(geometry, view.across, number)}"
    axes.text(0.015, 0.985, place, ha="left", va="top", **style)
    _draw_scale(axes, style)


def slice_position(geometry: Geometry, across: int, number: int) -> str:
    """Where slice `number` lies along its normal, in mm from the scanner's origin, for example "RP 45.2 mm"."""
    index = np.zeros(3)
    index[across] = number
    normal = geometry.axes[:, across]
    position = float(geometry.index_to_physical(index) @ normal)
    return f"{side(normal if position >= 0 else -normal)} {abs(position):.1f} mm"


def _draw_scale(axes: Axes, style: dict) -> None:
    """A bar of a round length, at most a quarter of the tile, at the lower right."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    length = max((mm for mm in (1, 2, 5, 10, 20, 50, 100, 200) if mm <= (right - left) / 4), default=1)
    end, height = right - 0.03 * (right - left), bottom + 0.04 * (top - bottom)
    axes.plot([end - length, end], [height, height], color=style["color"], linewidth=1.5, path_effects=_OUTLINED)
    share = 1 - 0.03 - length / (right - left) / 2
    axes.text(share, 0.05, f"{length} mm", ha="center", va="bottom", **style)
