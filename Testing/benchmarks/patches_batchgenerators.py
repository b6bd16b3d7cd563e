"""batchgeneratorsv2 as nnU-Net uses it: larger patches from memory-mapped arrays, transformed in background processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from batchgenerators.dataloading.data_loader import DataLoader
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.intensity.brightness import BrightnessAdditiveTransform
from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size

from Testing.benchmarks.patches_setting import PatchSetting, read_case


def nnunet_way(setting: PatchSetting, folder: Path) -> Iterator[torch.Tensor]:
    """Images (N, 1, Z, Y, X) without end, out of nnU-Net's own kind of background processes."""
    loader = _Loader(setting, [read_case(folder, number) for number in range(setting.cases)])
    augmenter = NonDetMultiThreadedAugmenter(
        loader, None, setting.processes, num_cached=max(6, setting.processes // 2), pin_memory=False, wait_time=0.002
    )
    try:
        while True:
            yield next(augmenter)["data"]
    finally:
        augmenter._finish()


def transforms(setting: PatchSetting) -> BasicTransform:
    """The setting's changes with nnU-Net's options: `benchmark` finds the fastest blur, gamma keeps mean and deviation."""
    turn = np.deg2rad(setting.degrees)
    alone = {"synchronize_channels": False, "p_per_channel": 1}
    changes = [
        GaussianNoiseTransform(noise_variance=(0, setting.noise**2), **alone),
        GaussianBlurTransform(blur_sigma=(0.1, setting.blur), synchronize_axes=False, benchmark=True, **alone),
        BrightnessAdditiveTransform(0, setting.brightness / 2, **alone),
        ContrastTransform(BGContrast(setting.contrast), preserve_range=True, **alone),
        SimulateLowResolutionTransform((1 / setting.coarser, 1), synchronize_axes=True, ignore_axes=None, **alone),
        GammaTransform(BGContrast(setting.gamma), p_invert_image=0, p_retain_stats=1, **alone),
    ]
    spatial = SpatialTransform(
        (setting.patch,) * 3,
        patch_center_dist_from_border=0,
        random_crop=False,
        p_rotation=1,
        rotation=(-turn, turn),
        p_scaling=1,
        scaling=setting.scale,
        p_synchronize_scaling_across_axes=1,
        p_elastic_deform=setting.probability,
        elastic_deform_scale=(0.1, 0.2),
        elastic_deform_magnitude=(0, 2 * setting.elastic_voxels),
        mode_seg="nearest",
    )
    chosen = [RandomTransform(change, apply_probability=setting.probability) for change in changes]
    return ComposeTransforms([spatial, *chosen, MirrorTransform(allowed_axes=(0, 1, 2))])


class _Loader(DataLoader):
    """nnU-Net's data loader without its choice by foreground: a box anywhere, large enough to be turned."""

    def __init__(self, setting: PatchSetting, cases: list[tuple[np.ndarray, np.ndarray]]) -> None:
        super().__init__(cases, setting.batch, num_threads_in_multithreaded=setting.processes, infinite=True)
        turn = np.deg2rad(setting.degrees)
        # 0.85: nnU-Net, too, makes boxes for a scale other than the largest, and lets the rest be padding.
        size = get_patch_size((setting.patch,) * 3, turn, turn, turn, (0.85, 1.25))
        self._size, self._patch, self._transforms = np.minimum(size, setting.shape), setting.patch, transforms(setting)
        self.indices = list(range(len(cases)))

    def generate_train_batch(self) -> dict[str, torch.Tensor]:
        images, labels = zip(*(self._one() for _ in range(self.batch_size)), strict=True)
        return {"data": torch.stack(images), "target": torch.stack(labels)}

    def _one(self) -> tuple[torch.Tensor, torch.Tensor]:
        image, labels = self._data[np.random.randint(len(self._data))]
        starts = [np.random.randint(0, length - size + 1) for length, size in zip(image.shape, self._size, strict=True)]
        box = tuple(slice(start, start + int(size)) for start, size in zip(starts, self._size, strict=True))
        pieces = torch.from_numpy(image[box][None].copy()), torch.from_numpy(labels[box][None].astype(np.int16))
        with torch.no_grad():
            made = self._transforms(image=pieces[0], segmentation=pieces[1])
        return made["image"], made["segmentation"]
