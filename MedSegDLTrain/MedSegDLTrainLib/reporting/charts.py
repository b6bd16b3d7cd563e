"""The charts of a run's report, drawn with matplotlib's Figure alone, which needs no display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from MedSegDLTrainLib.compare import PairedComparison
from MedSegDLTrainLib.measure import is_better
from MedSegDLTrainLib.reporting.facts import METRIC_NAMES
from MedSegDLTrainLib.reporting.history import History, ValidationPoint

_WIDTH = 8.4  # inches
_MOST_NAMED_BARS = 40
MOST_CLASSES = 12
_MOST_NAMED_PATIENTS = 12


@dataclass(frozen=True)
class Theme:
    """Colours of a chart on light or dark paper."""

    paper: str
    ink: str
    faint: str
    grid: str
    main: str
    accent: str
    good: str
    bad: str


LIGHT = Theme("#ffffff", "#1d232a", "#6a7480", "#e4e8ec", "#2463c9", "#c2570c", "#15803d", "#c92a2a")
DARK = Theme("#171c22", "#e4e8ec", "#98a2ae", "#2c343d", "#6ea8fe", "#f5a55a", "#4ccb7f", "#ff7b7b")


def loss_chart(history: History, theme: Theme) -> Figure:
    """The loss of every step with its running mean, and the learning rate below."""
    figure = _figure(3.9, theme)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    steps, losses = np.array(history.losses).T
    window = max(len(losses) // 60, 1)
    upper.plot(steps, losses, color=theme.main, linewidth=0.6, alpha=0.35 if window > 1 else 1, label="steps")
    if window > 1:
        means = np.convolve(losses, np.full(window, 1 / window), mode="valid")
        middles = steps[window // 2 : window // 2 + len(means)]
        upper.plot(middles, means, color=theme.main, label=f"mean of {window} of them")
        _legend(upper, theme)
    upper.set_ylim(top=np.percentile(losses, 99.5) + 0.05 * np.ptp(losses))
    lower.plot(*np.array(history.rates).T, color=theme.accent)
    lower.set_ylim(bottom=0)
    for axes, name in ((upper, "training loss"), (lower, "learning rate")):
        _dress(axes, theme, name)
    _dress_steps(lower, theme)
    return figure


def validation_chart(history: History, metric: str, theme: Theme) -> Figure:
    """The validation's score over steps, each patient thin, the best one marked."""
    figure = _figure(3.3, theme)
    axes = figure.subplots()
    defined = [point for point in history.validations if point.score is not None]
    points = [point for point in defined if point.blend is None]
    for patient in sorted({patient for point in points for patient in point.patients}):
        values = [(p.step, p.patients[patient]) for p in points if p.patients.get(patient) is not None]
        axes.plot(*np.array(values).T, color=theme.faint, linewidth=0.8, alpha=0.6, marker="." if len(points) < 3 else "")
    axes.plot([p.step for p in points], [p.score for p in points], color=theme.main, linewidth=2, marker="o", markersize=4)
    blends = [point for point in defined if point.blend is not None]
    axes.plot([p.step for p in blends], [p.score for p in blends], color=theme.main, linestyle="", marker="D", markersize=5)
    best = _best(defined, metric)
    axes.plot(best.step, best.score, color=theme.accent, marker="*", markersize=15, zorder=5)
    axes.margins(x=0.08)
    axes.annotate(
        f"best: {best.score:.3f} at step {best.step}" + (f", {best.blend:.0%} new weights" if best.blend else ""),
        (best.step, best.score),
        textcoords="offset points",
        xytext=(0, 12),
        ha="right" if best.step > (points[0].step + points[-1].step) / 2 else "left",  # towards the middle
        color=theme.accent,
        weight="bold",
    )
    axes.margins(y=0.15)
    _dress(axes, theme, METRIC_NAMES[metric])
    _dress_steps(axes, theme)
    return figure


def _best(points: Sequence[ValidationPoint], metric: str) -> ValidationPoint:
    """The first of the best."""
    best = points[0]
    for point in points[1:]:
        best = point if is_better(metric, point.score, best.score) else best
    return best


def case_chart(scores: Mapping[str, float], theme: Theme) -> Figure:
    """A bar for each case's Dice (0…1), the best at the top, with mean and median; names while there is room for them."""
    names = sorted(scores, key=lambda name: scores[name], reverse=True)
    values, named = [scores[name] for name in names], len(names) <= _MOST_NAMED_BARS
    figure = _figure(1.1 + (0.26 * max(len(names), 2) if named else 2.8), theme)
    axes = figure.subplots()
    colours = [theme.bad if value < 0.5 else theme.main for value in values]
    axes.barh(range(len(names)), values, color=colours, height=0.72 if named else 1.0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)) if named else [0, len(names) - 1], names if named else [names[0], names[-1]])
    axes.set_xlim(0, 1.08)
    axes.set_xticks(np.linspace(0, 1, 6))
    for row, value in enumerate(values) if named else ():
        axes.text(1.02, row, f"{value:.3f}", va="center", color=theme.ink, fontsize=8.5)
    for value, style, what in ((fmean(values), "-", "mean"), (median(values), "--", "median")):
        axes.axvline(value, color=theme.accent, linestyle=style, linewidth=1.3, label=f"{what} {value:.3f}")
    _dress(axes, theme, "", grid="x")
    _legend(axes, theme, loc="lower center", ncols=2, bbox_to_anchor=(0.5, 1))
    axes.set_xlabel("Dice (mean over labels)", color=theme.faint)
    return figure


