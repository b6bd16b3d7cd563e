"""What is measured of patches: the cases, the patches and their random changes, the same for every approach."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from Testing.benchmarks.setting import SEED

Array = np.ndarray


@dataclass(frozen=True)
class PatchSetting:
    """`cases` volumes of `shape` (Z, Y, X), patches of `patch`³ anywhere in them, and how strongly they are changed.

    Every patch is turned and scaled, and flipped along each axis with probability one half; each other change comes with
    `probability`. Intensities are linear, labels nearest. Batches of `batch` come from `processes` processes; `batches` of
    them are timed after `ahead` that are not.
    """

    shape: tuple[int, int, int] = (160, 192, 192)
    cases: int = 4
    patch: int = 96
    batch: int = 2
    batches: int = 32
    ahead: int = 10
    processes: int = 2
    degrees: float = 15.0
    scale: tuple[float, float] = (0.85, 1.25)
    elastic_voxels: float = 3.0
    gamma: tuple[float, float] = (0.7, 1.5)
    contrast: tuple[float, float] = (0.75, 1.25)
    brightness: float = 0.2
    noise: float = 0.1
    blur: float = 1.0
    coarser: float = 2.0
    probability: float = 0.5

    @property
    def text(self) -> str:
        """The setting in words, sizes in xyz."""
        size = "×".join(map(str, reversed(self.shape)))
        return f"patches of {self.patch}³ from volumes of {size}, {self.processes} processes, changes at {self.probability:g}"


LABELS = 6


def write_cases(setting: PatchSetting, folder: Path) -> None:
    """Seeded volumes as files image-N.npy (Z, Y, X) float32 and labels-N.npy uint8: a smooth field cut into six labels."""
    random = np.random.default_rng(SEED)
    for number in range(setting.cases):
        coarse = random.standard_normal([length // 16 for length in setting.shape])
        field = ndimage.zoom(coarse, 16, order=1, mode="nearest", grid_mode=True)
        edges = np.quantile(field, np.linspace(0.7, 1, LABELS + 1)[:-1])
        image = field + 0.2 * random.standard_normal(setting.shape)
        np.save(folder / f"image-{number}.npy", image.astype(np.float32))
        np.save(folder / f"labels-{number}.npy", np.searchsorted(edges, field).astype(np.uint8))


def read_case(folder: Path, number: int) -> tuple[Array, Array]:
    """Image and labels, memory-mapped."""
    return tuple(np.load(folder / f"{name}-{number}.npy", mmap_mode="r") for name in ("image", "labels"))
