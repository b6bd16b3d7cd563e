"""Sunnybrook Cardiac Data (CC0 1.0) to a case folder: left-ventricular cavity in short-axis cine MR.

    python -m MedSegDLTrainLib.recipes.sunnybrook SOURCE OUTPUT

SOURCE holds sunnybrook_parts1and2.npz (30 patients, slices with a contour at end diastole and end systole) and, for some
of the same patients, SC-HF-I-<n>_<ED|ES>_{img,lab}.nii.gz: whole stacks with true geometry, in which slices without a
contour are unlabelled, not empty. Of training patients' stacks the slices well beyond apex and base (two or more from the
last contour) become negative examples; what lies between stays unlabelled. Held-out patients' stacks become cases to
measure distances in mm on. The held-out patients are the same for ever.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

from MedSegDLLib.files import read_image, read_labelmap, write_image
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLTrainLib.cases import IGNORE, Case, image_path, new_dataset, write_case_labels, write_cases

LABELS = {"left ventricular cavity": 1}

HELD_OUT = ("SC-HF-I-02", "SC-HF-I-05", "SC-HF-I-06", "SC-HF-NI-04", "SC-HYP-37", "SC-N-07")
"""Three that have geometry, and one of each other kind, drawn at random before anything was trained."""

# The slices come without spacing; the stacks that have one are 1.29…1.37 mm, 8…10 mm apart.
_ASSUMED_SPACING = (1.37, 1.37, 8.0)
_SLICES_BEYOND_CONTOURS = 2


def sunnybrook_cases(source: Path, output: Path) -> list[Case]:
    """Write the case folder `output` and return its cases."""
    (output / "imagesTr").mkdir(parents=True, exist_ok=True)
    (output / "labelsTr").mkdir(exist_ok=True)
    cases = _contoured_cases(source, output) + _stack_cases(source, output)
    write_cases(output, cases, LABELS, "MR")
    return cases


def _contoured_cases(source: Path, output: Path) -> list[Case]:
    """One case a patient: every contoured slice, stacked in the order of the file."""
    with np.load(source / "sunnybrook_parts1and2.npz") as data:
        images, masks = data["image"], data["lv"]
        patients = np.array([str(name).split("-IM-")[0] for name in data["name"]])
    cases = []
    for patient in np.unique(patients):
        chosen = patients == patient
        geometry = Geometry((images.shape[2], images.shape[1], int(chosen.sum())), _ASSUMED_SPACING)
        case = Case(str(patient), str(patient), _split(str(patient)))
        _write_case(output, case, images[chosen], masks[chosen], geometry)
        cases.append(case)
    return cases


def _stack_cases(source: Path, output: Path) -> list[Case]:
    """Whole stacks: slices beyond the contours of training patients as empty ones, contoured slices of held-out patients.

    A stack that ends with its contours has nothing to say, and is no case.
    """
    cases = []
    for path in sorted(source.glob("SC-HF-I-*_img.nii.gz")):
        number, phase = re.fullmatch(r"SC-HF-I-(\d+)_(ED|ES)_img\.nii\.gz", path.name).groups()
        patient = f"SC-HF-I-{int(number):02d}"
        image, labelmap = read_image(path), read_labelmap(path.with_name(path.name.replace("_img", "_lab")))
        if _split(patient) == "train":
            case, labels = Case(f"{patient}-beyond-{phase}", patient, "train"), _empty_beyond_contours(labelmap.array)
        else:
            case, labels = Case(f"{patient}-{phase}", patient, "test"), _contoured_only(labelmap.array)
        if (labels == IGNORE).all():
            continue  # a stack that ends where the contours end
        if (labels != IGNORE).any():
            _write_case(output, case, image.array[0], labels, image.geometry)
            cases.append(case)
    return cases


def _contoured_only(labels: np.ndarray) -> np.ndarray:
    """Cavity (1) in slices that have a contour, IGNORE in the others; the wall (2), drawn in few, becomes background."""
    contoured = (labels == 1).any(axis=(1, 2), keepdims=True)
    return np.where(contoured, labels == 1, IGNORE)


def _empty_beyond_contours(labels: np.ndarray) -> np.ndarray:
    """0 in slices far from every contour, IGNORE in the others."""
    return np.where(_far_from_contours(labels)[:, None, None], 0, np.full_like(labels, IGNORE))


def _far_from_contours(labels: np.ndarray) -> np.ndarray:
    """(Z,) whether a slice lies at least two beyond the first or last one with a contour."""
    contoured = np.nonzero(labels.any(axis=(1, 2)))[0]
    slices = np.arange(len(labels))
    return (slices <= contoured.min() - _SLICES_BEYOND_CONTOURS) | (slices >= contoured.max() + _SLICES_BEYOND_CONTOURS)


def _write_case(output: Path, case: Case, image: np.ndarray, labels: np.ndarray, geometry: Geometry) -> None:
    write_image(Image(image[None], geometry), image_path(output, case))
    write_case_labels(output, case, LabelMap(labels.astype(np.uint8), geometry), new_dataset(LABELS, "MR"))


def _split(patient: str) -> str:
    return "test" if patient in HELD_OUT else "train"


if __name__ == "__main__":
    print(f"{len(sunnybrook_cases(Path(sys.argv[1]), Path(sys.argv[2])))} cases")
