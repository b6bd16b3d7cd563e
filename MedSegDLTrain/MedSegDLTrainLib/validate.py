"""How good a network in training is, on slices of patients that it does not train on."""

from __future__ import annotations

import torch
from torch import nn

from MedSegDLTrainLib.cases import IGNORE
from MedSegDLTrainLib.slices import AnnotatedSlice


@torch.inference_mode()
def patient_dice(network: nn.Module, slices: list[AnnotatedSlice]) -> dict[str, float]:
    """Dice of each patient's foreground over all their annotated slices at the slices' own spacing (one-logit networks)."""
    network.eval()
    sums: dict[str, list[int]] = {}
    for item in slices:
        prediction = network(torch.from_numpy(item.image)[None, None])[0, 0].numpy() > 0
        counted = item.label != IGNORE
        reference = (item.label > 0) & counted
        patient = sums.setdefault(item.patient, [0, 0])
        patient[0] += 2 * int((prediction & reference).sum())
        patient[1] += int((prediction & counted).sum() + reference.sum())
    return {patient: shared / total if total else 1.0 for patient, (shared, total) in sums.items()}
