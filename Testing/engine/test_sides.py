import numpy as np
import pytest

from MedSegDLLib.sides import side


@pytest.mark.parametrize(
    ("direction", "letters"),
    [
        ((1, 0, 0), "L"),
        ((-1, 0, 0), "R"),
        ((0, 1, 0), "P"),
        ((0, -1, 0), "A"),
        ((0, 0, 1), "H"),
        ((0, 0, -1), "F"),
        ((0.1, 0, 0.99), "H"),
        ((-0.8, -0.6, 0), "RA"),
        ((0.6, 0.1, -0.8), "FL"),
        ((0.02, 0.36, -0.93), "FP"),
        ((3, 0, 0), "L"),
    ],
)
def test_letters_of_a_direction_in_lps(direction: tuple, letters: str):
    assert side(np.array(direction)) == letters
