"""How good the network of a run is on whole volumes of patients that it does not train on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from MedSegDLLib.labels import LabelTable
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.progress import CancelToken
from MedSegDLTrainLib.cases import Case, read_dataset
from MedSegDLTrainLib.checkpoints import Weights
from MedSegDLTrainLib.job import TrainingJob
from MedSegDLTrainLib.measure import case_rows, patient_scores, score
from MedSegDLTrainLib.run_folder import CaseRows
from MedSegDLTrainLib.run_model import model_of_weights

_DISTANCES = ("surface_distance_mean_mm", "hd95_mm")


@dataclass(frozen=True)
class Validated:
    """`score`: the job's measure, None if it is undefined everywhere; the same for each patient; the rows of each case."""

    score: float | None
    patients: dict[str, float]
    cases: dict[str, CaseRows]
    seconds: float


class Validator:
    """Runs a state's weights on the validation cases through `segment`, as users run a model."""

    def __init__(self, job: TrainingJob, folder: Path, table: LabelTable, cases: Sequence[Case], device: str) -> None:
        self._job, self._folder, self._table, self.cases = job, folder, table, cases
        self._dataset = read_dataset(folder)
        self._options = SegmentOptions(device=device, precision=job.optimisation.precision)

    def __call__(self, weights: Weights, cancel: CancelToken) -> Validated:
        """How good the job's network is with `weights`; raises Cancelled within one patch when asked to stop."""
        began, metric = time.monotonic(), self._job.validation.metric
        rows = self._rows(weights, self.cases, cancel)
        owners = {case.name: case.patient for case in self.cases}
        cases = {name: CaseRows(owners[name], tuple(labels)) for name, labels in rows.items()}
        seconds = time.monotonic() - began
        return Validated(score(rows, owners, metric), patient_scores(rows, owners, metric), cases, seconds)

    def expected_seconds(self, weights: Weights, cancel: CancelToken) -> float:
        """About how long a validation takes: its first case is tried. 0 without cases; raises Cancelled."""
        began = time.monotonic()
        self._rows(weights, self.cases[:1], cancel)
        return (time.monotonic() - began) * len(self.cases)

    def _rows(self, weights: Weights, cases: Sequence[Case], cancel: CancelToken) -> dict[str, list[dict]]:
        model = model_of_weights(self._job, self._table, weights, "run")
        surfaces = self._job.validation.metric in _DISTANCES
        return {
            case.name: case_rows(model, self._folder, case, self._dataset, self._options, surfaces=surfaces, cancel=cancel)
            for case in cases
        }
