"""Random changes of patches: where they are sampled (one interpolation in all) and how bright they are."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from MedSegDLTrainLib.job import Augmentation
from MedSegDLTrainLib.slices import AnnotatedSlice


def sampling_grid(
    item: AnnotatedSlice,
    centre_yx: np.ndarray,
    patch_size: tuple[int, int],
    spacing_yx: tuple[float, float],
    augmentation: Augmentation,
    random: np.random.Generator,
) -> Tensor:
    """(Y, X, 2) pixel positions (x, y) in the slice for every pixel of a randomly transformed patch round `centre_yx`."""
    matrix = _random_matrix(augmentation, random)
    columns, rows = patch_size
    x = (np.arange(columns) - (columns - 1) / 2) * spacing_yx[1]
    y = (np.arange(rows) - (rows - 1) / 2) * spacing_yx[0]
    offsets_mm = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1)
    if augmentation.elastic_mm and random.random() < augmentation.probability:
        offsets_mm = offsets_mm + _smooth_noise((2, rows, columns), random, augmentation.elastic_mm).transpose(1, 2, 0)
    pixels = offsets_mm @ matrix.T / np.array(item.spacing_yx[::-1]) + centre_yx[::-1]
    return torch.from_numpy(pixels.astype(np.float32))


def _random_matrix(augmentation: Augmentation, random: np.random.Generator) -> np.ndarray:
    """(2, 2) from patch offsets (x, y) to slice offsets: the inverse of what is done to the anatomy."""
    scale = math.exp(random.uniform(*np.log(augmentation.scale)))
    stretch = 1 + random.uniform(-augmentation.stretch, augmentation.stretch)
    shear = random.uniform(-augmentation.shear, augmentation.shear)
    angle = math.radians(random.uniform(-augmentation.rotation_degrees, augmentation.rotation_degrees))
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = rotation @ np.array([[1, shear], [0, 1]]) @ np.diag([stretch, 1 / stretch]) / scale
    if augmentation.right_angles:
        matrix = matrix[:, ::-1] if random.random() < 0.5 else matrix
        matrix = matrix * random.choice([-1.0, 1.0], size=2)
    return matrix


def warp(item: AnnotatedSlice, grid: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Image (1, Y, X), linear, and label (Y, X), nearest, at the positions of `grid`.

    Outside the slice the image is its darkest value (as scanners leave it) or its mean (as padding leaves it).
    """
    rows, columns = item.image.shape
    normal = 2 * (grid + 0.5) / torch.tensor([columns, rows]) - 1
    outside = float(item.image.min()) if random.random() < 0.7 else 0.0
    image = torch.from_numpy(item.image - np.float32(outside))[None, None]
    label = torch.from_numpy(item.label.astype(np.float32))[None, None]
    image = functional.grid_sample(image, normal[None], mode="bilinear", align_corners=False)[0] + outside
    label = functional.grid_sample(label, normal[None], mode="nearest", align_corners=False)[0, 0]
    return image, label.round().long()


def change_intensities(image: Tensor, augmentation: Augmentation, random: np.random.Generator) -> Tensor:
    """`image` (1, Y, X) after each change of INTENSITY_CHANGES, each with the job's probability."""
    for change in INTENSITY_CHANGES:
        if random.random() < augmentation.probability:
            image = change(image, augmentation, random)
    return image


def _low_resolution(image: Tensor, augmentation: Augmentation, random: np.random.Generator) -> Tensor:
    factor = random.uniform(1, augmentation.low_resolution)
    size = [max(1, round(n / factor)) for n in image.shape[1:]]
    coarse = functional.interpolate(image[None], size=size, mode="bilinear", antialias=True, align_corners=False)
    return functional.interpolate(coarse, size=image.shape[1:], mode="bilinear", align_corners=False)[0]


def _blur(image: Tensor, augmentation: Augmentation, random: np.random.Generator) -> Tensor:
    deviation = max(random.uniform(0, augmentation.blur_pixels), 1e-3)
    radius = math.ceil(3 * deviation)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / deviation) ** 2)
    kernel = kernel / kernel.sum()
    padded = functional.pad(image[None], [radius] * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[0]


def _bias_field(image: Tensor, augmentation: Augmentation, random: np.random.Generator) -> Tensor:
    low = image.min()
    field = _smooth_noise(tuple(image.shape), random, augmentation.bias_field)
    return (image - low) * torch.from_numpy(np.exp(field).astype(np.float32)) + low


def _gamma(image: Tensor, augmentation: Augmentation, random: np.random.Generator) -> Tensor:
    exponent = math.exp(random.uniform(*np.log(augmentation.gamma)))
    return _on_unit_range(image, lambda unit: unit**exponent)


def _curve(image: Tensor, augmentation: Augmentation, random: np.random.Generator) -> Tensor:
    """A random monotone piecewise linear curve: other scanners and sequences weigh tissues otherwise."""
    straight = np.linspace(0, 1, 6)
    bent = np.concatenate([[0], np.cumsum(random.dirichlet(np.full(5, 2.0)))])
    knots = straight + augmentation.curve * random.random() * (bent - straight)
    return _on_unit_range(image, lambda unit: torch.from_numpy(np.interp(unit.numpy(), straight, knots).astype(np.float32)))


def _contrast_and_brightness(image: Tensor, augmentation: Augmentation, random: np.random.Generator) -> Tensor:
    factor = math.exp(random.uniform(*np.log(augmentation.contrast)))
    return image * factor + random.uniform(-augmentation.brightness, augmentation.brightness)


def _noise(image: Tensor, augmentation: Augmentation, random: np.random.Generator) -> Tensor:
    noise = random.standard_normal(tuple(image.shape), dtype=np.float32)
    return image + float(random.uniform(0, augmentation.noise)) * torch.from_numpy(noise)


INTENSITY_CHANGES = (_low_resolution, _blur, _bias_field, _gamma, _curve, _contrast_and_brightness, _noise)


def _on_unit_range(image: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    low, high = image.min(), image.max()
    if high <= low:
        return image
    return change((image - low) / (high - low)).clamp(0, 1) * (high - low) + low


def _smooth_noise(shape: tuple[int, int, int], random: np.random.Generator, largest_deviation: float) -> np.ndarray:
    """(C, Y, X) of smooth noise (some four waves across the patch) with a random deviation up to `largest_deviation`."""
    coarse = torch.from_numpy(random.standard_normal((1, shape[0], 5, 5)))
    smooth = functional.interpolate(coarse, size=shape[1:], mode="bicubic", align_corners=True)[0].numpy()
    return smooth * random.uniform(0, largest_deviation)
