"""What went wrong, in a sentence, with the log on demand."""

from __future__ import annotations

from collections.abc import Sequence

from MedSegDLPanel.folding_log import FoldingLog
from MedSegDLPanel.notes import standOut


class ErrorView:
    """One message below Apply; it stays until it is closed or something else is tried."""

    def __init__(self, ui: object) -> None:
        self._ui = ui
        standOut(ui.errorLabel)
        self._log = FoldingLog(ui.errorLogButton, ui.errorLog)
        ui.errorCloseButton.connect("clicked(bool)", self.clear)
        self.clear()

    def show(self, sentence: str, log: Sequence[str] = ()) -> None:
        """Say `sentence`; `log` can be unfolded."""
        self._log.clear()
        self._log.show(log)
        self._ui.errorLabel.text = sentence
        self._ui.errorFrame.visible = True

    def clear(self) -> None:
        """Take the message away."""
        self._ui.errorFrame.visible = False
        self._log.clear()
