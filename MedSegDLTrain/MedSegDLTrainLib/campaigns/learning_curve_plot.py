"""The picture of a learning curve, drawn with matplotlib's Figure alone, which needs no display."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from MedSegDLTrainLib.campaigns.power_law import TARGET, Point, PowerLaw, advice

_INK, _FAINT, _GRID, _MAIN, _ACCENT, _GOOD = "#1d232a", "#6a7480", "#e4e8ec", "#2463c9", "#c2570c", "#15803d"
_FARTHEST = 25  # times the largest number that was tried: no point is drawn beyond
_TICKS = tuple(step * 10**power for power in range(5) for step in (1, 2, 5))


def curve_figure(points: Sequence[Point], law: PowerLaw | None, what: str) -> Figure:
    """Dice of every training over the number of cases (logarithmic), the law through them, and where it reaches TARGET.

    `what` is what the cases are called, in the plural.
    """
    figure = Figure(figsize=(8.4, 5.4), layout="constrained", facecolor="white")
    axes = figure.subplots()
    left, right = 0.85 * min(_tried(points), default=1), _right_end(points, law)
    _draw_target(axes, left)
    if law is not None:
        _draw_law(axes, points, law, right)
    _draw_points(axes, points, what)
    _dress(axes, points, (left, right), what)
    key = figure.legend(
        loc="outside upper left",
        ncols=2,
        title=f"What more {what} would bring",
        title_fontproperties={"size": 13, "weight": "bold"},
        alignment="left",
        labelcolor=_INK,
        frameon=False,
    )
    key.get_title().set_color(_INK)
    figure.supxlabel(textwrap.fill(advice(points, law, what), 112), color=_INK, fontsize=10.5, x=0.012, ha="left")
    return figure


def _tried(points: Sequence[Point]) -> list[int]:
    return sorted({point.count for point in points if point.count})


def _reached(points: Sequence[Point], law: PowerLaw | None) -> float | None:
    """The number of cases at which TARGET is reached, if it is near enough to be drawn."""
    needed = law.reaches(TARGET) if law else None
    return needed if needed is not None and 1 <= needed <= _FARTHEST * max(_tried(points), default=1) else None


def _right_end(points: Sequence[Point], law: PowerLaw | None) -> float:
    return max(2.6 * max(_tried(points), default=1), 1.5 * (_reached(points, law) or 1))


def _draw_target(axes: Axes, left: float) -> None:
    axes.axhline(TARGET, color=_GOOD, linewidth=1, linestyle=(0, (2, 2)))
    axes.annotate(f"Dice {TARGET}", (left, TARGET), (4, 3), textcoords="offset points", color=_GOOD, fontsize=9)


def _draw_law(axes: Axes, points: Sequence[Point], law: PowerLaw, right: float) -> None:
    first, last = _tried(points)[0], _tried(points)[-1]
    quality = "" if law.r_squared is None else f"   (R² = {law.r_squared:.2f})"
    label = f"Dice = {law.alpha:.3f} · $n^{{{law.beta:.3f}}}${quality}"
    for start, end, style, name in ((first, last, "-", label), (last, right, (0, (5, 3)), "the same, beyond what was tried")):
        counts = np.geomspace(start, end, 200)
        axes.plot(counts, [law.at(count) for count in counts], color=_MAIN, linewidth=1.8, linestyle=style, label=name)
    needed = _reached(points, law)
    if needed is not None:
        axes.plot([needed], [TARGET], "D", color=_GOOD, markersize=7, zorder=4)
        axes.annotate(
            f"n ≈ {max(round(needed), 1)}",
            (needed, TARGET),
            (9, -14),
            textcoords="offset points",
            color=_GOOD,
            weight="bold",
        )


def _draw_points(axes: Axes, points: Sequence[Point], what: str) -> None:
    trained = [(point.count, point.dice) for point in points if point.count]
    if trained:
        axes.plot(*np.array(trained).T, "o", color=_ACCENT, markersize=6.5, alpha=0.85, zorder=3, label="one training each")
    for point in points:
        if not point.count:
            label = f"the start model, no {what} (Dice {point.dice:.2f})"
            axes.axhline(point.dice, color=_FAINT, linewidth=1.2, linestyle=(0, (1, 2)), label=label)


def _dress(axes: Axes, points: Sequence[Point], ends: tuple[float, float], what: str) -> None:
    axes.set_xscale("log")
    axes.set_xlim(*ends)
    ticks = sorted({tick for tick in _TICKS if ends[0] <= tick <= ends[1]} | set(_tried(points)))
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    lowest = min(point.dice for point in points)
    axes.set_ylim(max(min(lowest, TARGET) - 0.08, 0), 1)
    axes.set_xlabel(f"{what} trained on (logarithmic)", color=_FAINT)
    axes.set_ylabel("Dice (the same validation patients throughout)", color=_FAINT)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_FAINT, length=0)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
