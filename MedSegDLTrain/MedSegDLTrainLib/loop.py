"""The loop of a run: steps, validations, checkpoints, and what others ask of it in between."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from MedSegDLLib.errors import Cancelled, OutputError
from MedSegDLLib.progress import CancelToken
from MedSegDLLib.strict_json import write_json
from MedSegDLTrainLib.checkpoints import TrainingState, Weights, save_best, save_checkpoint
from MedSegDLTrainLib.disk import is_full, when_there_is_room
from MedSegDLTrainLib.job import TrainingJob
from MedSegDLTrainLib.measure import is_better
from MedSegDLTrainLib.patches import Batch
from MedSegDLTrainLib.progress import ASKED_TO_PAUSE, EventLog
from MedSegDLTrainLib.run_folder import VALIDATION_FILE, BestValidation, request_to, withdraw_request
from MedSegDLTrainLib.run_plan import judged_at_the_end
from MedSegDLTrainLib.steps import blended
from MedSegDLTrainLib.validate import Validated, Validator

_RECENT_STEPS = 50  # that an estimate of the time left is made of
_SECONDS_BETWEEN_LOOKS = 0.1


class StopRequests(CancelToken):
    """Set by a signal, or by another process through the run's folder."""

    def __init__(self, run: Path, token: CancelToken) -> None:
        super().__init__()
        self._run, self._token = run, token

    @property
    def cancelled(self) -> bool:
        return self._token.cancelled or request_to(self._run) == "stop"

    def check(self) -> None:
        """Raise Cancelled if somebody asked to stop: between two cases, or while validating."""
        if self.cancelled:
            raise Cancelled("Stopped as asked; --resume goes on from the last checkpoint.")


@dataclass(frozen=True)
class LoopParts:
    """What a loop works with; `steps` is the number of all steps of the run, `start` what the job's blends are made with.

    `validation_seconds`: how long a validation is expected to take until there has been one, 0 if nobody knows. `facts` are
    told whenever the run starts, see the event `started` in progress.py.
    """

    job: TrainingJob
    run: Path
    steps: int
    validator: Validator
    events: EventLog
    stop: CancelToken
    checkpoint_seconds: float
    start: Weights | None = None
    validation_seconds: float = 0.0
    facts: Mapping[str, object] = field(default_factory=dict)


