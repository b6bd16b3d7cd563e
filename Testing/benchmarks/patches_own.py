"""Our own patches: `batches` of `MedSegDLTrainLib.loader` on memory-mapped cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from MedSegDLLib.model_card import Inference, NetworkSpec, Normalisation, Preprocessing
from MedSegDLTrainLib.job import Augmentation, Optimisation, Sampling, TrainingJob
from MedSegDLTrainLib.loader import batches
from MedSegDLTrainLib.patches import PatchSource
from MedSegDLTrainLib.prepared import PreparedCase, index_of_classes
from Testing.benchmarks.patches_setting import LABELS, PatchSetting, read_case


def own(setting: PatchSetting, folder: Path) -> Iterator[torch.Tensor]:
    """Images (N, 1, Z, Y, X) without end."""
    job = _job(setting)
    source = PatchSource([_case(folder, number) for number in range(setting.cases)], job)
    for batch in batches(source, job, 0, 10**9, torch.device("cpu"), setting.processes):
        yield batch.images


def _case(folder: Path, number: int) -> PreparedCase:
    image, labels = read_case(folder, number)
    return PreparedCase(str(number), str(number), image[None], labels, (1.0, 1.0, 1.0), *index_of_classes(labels, LABELS))


def _job(setting: PatchSetting) -> TrainingJob:
    size = (setting.patch,) * 3
    return TrainingJob(
        cases="",
        network=NetworkSpec("no_new_net", 1, LABELS + 1, {}),
        preprocessing=Preprocessing("LPS", (1.0, 1.0, 1.0), Normalisation("zscore")),
        sampling=Sampling(size, setting.batch, "uniform"),
        augmentation=Augmentation(
            scale=setting.scale,
            rotation_degrees=setting.degrees,
            tilt_degrees=setting.degrees,
            flips="xyz",
            elastic_mm=setting.elastic_voxels,
            gamma=setting.gamma,
            contrast=setting.contrast,
            brightness=setting.brightness,
            noise=setting.noise,
            blur_pixels=setting.blur,
            low_resolution=setting.coarser,
            probability=setting.probability,
        ),
        optimisation=Optimisation(learning_rate=1e-3, epochs=1),
        inference=Inference(size, "softmax"),
        loss="dice_and_cross_entropy",
        seed=0,
    )
