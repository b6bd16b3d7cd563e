"""TorchIO: its Queue of patches from augmented volumes, and its transforms on patches that are already cut out.

Its sampler is the uniform one, its fastest. A job's contrast and brightness are not among its transforms: they are a factor
and a shift in a `Lambda`. Its low resolution acts on one axis, ours on all. Affine and elastic are one resampling.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torchio as tio
from torch.utils.data import DataLoader, IterableDataset

from Testing.benchmarks.patches_setting import PatchSetting, read_case

_PER_VOLUME, _LONGEST_QUEUE = 8, 32  # patches of an augmented volume, and in the queue: TorchIO's documentation has 10 and 300


def transforms(setting: PatchSetting) -> tio.Transform:
    """The setting's changes, each with its probability."""
    affine = {"scales": setting.scale, "degrees": setting.degrees, "isotropic": True}
    elastic = {"num_control_points": 7, "max_displacement": 2 * setting.elastic_voxels}
    chance = {"p": setting.probability}
    return tio.Compose(
        [
            tio.OneOf(
                {
                    tio.RandomAffine(**affine): 1 - setting.probability,
                    tio.RandomAffineElasticDeformation(affine_kwargs=affine, elastic_kwargs=elastic): setting.probability,
                }
            ),
            tio.RandomFlip(axes=(0, 1, 2), flip_probability=0.5),
            tio.RandomAnisotropy(downsampling=(1, setting.coarser), **chance),
            tio.RandomBlur(std=(0, setting.blur), **chance),
            tio.RandomGamma(log_gamma=tuple(np.log(setting.gamma)), **chance),
            tio.Lambda(partial(_contrast, setting), types_to_apply=[tio.INTENSITY], **chance),
            tio.Lambda(partial(_brightness, setting), types_to_apply=[tio.INTENSITY], **chance),
            tio.RandomNoise(std=(0, setting.noise), **chance),
        ]
    )


def _contrast(setting: PatchSetting, image: torch.Tensor) -> torch.Tensor:
    return image * random.uniform(*setting.contrast)


def _brightness(setting: PatchSetting, image: torch.Tensor) -> torch.Tensor:
    return image + random.uniform(-setting.brightness, setting.brightness)


def queue(setting: PatchSetting, folder: Path) -> Iterator[torch.Tensor]:
    """As documented: whole volumes are augmented, and several patches taken of each."""
    dataset = tio.SubjectsDataset(_subjects(setting, folder) * 50, transform=transforms(setting))
    patches = tio.Queue(dataset, _LONGEST_QUEUE, _PER_VOLUME, tio.UniformSampler(setting.patch), num_workers=setting.processes)
    while True:
        for batch in tio.SubjectsLoader(patches, batch_size=setting.batch, num_workers=0):
            yield batch["image"][tio.DATA]


def on_patches(setting: PatchSetting, folder: Path) -> Iterator[torch.Tensor]:
    """Patches are cut out first and augmented one by one, in PyTorch's loader processes."""
    dataset = _Patches(setting, _subjects(setting, folder))
    yield from DataLoader(dataset, batch_size=setting.batch, num_workers=setting.processes)


class _Patches(IterableDataset):
    def __init__(self, setting: PatchSetting, subjects: list[tio.Subject]) -> None:
        self._subjects, self._sampler, self._transform = subjects, tio.UniformSampler(setting.patch), transforms(setting)

    def __iter__(self) -> Iterator[torch.Tensor]:
        while True:
            subject = self._subjects[int(torch.randint(len(self._subjects), ()))]
            patch = self._transform(copy.deepcopy(next(self._sampler(subject, 1))))
            yield patch["image"].data


def _subjects(setting: PatchSetting, folder: Path) -> list[tio.Subject]:
    cases = (read_case(folder, number) for number in range(setting.cases))
    tensors = ([torch.from_numpy(np.array(array))[None] for array in case] for case in cases)
    return [tio.Subject(image=tio.ScalarImage(tensor=image), labels=tio.LabelMap(tensor=labels)) for image, labels in tensors]
