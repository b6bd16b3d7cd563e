"""Prepared cases in memory, and jobs on them, for the tests of patches."""

from collections.abc import Sequence

import numpy as np

from MedSegDLLib.model_card import Inference, NetworkSpec, Normalisation, Preprocessing
from MedSegDLTrainLib.job import Augmentation, Optimisation, Sampling, TrainingJob
from MedSegDLTrainLib.prepared import PreparedCase, index_of_classes

NOTHING = Augmentation()
EVERYTHING = Augmentation(
    scale=(0.7, 1.4),
    stretch=0.1,
    rotation_degrees=30,
    tilt_degrees=15,
    flips="xyz",
    right_angles=True,
    shear=0.1,
    elastic_mm=2,
    gamma=(0.5, 2),
    curve=0.6,
    contrast=(0.6, 1.6),
    brightness=0.5,
    bias_field=0.4,
    blur_pixels=1.5,
    motion_blur_pixels=4,
    low_resolution=2,
    noise=0.2,
    probability=1,
)


def made_case(
    labels: np.ndarray,
    image: np.ndarray | None = None,
    name: str = "a",
    patient: str = "A",
    spacing_zyx: Sequence[float] = (1.0, 1.0, 1.0),
) -> PreparedCase:
    """A case of `labels` (Z, Y, X) with up to six classes; if no image (C, Z, Y, X) is given, noise round the labels."""
    if image is None:
        image = np.random.default_rng(0).normal(size=(1, *labels.shape)) + 3 * (labels % 255)
    positions, starts = index_of_classes(labels, 6)
    return PreparedCase(name, patient, image.astype(np.float32), labels, tuple(spacing_zyx), positions, starts)


def made_job(sampling: Sampling, augmentation: Augmentation = NOTHING, spacing=(1.0, 1.0, 1.0), seed=0) -> TrainingJob:
    """A job with these parts; nothing else of it matters to patches."""
    return TrainingJob(
        cases="cases",
        network=NetworkSpec("unet_2d", 1, 7, {}),
        preprocessing=Preprocessing("LPS", spacing, Normalisation("zscore")),
        sampling=sampling,
        augmentation=augmentation,
        optimisation=Optimisation(learning_rate=1e-3, epochs=1),
        inference=Inference(sampling.patch_size, "softmax"),
        loss="cross_entropy",
        seed=seed,
    )