class Loop:
    """Takes a state from its step to the last one. Only steps change weights: everything else may happen at any time."""

    def __init__(self, parts: LoopParts, state: TrainingState) -> None:
        self._parts, self._state, self._tally = parts, state, state.tally
        self._recent: deque[float] = deque(maxlen=_RECENT_STEPS)
        self._saved_at = time.monotonic()

    def run(self, batches: Iterable[Batch], step: Callable[[Batch, int, int], float]) -> None:
        """Take a step for each batch, the last of the run among them, and finish it; raises as `run_some`."""
        self._tell_started(resumed=self._tally.step > 0)
        self.run_some(batches, step)
        self._heed()
        self._finish()

    def run_some(self, batches: Iterable[Batch], step: Callable[[Batch, int, int], float]) -> None:
        """Take a step for each batch; `step` gets the batch, the step's number from 0, and the number of all.

        Raises Cancelled, with a checkpoint saved, when asked to stop.
        """
        began = time.monotonic()
        for batch in batches:
            asked = time.monotonic()
            self._heed()
            began += time.monotonic() - asked  # a pause is no training
            loss = step(batch, self._tally.step, self._parts.steps)
            self._count(loss, len(batch.cases), time.monotonic() - began)
            if self._tally.step % self._parts.job.optimisation.steps_per_epoch == 0:
                self._end_epoch()
            if time.monotonic() - self._saved_at >= self._parts.checkpoint_seconds:
                self.save()
            began = time.monotonic()

    def tell(self, event: str, **fields: object) -> None:
        """Write an event; on a full disk wait until there is room."""
        told = self._parts.events.tell(event, step=self._tally.step, **fields)
        self._kept(lambda: self._parts.events.append(told))

    def save(self) -> None:
        """Write a checkpoint; on a full disk wait until there is room."""
        self._kept(lambda: save_checkpoint(self._state, self._parts.run))
        self._saved_at = time.monotonic()
        self.tell("checkpoint")

    def _kept(self, action: Callable[[], None]) -> None:
        when_there_is_room(
            action,
            lambda: self._tell_if_possible("paused", reason="the disk is full: make room, then the run goes on"),
            lambda: self._tell_if_possible("warning", text="There is room on the disk again: the run goes on."),
            self._parts.stop,
        )

    def _tell_if_possible(self, event: str, **fields: object) -> None:
        try:
            self._parts.events.write(event, step=self._tally.step, **fields)
        except OutputError as reason:
            if not is_full(reason):
                raise

    def _count(self, loss: float, patches: int, seconds: float) -> None:
        self._tally.step += 1
        self._tally.training_seconds += seconds
        self._recent.append(seconds)
        self._tally.epoch_loss += loss
        usual = statistics.median(self._recent)
        self.tell(
            "step",
            loss=loss,
            rate=self._state.optimizer.param_groups[0]["lr"],
            seconds_per_step=round(usual, 4),
            patches_per_second=round(patches / usual, 2),
            seconds_left=round(self._seconds_left(statistics.fmean(self._recent)), 1),
        )

    def _seconds_left(self, seconds_per_step: float) -> float:
        """Steps as fast as the last ones; as many validations as may still come, as long as the last one."""
        steps = (self._parts.steps - self._tally.step) * seconds_per_step
        once = self._seconds_of_a_validation()
        at_the_end = judged_at_the_end(self._parts.job, self._parts.start is not None)
        return steps + (self._validations_before_the_end(steps, once) + at_the_end) * once

    def _seconds_of_a_validation(self) -> float:
        """As the last one took, or as expected before the first; 0: nobody knows."""
        return self._tally.last_validation_seconds or self._parts.validation_seconds

    def _validations_before_the_end(self, seconds: float, once: float) -> int:
        """How many of `once` seconds each may come in `seconds` of steps: one an epoch at most, within their share."""
        share, how = self._parts.job.validation.share, self._parts.job.optimisation
        epochs = max(self._parts.steps - 1, 0) // how.steps_per_epoch - self._tally.step // how.steps_per_epoch
        if not once or share == 1:
            return max(epochs, 0)
        room = share / (1 - share) * (self._tally.training_seconds + seconds) - self._tally.validation_seconds
        return max(min(epochs, int(room / once)), 0)

    def _end_epoch(self) -> None:
        steps = self._parts.job.optimisation.steps_per_epoch
        self.tell("epoch", epoch=self._tally.step // steps, loss=self._tally.epoch_loss / steps)
        self._tally.epoch_loss = 0.0
        if self._validation_is_due():
            self._validate()
            self.save()  # which validation was the best is then known even after a kill

    def _validation_is_due(self) -> bool:
        """Whether validating now stays within its share of the time; not in the last epoch, which ends with one anyway.

        The first one, if nobody knows how long it takes, waits for as great a share of the steps.
        """
        tally, share, once = self._tally, self._parts.job.validation.share, self._seconds_of_a_validation()
        if not self._parts.validator.cases or tally.step >= self._parts.steps:
            return False
        if not once:
            return tally.step >= share * self._parts.steps
        spent = tally.validation_seconds + once
        return spent <= share * (tally.training_seconds + spent)

    def _validate(self) -> None:
        self.save()  # a stop or a kill meanwhile costs no step, and weights that are not finite are not judged
        self._tally.last_validation_seconds = self._judge(self._state.published.state_dict())
        self._tally.validation_seconds += self._tally.last_validation_seconds

    def _judge(self, weights: Weights, blend: float | None = None) -> float:
        """Validate `weights`, keep them if they are the best, and return the seconds that it took."""
        result = self._parts.validator(weights, self._parts.stop)
        metric, before = self._parts.job.validation.metric, self._tally.best_score
        best = result.score is not None and (before is None or is_better(metric, result.score, before))
        if best:
            self._keep_best(result, weights, blend)
        self.tell(
            "validation",
            metric=metric,
            score=result.score,
            best=best,
            patients=result.patients,
            seconds=round(result.seconds, 2),
            blend=blend,
        )
        return result.seconds

    def _keep_best(self, result: Validated, weights: Weights, blend: float | None) -> None:
        self._tally.best_step, self._tally.best_score = self._tally.step, result.score
        self._kept(lambda: save_best(weights, self._tally, self._parts.run))
        document = BestValidation(self._tally.step, self._parts.job.validation.metric, result.score, result.cases, blend)
        self._kept(lambda: write_json(document, self._parts.run / VALIDATION_FILE))

    def _finish(self) -> None:
        if self._parts.validator.cases:
            self._validate()
            self._judge_blends()
        else:
            self._kept(lambda: save_best(self._state.published.state_dict(), self._tally, self._parts.run))
        seconds = round(self._tally.training_seconds + self._tally.validation_seconds, 1)
        self.save()
        self.tell("finished", best_step=self._tally.best_step, best_score=self._tally.best_score, seconds=seconds)

    def _judge_blends(self) -> None:
        if self._parts.start is None:
            return
        for share in self._parts.job.optimisation.blends:
            weights = blended(self._parts.start, self._state.published.state_dict(), share)
            self._tally.validation_seconds += self._judge(weights, share)

    def _heed(self) -> None:
        """Do what others ask for between two steps."""
        if self._parts.stop.cancelled:
            self._stop()
        if request_to(self._parts.run) == "pause":
            self._pause()

    def _stop(self) -> None:
        self.save()
        withdraw_request(self._parts.run)
        raise Cancelled(f"Stopped as asked at step {self._tally.step}; --resume goes on from there.")

    def _pause(self) -> None:
        self.save()
        self.tell("paused", reason=ASKED_TO_PAUSE)
        while request_to(self._parts.run) == "pause" and not self._parts.stop.cancelled:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        if self._parts.stop.cancelled:
            self._stop()
        self._tell_started(resumed=True)

    def _tell_started(self, resumed: bool) -> None:
        self.tell("started", steps=self._parts.steps, resumed=resumed, **self._parts.facts)
