"""Random changes of intensity: drawn with numpy for each patch, applied with torch on whatever device the patch is.

Channels of one image change together: one draw serves all of them, on each channel's own range.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from MedSegDLTrainLib.job import Augmentation
from MedSegDLTrainLib.warps import cubic_weights, smooth_knots

Size = tuple[int, int, int]


@dataclass(frozen=True)
class Change:
    """`draw` returns what `apply` needs, or None where the job switches the change off.

    `apply` takes an image (C, Z, Y, X) float32, which it may overwrite, and returns the changed one.
    """

    draw: Callable[[Augmentation, Size, np.random.Generator], object]
    apply: Callable[[Tensor, object], Tensor]


def drawn_changes(augmentation: Augmentation, size_zyx: Size, random: np.random.Generator) -> tuple[tuple[str, object], ...]:
    """Names in CHANGES with what was drawn for them, in that order; each with the job's probability."""
    chosen = [(name, change) for name, change in CHANGES.items() if random.random() < augmentation.probability]
    drawn = ((name, change.draw(augmentation, size_zyx, random)) for name, change in chosen)
    return tuple((name, values) for name, values in drawn if values is not None)


def apply_changes(image: Tensor, changes: Sequence[tuple[str, object]]) -> Tensor:
    """`image` (C, Z, Y, X) after each of the drawn changes; `image` itself may be overwritten."""
    for name, values in changes:
        image = CHANGES[name].apply(image, values)
    return image


def _draw_low_resolution(augmentation: Augmentation, size_zyx: Size, random: np.random.Generator) -> float | None:
    return random.uniform(1, augmentation.low_resolution) if augmentation.low_resolution > 1 else None


def _low_resolution(image: Tensor, factor: float) -> Tensor:
    """Averaged (linearly, without aliasing) to a grid that is `factor` coarser, and brought back linearly."""
    return _along_each_axis(image, lambda length: _coarse_and_back(length, max(1, round(length / factor))))


def _draw_blur(augmentation: Augmentation, size_zyx: Size, random: np.random.Generator) -> float | None:
    return max(random.uniform(0, augmentation.blur_pixels), 1e-3) if augmentation.blur_pixels else None


def _blur(image: Tensor, deviation: float) -> Tensor:
    """A Gaussian out to three standard deviations along each axis, the edge going on outside."""
    reach = math.ceil(3 * deviation)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel /= kernel.sum()
    for axis in range(3):
        if image.shape[1 + axis] > 1:
            offsets = np.zeros((len(kernel), 3), int)
            offsets[:, axis] = np.arange(-reach, reach + 1)
            image = _neighbours_sum(image, dict(zip(map(tuple, offsets.tolist()), kernel.tolist(), strict=True)))
    return image


def _draw_motion(augmentation: Augmentation, size_zyx: Size, random: np.random.Generator) -> tuple[float, float] | None:
    """Length in pixels and angle in the plane of x and y in radians (Desai)."""
    if not augmentation.motion_blur_pixels:
        return None
    return random.uniform(0, augmentation.motion_blur_pixels), random.uniform(0, 2 * math.pi)


def _motion(image: Tensor, path: tuple[float, float]) -> Tensor:
    """The mean over a straight path of that length and direction, centred on each pixel, the edge going on outside."""
    return _neighbours_sum(image, {(0, *offset): weight for offset, weight in _path_taps(*path).items()})


def _path_taps(length: float, angle: float) -> dict[tuple[int, int], float]:
    """Weight of each pixel offset (y, x) on a path of that length: points on it, at most half a pixel apart, shared out
    linearly among the four pixels round each.
    """
    taps: dict[tuple[int, int], float] = {}
    along = (np.arange(count := math.ceil(2 * length) + 1) + 0.5) / count - 0.5
    for y, x in zip(along * length * math.sin(angle), along * length * math.cos(angle), strict=True):
        row, column = math.floor(y), math.floor(x)
        for tap, share in (((row, 1 - y + row)), ((row + 1, y - row))):
            for pixel, part in ((column, 1 - x + column), (column + 1, x - column)):
                if share * part:
                    taps[tap, pixel] = taps.get((tap, pixel), 0.0) + share * part / count
    return taps


def _draw_bias(augmentation: Augmentation, size_zyx: Size, random: np.random.Generator) -> np.ndarray | None:
    return smooth_knots(size_zyx, random, augmentation.bias_field, fields=1) if augmentation.bias_field else None


def _bias(image: Tensor, knots: np.ndarray) -> Tensor:
    """Brightness above the darkest voxel times a smooth factor, whose logarithm is given at knots."""
    field = torch.from_numpy(knots.astype(np.float32)).to(image.device)
    for axis, length in enumerate(image.shape[1:], 1):
        field = _along(field, axis, cubic_weights(length, field.shape[axis]))
    low = image.amin((1, 2, 3), keepdim=True)
    return image.sub_(low).mul_(field.exp_()).add_(low)


def _draw_gamma(augmentation: Augmentation, size_zyx: Size, random: np.random.Generator) -> float | None:
    return _drawn_factor(augmentation.gamma, random)


def _gamma(image: Tensor, exponent: float) -> Tensor:
    low, span = _unit_range(image)
    return image.pow_(exponent).mul_(span).add_(low)


