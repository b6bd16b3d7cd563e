"""The command line, run in this process on models that mark what is bright."""

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedSegDLLib.__main__ import main
from MedSegDLLib.files import write_image
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from Testing.engine.grids import rotation
from Testing.models import BRIGHT_AND_BRIGHTEST, write_bright_model


@dataclass(frozen=True)
class Outcome:
    """Exit status and what was printed."""

    status: int
    out: str
    err: str


CommandLine = Callable[..., Outcome]


@pytest.fixture(scope="session")
def bright_zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo with the models "bright" and "two_labels"."""
    zoo = tmp_path_factory.mktemp("zoo")
    write_bright_model(zoo)
    write_bright_model(zoo, "two_labels", BRIGHT_AND_BRIGHTEST)
    return zoo


@pytest.fixture
def command_line(bright_zoo: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Call with the arguments behind `medsegdl`; models are those of `bright_zoo`, caches are of this test."""
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path_factory.mktemp(variable)))
    monkeypatch.setenv("MEDSEGDL_MODELS", str(bright_zoo))

    def run(*arguments: object) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([str(argument) for argument in arguments])
        return Outcome(status, out.getvalue(), err.getvalue())

    return run


BOX = (slice(1, 3), slice(8, 18), slice(4, 24))  # 2 × 10 × 20 voxels (z, y, x) that the model "bright" finds
OBLIQUE = Geometry((32, 30, 4), (1.5, 2.0, 8.0), (-20.0, 35.0, 100.0), tuple(rotation(20, -35, 50).ravel()))


def bright_box() -> Image:
    """Dark but for BOX, on the oblique grid OBLIQUE."""
    array = np.random.default_rng(0).normal(0, 5, OBLIQUE.shape_zyx)
    array[BOX] += 200
    return Image(array[None].astype(np.int16), OBLIQUE)


@pytest.fixture
def box_file(tmp_path: Path) -> Path:
    """`bright_box` as tmp_path/in/box.nii.gz."""
    path = tmp_path / "in" / "box.nii.gz"
    path.parent.mkdir()
    write_image(bright_box(), path)
    return path


@pytest.fixture
def cine_file(tmp_path: Path) -> Path:
    """Three frames of `bright_box` with 400, 200 and 300 bright voxels, 0.25 s apart, oblique."""
    frames = []
    for rows in (10, 5, 7.5):
        array = bright_box().array[0].copy()
        array[BOX[0], 8 + int(rows) : 18, 4:24] = 0
        array[BOX[0], 8 + int(rows) : 9 + int(rows), 4 : 4 + int(20 * (rows % 1))] = 200
        frames.append(sitk.GetImageFromArray(array))
    image = sitk.JoinSeries(frames, 0.0, 0.25)
    direction = np.eye(4)
    direction[:3, :3] = OBLIQUE.axes
    image.SetSpacing((*OBLIQUE.spacing, 0.25))
    image.SetOrigin((*OBLIQUE.origin, 0.0))
    image.SetDirection(tuple(direction.ravel()))
    path = tmp_path / "cine.nii.gz"
    sitk.WriteImage(image, str(path))
    return path
