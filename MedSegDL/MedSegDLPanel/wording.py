"""Numbers and states in the words of the panel."""

from __future__ import annotations

import re

from slicer.i18n import tr as _


def timeLeft(seconds: float | None) -> str:
    """ "about 40 s left"; empty while unknown. Coarser the longer it takes, so that the words do not flicker."""
    if seconds is None:
        return ""
    if seconds < 1:
        return _("almost done")
    if seconds < 10:
        return _("about {seconds} s left").format(seconds=round(seconds))
    if seconds < 90:
        return _("about {seconds} s left").format(seconds=5 * round(seconds / 5))
    return _("about {minutes} min left").format(minutes=round(seconds / 60))


def stage(name: str) -> str:
    """What the worker is doing, for a stage that it names."""
    return {
        "": _("Starting"),
        "model": _("Loading the model"),
        "preprocess": _("Preparing the volume"),
        "trial": _("Trying how fast this computer is"),
        "network": _("Segmenting"),
        "postprocess": _("Cleaning up"),
    }.get(name, name)


def millilitres(volume: float) -> str:
    """Three digits that count: 0.120, 1.20, 12.0, 120."""
    return f"{volume:#.3g}" if volume < 100 else f"{volume:.0f}"


def breakable(text: str) -> str:
    """With places where a narrow label or column may break a long name: invisible ones after dots, slashes and underscores."""
    return re.sub(r"([./\\_])", "\\1\u200b", text)
