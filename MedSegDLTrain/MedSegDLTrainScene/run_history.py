"""What a run has told so far, kept small however long it is (no slicer)."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_POINTS = 1000


class Thinned:
    """A curve of at most MOST_POINTS points: each is the mean of so many successive values, at the step of the last of them."""

    def __init__(self) -> None:
        self._means: list[tuple[int, float, int]] = []  # last step, mean, values in it
        self._stride = 1

    @property
    def points(self) -> list[tuple[int, float]]:
        """Step and value, in the order of steps."""
        return [(step, mean) for step, mean, _ in self._means]

    def add(self, step: int, value: float) -> None:
        """The value of a step; one that comes again, after a kill, counts instead of those from there on."""
        while self._means and self._means[-1][0] >= step:
            self._means.pop()
        if self._means and self._means[-1][2] < self._stride:
            _, mean, count = self._means.pop()
            self._means.append((step, (mean * count + value) / (count + 1), count + 1))
        else:
            self._means.append((step, value, 1))
        if len(self._means) > MOST_POINTS:
            self._halve()

    def _halve(self) -> None:
        self._stride *= 2
        pairs = zip(self._means[::2], self._means[1::2], strict=False)
        rest = self._means[len(self._means) // 2 * 2 :]
        self._means = [(b[0], (a[1] * a[2] + b[1] * b[2]) / (a[2] + b[2]), a[2] + b[2]) for a, b in pairs] + rest


@dataclass
class RunHistory:
    """`scores` are validations of the trained weights alone, `blends` (share, score) of means with those of the start."""

    loss: Thinned = field(default_factory=Thinned)
    scores: list[tuple[int, float]] = field(default_factory=list)
    blends: list[tuple[float, float]] = field(default_factory=list)
    metric: str = ""
    device: str = ""
    preparing: tuple[int, int] | None = None  # cases done, of how many, until the first step
    taken_over: str = ""  # what was taken from the model that the job starts from
    warnings: list[str] = field(default_factory=list)

    def take(self, event: dict) -> None:
        """One event of MedSegDLTrainLib.progress; what is not known is left aside."""
        if hear := _HEARD.get(event.get("event")):
            hear(self, event)


def _step(history: RunHistory, event: dict) -> None:
    history.preparing = None
    history.loss.add(event["step"], event["loss"])


def _validation(history: RunHistory, event: dict) -> None:
    history.metric = event.get("metric", history.metric)
    if event["score"] is None:
        return
    if event.get("blend") is not None:
        history.blends = [pair for pair in history.blends if pair[0] != event["blend"]] + [(event["blend"], event["score"])]
        return
    history.scores = [pair for pair in history.scores if pair[0] < event["step"]] + [(event["step"], event["score"])]


def _preparing(history: RunHistory, event: dict) -> None:
    history.preparing = event["done"], event["of"]


def _started(history: RunHistory, event: dict) -> None:
    history.preparing, history.device = None, event.get("device", "")


def _taken_over(history: RunHistory, event: dict) -> None:
    history.taken_over = event["text"]


def _warning(history: RunHistory, event: dict) -> None:
    if event["text"] not in history.warnings:
        history.warnings.append(event["text"])


_HEARD = {
    "step": _step,
    "validation": _validation,
    "preparing": _preparing,
    "started": _started,
    "taken_over": _taken_over,
    "warning": _warning,
}