def _draw_curve(augmentation: Augmentation, size_zyx: Size, random: np.random.Generator) -> np.ndarray | None:
    """(6,) values at 0, 0.2 … 1 of a random monotone curve: other scanners and sequences weigh tissues otherwise."""
    if not augmentation.curve:
        return None
    straight = np.linspace(0, 1, 6)
    bent = np.concatenate([[0], np.cumsum(random.dirichlet(np.full(5, 2.0)))])
    return straight + augmentation.curve * random.random() * (bent - straight)


def _curve(image: Tensor, values: np.ndarray) -> Tensor:
    """Linear between the values: a slope, and at each bend the change of slope times what is above it."""
    low, span = _unit_range(image)
    slopes = np.diff(values) * (len(values) - 1)
    bent = image * float(slopes[0])
    for bend, change in enumerate(np.diff(slopes), 1):
        bent.add_((image - bend / (len(values) - 1)).clamp_(min=0), alpha=float(change))
    return bent.mul_(span).add_(low)


def _draw_contrast(augmentation: Augmentation, size_zyx: Size, random: np.random.Generator) -> float | None:
    return _drawn_factor(augmentation.contrast, random)


def _contrast(image: Tensor, factor: float) -> Tensor:
    return image.mul_(factor)


def _draw_brightness(augmentation: Augmentation, size_zyx: Size, random: np.random.Generator) -> float | None:
    return random.uniform(-augmentation.brightness, augmentation.brightness) if augmentation.brightness else None


def _brightness(image: Tensor, shift: float) -> Tensor:
    return image.add_(shift)


def _draw_noise(augmentation: Augmentation, size_zyx: Size, random: np.random.Generator) -> tuple[float, int] | None:
    """Standard deviation, and the seed of the device's own generator."""
    return (random.uniform(0, augmentation.noise), int(random.integers(2**63))) if augmentation.noise else None


def _noise(image: Tensor, drawn: tuple[float, int]) -> Tensor:
    deviation, seed = drawn
    generator = torch.Generator(image.device).manual_seed(seed)
    return image.add_(torch.randn(image.shape, generator=generator, device=image.device), alpha=deviation)


CHANGES = {
    "low_resolution": Change(_draw_low_resolution, _low_resolution),
    "blur": Change(_draw_blur, _blur),
    "motion_blur": Change(_draw_motion, _motion),
    "bias_field": Change(_draw_bias, _bias),
    "gamma": Change(_draw_gamma, _gamma),
    "curve": Change(_draw_curve, _curve),
    "contrast": Change(_draw_contrast, _contrast),
    "brightness": Change(_draw_brightness, _brightness),
    "noise": Change(_draw_noise, _noise),
}


def _drawn_factor(bounds: tuple[float, float], random: np.random.Generator) -> float | None:
    """Log-uniform within bounds; None where they say that nothing changes."""
    return math.exp(random.uniform(*np.log(bounds))) if tuple(bounds) != (1.0, 1.0) else None


def _unit_range(image: Tensor) -> tuple[Tensor, Tensor]:
    """Brings each channel to 0…1 in place; returns its darkest value and the range (1 where all voxels are the same)."""
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    span = torch.where(high > low, high - low, torch.ones_like(high))
    image.sub_(low).div_(span)
    return low, span


def _along_each_axis(image: Tensor, matrix: Callable[[int], np.ndarray]) -> Tensor:
    """`matrix` of its length applied to each axis of more than one voxel."""
    matrices = {length: matrix(length) for length in set(image.shape[1:])}
    for axis, length in enumerate(image.shape[1:], 1):
        if length > 1:
            image = _along(image, axis, matrices[length])
    return image


def _along(image: Tensor, axis: int, matrix: np.ndarray) -> Tensor:
    """`image` (C, Z, Y, X) with axis 1, 2 or 3 of length n replaced by the product of `matrix` (m, n) with it."""
    factor = torch.from_numpy(matrix).to(image.device, torch.float32)  # PyTorch's own memory: sums depend on alignment
    if axis == 3:
        return image @ factor.T
    if axis == 2:
        return factor @ image
    return (factor @ image.flatten(2)).view(len(image), len(matrix), *image.shape[2:])


def _neighbours_sum(image: Tensor, weights: dict[tuple[int, int, int], float]) -> Tensor:
    """The sum of the neighbours at offsets (z, y, x) times their weights, the edge going on outside."""
    reach = np.abs(list(weights)).max(axis=0).tolist()
    wide = functional.pad(image[None], [length for length in reversed(reach) for _ in range(2)], mode="replicate")[0]
    total = torch.zeros_like(image)
    for offset, weight in weights.items():
        starts = (length + step for length, step in zip(reach, offset, strict=True))
        z, y, x = (slice(start, start + length) for start, length in zip(starts, image.shape[1:], strict=True))
        total.add_(wide[:, z, y, x], alpha=weight)
    return total


def _coarse_and_back(length: int, coarse: int) -> np.ndarray:
    """(length, length) from a grid to a coarser one, each voxel of which is a mean with triangular weights, and back."""
    ratio = length / coarse
    distance = np.abs(((np.arange(coarse) + 0.5) * ratio)[:, None] - (np.arange(length) + 0.5)) / ratio
    down = np.maximum(1 - distance, 0)
    place = np.clip((np.arange(length) + 0.5) / ratio - 0.5, 0, coarse - 1)
    up = np.maximum(1 - np.abs(place[:, None] - np.arange(coarse)), 0)
    return (torch.tensor(up) @ torch.tensor(down / down.sum(axis=1, keepdims=True))).numpy()
