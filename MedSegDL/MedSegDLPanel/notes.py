"""Labels that must not be overlooked, in the palette's own colours: a style sheet would keep those of an earlier theme."""

from __future__ import annotations

import qt


def standOut(*labels: qt.QLabel) -> None:
    """Give labels a frame and the background of every second row of a table."""
    for label in labels:
        label.setFrameShape(qt.QFrame.StyledPanel)
        label.setMargin(4)
        label.setAutoFillBackground(True)
        label.setBackgroundRole(qt.QPalette.AlternateBase)
