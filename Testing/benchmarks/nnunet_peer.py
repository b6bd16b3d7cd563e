"""nnU-Net's predictor up to a label map."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.label_handling.label_handling import LabelManager

from Testing.benchmarks.setting import Setting, TimedNetwork


def predict(volume: np.ndarray, network: TimedNetwork, setting: Setting) -> np.ndarray:
    """Labels (Z, Y, X) of volume (1, Z, Y, X), with nnU-Net's own Gaussian, no mirroring, one patch at a time."""
    names = {"background": 0} | {f"label {value}": value for value in range(1, setting.classes)}
    predictor = nnUNetPredictor(
        tile_step_size=1 - setting.overlap, use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.network = network
    predictor.configuration_manager = SimpleNamespace(patch_size=setting.patch_size)
    predictor.label_manager = LabelManager(names, regions_class_order=None)
    logits = predictor.predict_sliding_window_return_logits(torch.from_numpy(volume))
    return predictor.label_manager.convert_logits_to_segmentation(logits).numpy().astype(np.uint8)
