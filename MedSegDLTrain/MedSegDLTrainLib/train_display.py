"""Showing a run: a line for a person, the events for a program, or nothing."""

from __future__ import annotations

import json
from typing import TextIO

from MedSegDLLib.progress_display import Bar, duration
from MedSegDLTrainLib.progress import Listener


def train_display(kind: str | None, stdout: TextIO, stderr: TextIO) -> Listener:
    """A listener of a kind in progress_display.KINDS; None is a bar on a terminal and nothing elsewhere."""
    if kind == "json":
        return JsonLines(stdout)
    if kind == "bar" or (kind is None and stderr.isatty()):
        return TrainBar(stderr)
    return _nothing


def _nothing(event: dict) -> None:
    pass


class JsonLines:
    """One event a line, for as long as anybody reads them: a run does not end because its reader does."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._heard = stream, True

    def __call__(self, event: dict) -> None:
        try:
            if self._heard:
                print(json.dumps(event), file=self._stream, flush=True)
        except BrokenPipeError:
            self._heard = False


class TrainBar:
    """A bar with the present loss; validations, warnings and the end stay readable above it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._bar, self._steps = stream, Bar(stream), 1

    def __call__(self, event: dict) -> None:
        kind = event["event"]
        if kind == "started":
            self._steps = event["steps"]
        elif kind == "preparing":
            self._bar("preparing", event["done"] / event["of"], None)
        elif kind == "step":
            self._bar.name(f"step {event['step']} of {self._steps}  loss {event['loss']:.4f}")
            self._bar("training", event["step"] / self._steps, event["seconds_left"])
        elif text := line_of(event):
            self._bar.clear()
            self._stream.write(text + "\n")


def line_of(event: dict) -> str:
    """What a person should read of an event; empty for those that only move the bar."""
    kind = event["event"]
    if kind == "validation" and event["score"] is not None:
        return f"step {event['step']}: {event['metric']} {event['score']:.4f}{' (best)' if event['best'] else ''}"
    if kind == "finished":
        best = "" if event["best_score"] is None else f", best {event['best_score']:.4f} at step {event['best_step']}"
        return f"finished after {duration(event['seconds'])} of training and validating{best}"
    if kind == "paused":
        return f"paused: {event['reason']}"
    return event.get("text", "") if kind in ("warning", "taken_over") else ""
