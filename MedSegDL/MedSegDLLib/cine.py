"""How a volume changes over the heart beat: end-diastolic and end-systolic volume, stroke volume, ejection fraction."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from MedSegDLLib.volume_curve import VolumeCurve, report_of_curve, summary_of, write_curves

__all__ = ["VolumeCurve", "figure_of", "report_of_curve", "summary_of", "write_curves"]

_CAPTION_CHARACTERS = 95  # what fits under the curve in one line


def figure_of(curves: Sequence[VolumeCurve], title: str, notes: Sequence[str] = ()) -> Figure:
    """Volume over time (or frame) with end diastole and end systole marked, and the numbers that follow from them."""
    figure = Figure(figsize=(8, 4.6 + 0.2 * (len(notes) + len(curves))), layout="constrained")
    axes = figure.add_subplot()
    figure.suptitle("\n".join((title, *notes)), fontsize=9, x=0.02, ha="left", parse_math=False)
    for curve in curves:
        _draw_curve(axes, curve)
    axes.margins(x=0.1)
    if not curves[0].times_s:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, 1.15 * max(*(curve.end_diastolic_ml for curve in curves), 1.0))
    axes.set_xlabel("Time after the first frame (s)" if curves[0].times_s else "Frame")
    axes.set_ylabel("Volume (ml)")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    summaries = "\n".join(fill(summary_of(curve), _CAPTION_CHARACTERS) for curve in curves)
    figure.supxlabel(summaries, fontsize=8.5, parse_math=False)
    return figure


def _draw_curve(axes: Axes, curve: VolumeCurve) -> None:
    colour = tuple(part / 255 for part in curve.colour)
    across = curve.times_s or range(len(curve.volumes_ml))
    axes.plot(across, curve.volumes_ml, "-o", color=colour, markersize=4, label=curve.label)
    for name, frame, offset in (("ED", curve.end_diastolic_frame, 9), ("ES", curve.end_systolic_frame, -16)):
        place = across[frame], curve.volumes_ml[frame]
        axes.plot(*place, "o", markersize=10, markerfacecolor="none", markeredgecolor=colour)
        text = f"{name} {curve.volumes_ml[frame]:.1f} ml"
        axes.annotate(
            text,
            place,
            (0, offset),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )
