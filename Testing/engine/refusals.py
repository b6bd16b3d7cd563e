"""What the tests of wrong input share: the sentence of a refusal, and what lies in a folder before and after."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from Testing.engine.conftest import Outcome, bright_box


def listing(folder: Path) -> list[tuple[str, int]]:
    """Every path below a folder with its size in bytes."""
    return sorted((str(path), path.stat().st_size) for path in folder.rglob("*"))


def refused(outcome: Outcome, status: int = 2) -> str:
    """The one sentence on stderr of an outcome that must be a refusal."""
    assert outcome.status == status, outcome
    assert "Traceback" not in outcome.err and "fault" not in outcome.err and outcome.out == ""
    (sentence,) = [line for line in outcome.err.splitlines() if not line.startswith("Warning:")]
    assert sentence.endswith((".", "?"))
    return sentence


def write(array: np.ndarray, path: Path, vector: bool = False) -> Path:
    """An array (Z, Y, X) as an image file."""
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=vector), str(path))
    return path


def box_array() -> np.ndarray:
    """The bright box (Z, Y, X)."""
    return bright_box().array[0]
