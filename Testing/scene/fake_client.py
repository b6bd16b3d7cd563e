"""A worker for tests of what waits for one: no process, no network; each test says what becomes of each request.

Without `answer` a request goes on until the test calls progress, finish, fail or stop. With it, a request finishes at the
second poll with the label map that `answer(image, options)` returns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.report import label_volumes, versions
from MedSegDLLib.segmentation import Segmentation
from MedSegDLLib.zoo import read_model
from MedSegDLScene.worker_client import Failure, Outcome, Request


@dataclass(frozen=True)
class Asked:
    """One call of `segment`."""

    image: Image
    model_folder: Path
    options: SegmentOptions
    request: Request


class FakeClient:
    """The interface of worker_client.WorkerClient."""

    def __init__(self, answer: Callable[[Image, SegmentOptions], np.ndarray] | None = None) -> None:
        self.asked: list[Asked] = []
        self.cancelled: list[Request] = []
        self.warmed: list[Path] = []
        self.devices, self.failure, self.state = (), None, "ready"
        self._answer = answer

    @property
    def last(self) -> Asked:
        return self.asked[-1]

    def start(self) -> None:
        pass

    def segment(self, image: Image, model_folder: Path, options: SegmentOptions, uncertainty: bool = False) -> Request:
        request = Request()
        self.asked.append(Asked(image, model_folder, options, request))
        return request

    def warm(self, model_folder: Path) -> None:
        self.warmed.append(model_folder)

    def ask_devices(self) -> None:
        pass

    def cancel(self, request: Request) -> None:
        self.cancelled.append(request)
        request.state = "cancelled"

    def log_tail(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        pass

    def poll(self) -> None:
        for asked in self.asked:
            if asked.request.state == "running" and self._answer:
                self._finish(asked, self._answer(asked.image, asked.options))
            elif asked.request.state == "queued":
                asked.request.state = "running"

    def progress(self, stage: str, fraction: float, seconds_left: float | None = None) -> None:
        request = self.last.request
        request.state, request.stage, request.fraction, request.seconds_left = "running", stage, fraction, seconds_left

    def finish(self, array: np.ndarray, labels: LabelTable | None = None) -> None:
        """Give the last request a label map (Z, Y, X) on its image's grid, of the model's labels."""
        self._finish(self.last, array, labels)

    def fail(self, sentence: str, *log: str) -> None:
        self.last.request.state, self.last.request.failure = "failed", Failure(sentence, log)

    def stop(self) -> None:
        """The request is cancelled, and not by whom this client belongs to."""
        self.last.request.state = "cancelled"

    def _finish(self, asked: Asked, array: np.ndarray, labels: LabelTable | None = None) -> None:
        card, table = read_model(asked.model_folder)
        table = labels or (table.named(asked.options.labels) if asked.options.labels else table)
        segmentation = Segmentation(LabelMap(array, asked.image.geometry, asked.image.name), table)
        report = {
            "model": {"id": card.id, "sha256": card.weights_sha256},
            "device": "cpu",
            "precision": "float32",
            "seconds": {"preprocess": 0.1, "network": 1.5},
            "peak_memory_mib": 120.0,
            "labels": label_volumes(segmentation),
            "versions": versions(),
        }
        asked.request.outcome = Outcome(segmentation, report, None)
        asked.request.state, asked.request.fraction = "finished", 1.0
