from dataclasses import replace
from pathlib import Path

import pytest

from MedSegDLLib.expectations import unlike_expected
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.model_card import Expected, ModelCard, read_card

SLICES = Geometry((256, 200, 10), (1.4, 1.5, 8.0))  # 358 × 300 mm in plane
SAGITTAL = Geometry((10, 256, 200), (8.0, 1.4, 1.5))


@pytest.fixture
def card(bright_zoo: Path) -> ModelCard:
    return read_card(bright_zoo / "bright")


@pytest.mark.parametrize("geometry", [SLICES, SAGITTAL])
@pytest.mark.parametrize(
    ("expected", "says"),
    [
        (Expected(), []),
        (Expected((1.4, 1.5), (300.0, 400.0)), []),
        (Expected((1.45, 2.0), None), ["pixels of 1.4 × 1.5 mm"]),
        (Expected((0.5, 1.45), None), ["pixels of 1.4 × 1.5 mm"]),
        (Expected((3.0, 4.0), (100.0, 200.0)), ["pixels of 1.4 × 1.5 mm", "field of view of 358.4 × 300 mm"]),
    ],
)
def test_in_plane_limits(card: ModelCard, geometry: Geometry, expected: Expected, says: list[str]):
    sentences = unlike_expected(geometry, replace(card, expected=expected))
    assert len(sentences) == len(says)
    assert all(part in sentence for part, sentence in zip(says, sentences, strict=True))
