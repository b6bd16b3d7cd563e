"""A run's curves for TensorBoard (the extra `tensorboard`)."""

from __future__ import annotations

from pathlib import Path

from MedSegDLLib.errors import InputError

FOLDER = "tensorboard"


class TensorBoardLog:
    """A listener that writes loss, learning rate and validation into the folder `tensorboard` of a run."""

    def __init__(self, run: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as reason:
            raise InputError("TensorBoard is not installed: pip install tensorboard, or leave out --tensorboard.") from reason
        self._folder, self._open, self._writer = run / FOLDER, SummaryWriter, None

    def __call__(self, event: dict) -> None:
        if event["event"] == "step":
            self._add("loss", event["loss"], event["step"])
            self._add("learning rate", event["rate"], event["step"])
        elif event["event"] == "validation" and event["score"] is not None:
            self._add(event["metric"], event["score"], event["step"])
            for patient, score in event["patients"].items():
                self._add(f"{event['metric']} of a patient/{patient}", score, event["step"])

    def _add(self, name: str, value: float, step: int) -> None:
        if self._writer is None:  # a run must find its folder empty when it begins
            self._writer = self._open(str(self._folder))
        self._writer.add_scalar(name, value, step)
