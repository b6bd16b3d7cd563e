"""A log below a message, folded away until a person asks for details."""

from __future__ import annotations

from collections.abc import Sequence

import qt


class FoldingLog:
    """A "Details…" button and the lines that it shows or hides; without lines there is no button."""

    def __init__(self, button: qt.QPushButton, text: qt.QPlainTextEdit) -> None:
        self._button, self._text, self._shown = button, text, 0
        button.connect("toggled(bool)", text.setVisible)
        self.clear()

    def clear(self) -> None:
        """No lines, folded."""
        self._text.clear()
        self._shown = 0
        self._button.checked = False
        self._button.visible = self._text.visible = False

    def unfold(self) -> None:
        """Show the lines, as the button does."""
        self._button.checked = True

    def show(self, lines: Sequence[str]) -> None:
        """Add those of `lines` that are new since the last call; what was shown stays where a person has scrolled to."""
        for line in lines[self._shown :]:
            self._text.appendPlainText(line)
        self._shown = len(lines)
        self._button.visible = bool(lines)