def confusion_chart(counts: np.ndarray, names: Sequence[str], theme: Theme) -> Figure:
    """What share of each reference class's voxels (row) was predicted as which class (column), in percent.

    `counts` as of `measure.confusion`; `names` are those of its classes, background first.
    """
    shown = most_confused(counts, MOST_CLASSES)
    names, size = [fill(names[n], 22) for n in shown], len(shown)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100.0 * counts, totals, out=np.zeros(counts.shape), where=totals > 0)[np.ix_(shown, shown)]
    figure = _figure(1.2 + 0.45 * size, theme, width=min(3.0 + 0.8 * size, _WIDTH + 2))
    axes = figure.subplots()
    colours = LinearSegmentedColormap.from_list("shares", (theme.paper, theme.main))
    axes.imshow(shares, cmap=colours, vmin=0, vmax=100, aspect="auto")
    for row, column in np.ndindex(size, size):
        value = shares[row, column]
        ink = theme.paper if value > 55 else theme.ink if value >= 0.05 else theme.faint
        axes.text(column, row, _percent(value), ha="center", va="center", color=ink, fontsize=8)
    axes.set_xticks(range(size), names, rotation=0 if size <= 3 else 40, ha="center" if size <= 3 else "right")
    axes.set_yticks(range(size), names)
    for edge in range(size + 1):
        axes.axhline(edge - 0.5, color=theme.grid, linewidth=0.8)
        axes.axvline(edge - 0.5, color=theme.grid, linewidth=0.8)
    _dress(axes, theme, "reference", grid="")
    axes.set_xlabel("predicted", color=theme.faint)
    return figure


def most_confused(counts: np.ndarray, most: int) -> list[int]:
    """Classes with the largest number of voxels given to or taken from another one, background (0) always among them."""
    if len(counts) <= most:
        return list(range(len(counts)))
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    chosen = sorted(range(1, len(counts)), key=lambda n: wrong[n], reverse=True)[: most - 1]
    return [0, *sorted(chosen)]


def comparison_chart(comparison: PairedComparison, theme: Theme) -> Figure:
    """A line for each patient from the old model's value to the new one's, and the means."""
    figure = _figure(4.2, theme, width=6.0)
    axes = figure.subplots()
    for old, new in comparison.patients.values():
        better = is_better(comparison.metric, new, old)
        colour = theme.good if better else theme.bad if new != old else theme.faint
        axes.plot((0, 1), (old, new), color=colour, linewidth=1.1, marker="o", markersize=4, alpha=0.85)
    axes.plot((0, 1), (comparison.old, comparison.new), color=theme.ink, linewidth=2.6, marker="D", markersize=6)
    _name_ends(axes, comparison, theme)
    axes.set_xlim(-0.45, 1.7)
    axes.set_xticks((0, 1), ("old model", "new model"))
    _dress(axes, theme, METRIC_NAMES[comparison.metric])
    return figure


def _name_ends(axes: Axes, comparison: PairedComparison, theme: Theme) -> None:
    """The means, and the patients while there is room, beside the ends of their lines and apart from each other."""
    mean = f"mean {comparison.new:.3f}"
    ends = {patient: new for patient, (_, new) in comparison.patients.items()}
    ends = (ends if len(ends) <= _MOST_NAMED_PATIENTS else {}) | {mean: comparison.new}
    low, high = axes.get_ylim()
    for name, place in _apart(ends, (high - low) / 18).items():
        style = {"color": theme.ink, "weight": "bold"} if name == mean else {"color": theme.faint, "fontsize": 8.5}
        axes.text(1.06, place, name, va="center", parse_math=False, **style)
    axes.text(-0.06, comparison.old, f"mean {comparison.old:.3f}", ha="right", va="center", color=theme.ink, weight="bold")


def _apart(places: Mapping[str, float], gap: float) -> dict[str, float]:
    """The places, moved upwards in order as far as needed to be `gap` apart, and all back by half of the farthest move."""
    moved: dict[str, float] = {}
    for name in sorted(places, key=lambda name: places[name]):
        moved[name] = max(places[name], max(moved.values()) + gap) if moved else places[name]
    back = max(moved[name] - places[name] for name in places) / 2
    return {name: place - back for name, place in moved.items()}


def _figure(height: float, theme: Theme, width: float = _WIDTH) -> Figure:
    return Figure(figsize=(width, height), facecolor=theme.paper, layout="constrained")


def _dress(axes: Axes, theme: Theme, name: str, grid: str = "y") -> None:
    """The house's look: no frame, a faint grid, the ordinate's name upright on the left."""
    axes.set_facecolor(theme.paper)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(colors=theme.faint, labelcolor=theme.ink, length=0, labelsize=9)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=theme.grid, linewidth=0.8)
    axes.set_ylabel(name, color=theme.faint)


def _dress_steps(axes: Axes, theme: Theme) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9))
    axes.set_xlabel("step", color=theme.faint)


def _legend(axes: Axes, theme: Theme, **place: object) -> None:
    legend = axes.legend(frameon=False, fontsize=8.5, **place)
    for text in legend.get_texts():
        text.set_color(theme.ink)


def _percent(value: float) -> str:
    if value == 0:
        return "–"
    return f"{value:.1f}" if value >= 0.05 else "<0.1"
