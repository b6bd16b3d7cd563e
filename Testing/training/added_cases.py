"""Scans and labels of them as files, to be added to a case folder."""

import numpy as np

from MedSegDLLib.files import write_image, write_labelmap
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.labels import Label, LabelTable
from MedSegDLTrainLib.case_folder import NewCase, add_case

GEOMETRY = Geometry((5, 4, 3), (1.0, 2.0, 3.0), (7.0, -8.0, 9.0), (0, 1, 0, 1, 0, 0, 0, 0, -1))
TABLE = LabelTable((Label(1, "left", (200, 0, 0)), Label(2, "right", (0, 0, 200))))


def scan_file(tmp_path, seed, geometry=GEOMETRY):
    """A scan of noise; another seed is another scan."""
    path = tmp_path / f"scan {seed}.nii.gz"
    write_image(Image(np.random.default_rng(seed).integers(0, 999, (1, *geometry.shape_zyx), np.int16), geometry), path)
    return path


def labels_file(tmp_path, value=1, geometry=GEOMETRY, name="labels"):
    """Four voxels of one value in slice 1 of three."""
    array = np.zeros(geometry.shape_zyx, np.uint8)
    array[1, 1:3, 1:3] = value
    path = tmp_path / f"{name}-{value}.nii.gz"
    write_labelmap(LabelMap(array, geometry), path)
    return path


def add_scan(folder, tmp_path, seed=0, patient="A", value=1, **further):
    """Add a scan and its labels to a case folder; returns the case."""
    return add_case(folder, NewCase(scan_file(tmp_path, seed), labels_file(tmp_path, value), patient, **further), TABLE)
