"""Which image to correct next: the one of whose prediction a model is least sure (see MedSegDLLib.uncertainty).

Each image's score and prediction are kept in the case folder, so that asking again, or after a stop, goes on:

    .prepared/.next/<model>/<image>.json        by the first digits of the SHA-256 of the weights and of the image's file
    .prepared/.next/<model>/<image>.seg.nrrd    the prediction, with the names and colours of the model's labels
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from MedSegDLLib.atomic import why, written_beside
from MedSegDLLib.checkpoint import Model
from MedSegDLLib.errors import Cancelled, DeviceError, InputError, MedSegDLError, OutputError
from MedSegDLLib.files import IMAGE_SUFFIXES, read_image, suffix_of
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.progress import CancelToken
from MedSegDLLib.segment import segment
from MedSegDLLib.segmentation_file import SEGMENTATION_SUFFIX, write_segmentation
from MedSegDLLib.strict_json import read_json, to_json
from MedSegDLTrainLib.case_folder import content_of, file_key
from MedSegDLTrainLib.cases import CASES_FILE, PREDICTED, image_path, next_folder, read_case_list


@dataclass(frozen=True)
class Uncorrected:
    """An image that nobody has corrected: of a case, or (`case` is empty) of none yet."""

    case: str
    image: Path

    @property
    def name(self) -> str:
        """For a person."""
        return self.case or self.image.name


@dataclass(frozen=True)
class Score:
    """`mean_entropy` in bits a voxel of a model's prediction; `content` is the image's, as in cases.json."""

    mean_entropy: float
    content: str


@dataclass(frozen=True)
class Ranked:
    """An image, how unsure the model is of it, and the file of its prediction."""

    uncorrected: Uncorrected
    mean_entropy: float
    prediction: Path

    def to_json(self) -> dict:
        """As `cases next --json` tells it."""
        return {
            "case": self.uncorrected.case,
            "image": str(self.uncorrected.image),
            "mean_entropy": round(self.mean_entropy, 6),
            "prediction": str(self.prediction),
        }


# Called with how many images are done, of how many, and which comes now.
Tell = Callable[[int, int, str], None]
# Called with a sentence about an image that is left out.
Warn = Callable[[str], None]


def uncorrected(folder: Path, images: Path | None = None) -> list[Uncorrected]:
    """The predicted cases of a folder, and the image files directly in `images`.

    Raises InputError for a case folder that cannot be read, or if `images` is no folder.
    """
    found = []
    if images is None or (folder / CASES_FILE).is_file():
        cases = read_case_list(folder).cases
        found = [Uncorrected(case.name, image_path(folder, case)) for case in cases if case.status == PREDICTED]
    return found + [Uncorrected("", path) for path in _image_files(images)]


def ranked(
    folder: Path,
    found: Iterable[Uncorrected],
    model: Model,
    device: str,
    tell: Tell,
    warn: Warn,
    cancel: CancelToken,
) -> list[Ranked]:
    """Those of `found` that are not corrected cases, least sure first; files that cannot be segmented are left out.

    Raises Cancelled, DeviceError, and OutputError where scores cannot be kept.
    """
    found, kept = list(found), next_folder(folder) / model.card.weights_sha256[:32]
    _make(kept)
    known = _known_contents(folder)
    result = []
    for number, item in enumerate(found):
        tell(number, len(found), item.name)
        try:
            key = file_key(item.image)
            prediction = kept / f"{key}{SEGMENTATION_SUFFIX}"
            score = _kept_score(kept / f"{key}.json", prediction) or _scored(item.image, prediction, model, device, cancel)
        except (Cancelled, DeviceError, OutputError):
            raise
        except MedSegDLError as reason:
            warn(f"{item.name} is left out: {reason}")
            continue
        if item.case or score.content not in known:
            result.append(Ranked(item, score.mean_entropy, prediction))
    tell(len(found), len(found), "")
    return sorted(result, key=lambda one: (-one.mean_entropy, one.uncorrected.name))


def _image_files(images: Path | None) -> list[Path]:
    if images is None:
        return []
    try:
        paths = sorted(path for path in images.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as reason:
        raise InputError(f"The images in {images} cannot be listed: {why(reason)}.") from reason
    return [path for path in paths if suffix_of(path, IMAGE_SUFFIXES) and not suffix_of(path, (SEGMENTATION_SUFFIX,))]


def _make(kept: Path) -> None:
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise OutputError(f"Scores cannot be kept in {kept}: {why(reason)}.") from reason


def _known_contents(folder: Path) -> set[str]:
    cases = read_case_list(folder).cases if (folder / CASES_FILE).is_file() else ()
    return {case.image_sha256 for case in cases}


def _kept_score(path: Path, prediction: Path) -> Score | None:
    try:
        return read_json(Score, path, InputError) if prediction.is_file() else None
    except InputError:  # missing or damaged: it can be made again
        return None


def _scored(image_file: Path, prediction: Path, model: Model, device: str, cancel: CancelToken) -> Score:
    """Segment an image and keep its prediction, then its score."""
    image = read_image(image_file)
    result = segment(image, model, SegmentOptions(device=device, uncertainty=True), cancel=cancel)
    write_segmentation(result.segmentation, prediction)
    score = Score(result.mean_entropy, content_of(image))
    with written_beside(prediction.with_name(f"{prediction.name.removesuffix(SEGMENTATION_SUFFIX)}.json")) as beside:
        beside.write_text(json.dumps(to_json(score)), encoding="utf-8")
    return score
