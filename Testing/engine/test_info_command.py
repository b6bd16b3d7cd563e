import json
from pathlib import Path

import numpy as np

from MedSegDLLib.files import write_image
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from Testing.engine.conftest import OBLIQUE, CommandLine


def test_says_size_spacing_sides_and_values(command_line: CommandLine, tmp_path: Path):
    # i runs to the feet, j to the left, k to anterior.
    geometry = Geometry((4, 3, 2), (1.5, 2.0, 8.0), (1, 2, 3), (0, 1, 0, 0, 0, -1, -1, 0, 0))
    path = tmp_path / "a.nrrd"
    write_image(Image(np.arange(24, dtype=np.int16).reshape(1, 2, 3, 4) - 5, geometry), path)
    lines = dict(line.split(":", 1) for line in command_line("info", path).out.splitlines())
    facts = {name: text.strip() for name, text in lines.items()}
    assert facts["Size"] == "4 × 3 × 2 voxels"
    assert facts["Spacing"] == "1.5 × 2 × 8 mm" and facts["Extent"] == "6 × 6 × 16 mm"
    assert facts["First voxel"] == "1.00, 2.00, 3.00 mm (LPS)"
    assert facts["Axes run to"] == "i F, j L, k A"
    assert facts["Values"] == "int16, -5 to 18"
    assert facts["Frames"] == "1"


def test_json_has_the_same_numbers(command_line: CommandLine, box_file: Path):
    described = json.loads(command_line("info", box_file, "--json").out)
    assert described["path"] == str(box_file)
    assert described["size"] == list(OBLIQUE.size) and described["frames"] == 1
    np.testing.assert_allclose(described["spacing"], OBLIQUE.spacing, rtol=1e-6)
