"""Models measured on cases, kept in a folder, so that a second report is fast.

measured.json                     rows and confusion of each case, by the SHA-256 of all that they depend on
predictions/<digits>/CASE.nii.gz  what a model marked, with the values of its own labels
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors.torch

from MedSegDLLib.checkpoint import Model
from MedSegDLLib.checksums import sha256_of
from MedSegDLLib.errors import InputError
from MedSegDLLib.files import read_labelmap, write_labelmap
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.segment import segment
from MedSegDLLib.strict_json import read_json, to_json, write_json
from MedSegDLTrainLib.cases import Case, Dataset, image_path, label_path, read_case
from MedSegDLTrainLib.measure import Comparison, comparison, confusion, rows_of

MEASURED_FILE, PREDICTIONS_FOLDER = "measured.json", "predictions"

_KEY_DIGITS = 16


@dataclass(frozen=True)
class MeasuredCase:
    """Rows of `measure.rows_of` with surfaces, and the counts of `measure.confusion`, of one model on one case."""

    case: str
    rows: tuple[dict[str, str | int | float | None], ...]
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class _Kept:
    """measured.json: by key."""

    cases: dict[str, MeasuredCase] = field(default_factory=dict)


class Measurer:
    """Measures models on the cases of one case folder, and keeps what it found in the folder `kept`."""

    def __init__(self, folder: Path, dataset: Dataset, kept: Path, device: str, tell: Callable[[str], None]) -> None:
        self._folder, self._dataset, self._kept, self._tell = folder, dataset, kept, tell
        self._options = SegmentOptions(device=device, precision="float32")  # the same figures on every machine

    def measured(self, model: Model, cases: Sequence[Case]) -> dict[str, MeasuredCase]:
        """By the names of the cases; what is known already is not measured again. Raises as `measure.case_rows`."""
        known, model_key = self._read(), fingerprint(model)
        result = {}
        for number, case in enumerate(cases, 1):
            key = self._key(model_key, case)
            if key not in known:
                self._tell(f"measuring case {number} of {len(cases)}: {case.name}")
                known[key] = self._measure(model, model_key, case)
                self._write(known)
            result[case.name] = known[key]
        return result

    def predictions_of(self, model: Model) -> Path:
        """The folder in which what `model` marked is kept, as CASE.nii.gz."""
        return self._kept / PREDICTIONS_FOLDER / fingerprint(model)[:_KEY_DIGITS]

    def comparison(self, model: Model, case: Case) -> Comparison:
        """What `model` marked in `case`, beside its labels."""
        path = self._prediction_path(fingerprint(model), case)
        image, reference = read_case(self._folder, case, self._dataset)
        prediction = read_labelmap(path) if path.is_file() else self._segmented(model, image, path)
        return comparison(reference, self._dataset.labels, prediction, model.labels)

    def _measure(self, model: Model, model_key: str, case: Case) -> MeasuredCase:
        self._prediction_path(model_key, case).unlink(missing_ok=True)  # the image may be another one than before
        pair = self.comparison(model, case)
        return MeasuredCase(case.name, tuple(rows_of(pair, surfaces=True)), tuple(map(tuple, confusion(pair).tolist())))

    def _segmented(self, model: Model, image: Image, path: Path) -> LabelMap:
        """Segment, and keep what was marked in the file `path`."""
        labelmap = segment(image, model, self._options).segmentation.labelmap
        path.parent.mkdir(parents=True, exist_ok=True)
        write_labelmap(labelmap, path)
        return labelmap

    def _prediction_path(self, model_key: str, case: Case) -> Path:
        return self._kept / PREDICTIONS_FOLDER / model_key[:_KEY_DIGITS] / f"{case.name}.nii.gz"

    def _key(self, model_key: str, case: Case) -> str:
        """Of the model, and of the files of the case."""
        files = (image_path(self._folder, case), label_path(self._folder, case))
        parts = [model_key, case.name, json.dumps(self._dataset.labels), *map(sha256_of, files)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _read(self) -> dict[str, MeasuredCase]:
        """What is known; nothing if the file is missing or damaged: it can be made again."""
        try:
            return dict(read_json(_Kept, self._kept / MEASURED_FILE, InputError).cases)
        except InputError:
            return {}

    def _write(self, known: dict[str, MeasuredCase]) -> None:
        write_json(_Kept(known), self._kept / MEASURED_FILE)


def fingerprint(model: Model) -> str:
    """SHA-256 of a model's weights and of everything else that its segmentations depend on."""
    weights = {name: tensor.detach().contiguous() for name, tensor in model.network.state_dict().items()}
    card = model.card
    settings = [to_json(part) for part in (card.network, card.preprocessing, card.inference, card.postprocessing)]
    names = [(label.value, label.name) for label in model.labels.labels]
    return hashlib.sha256(safetensors.torch.save(weights) + json.dumps([settings, names]).encode()).hexdigest()


def added_confusion(measured: Sequence[MeasuredCase]) -> np.ndarray:
    """The counts of all cases together, (classes, classes)."""
    return np.sum([case.confusion for case in measured], axis=0)
