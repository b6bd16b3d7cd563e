"""Fingerprints and machines that tests of plans make up."""

from __future__ import annotations

import math

from MedSegDLTrainLib.planning.cost import Machine
from MedSegDLTrainLib.planning.fingerprint import CaseFacts, Fingerprint, Intensities

CT = Intensities(-20.4, 60.0, 251.6)


def facts(size=(100, 80, 40), spacing=(1.0, 1.0, 3.0), extent=(50.0, 40.0, 60.0), voxels=(500,), split="train", empty=0):
    return CaseFacts("a", "A", split, size, spacing, "L P H", voxels, math.prod(size), extent, size[2], empty)


def fingerprint(*cases, labels=("heart",), modality="MR", foreground=CT):
    cases = cases or (facts(),)
    counts = {"train": (len(cases), len(cases))}
    return Fingerprint(modality, tuple(labels), tuple(cases), counts, foreground, CT)


def machine(seconds=0.1, free=None, needed=0, short=math.inf):
    """A step takes `seconds` in float32 and `short` in bfloat16, each a number or a function of the trial."""

    def timed(trial):
        chosen = short if trial.precision == "bfloat16" else seconds
        return chosen(trial) if callable(chosen) else chosen

    return Machine("a machine", free, timed, needed if callable(needed) else lambda trial: needed)
