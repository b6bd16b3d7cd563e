"""What a person may ask of a segmentation beyond the model card; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from MedSegDLLib.errors import InputError
from MedSegDLLib.geometry import Geometry

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Region:
    """A box of voxels of the source grid: it begins at voxel `start_ijk` and has `size` voxels along i, j, k."""

    start_ijk: tuple[int, int, int]
    size: tuple[int, int, int]

    @classmethod
    def parse(cls, text: str) -> Region:
        """The region "i0,j0,k0,i1,j1,k1": from voxel (i0, j0, k0) up to, but without, voxel (i1, j1, k1)."""
        try:
            numbers = [int(part) for part in text.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) != 6:
            raise InputError(
                f"A region is six whole numbers i0,j0,k0,i1,j1,k1 (first voxel, voxel after the last), not '{text}'."
            )
        size = tuple(end - start for start, end in zip(numbers[:3], numbers[3:], strict=True))
        if min(size) < 1:
            raise InputError(f"The region '{text}' is empty: i1, j1, k1 must be larger than i0, j0, k0.")
        return cls(tuple(numbers[:3]), size)

    @classmethod
    def from_bounds_lps(cls, geometry: Geometry, bounds: tuple[float, float, float, float, float, float]) -> Region:
        """The smallest region of `geometry` that holds every voxel centre inside the box (x0, x1, y0, y1, z0, z1) in LPS mm.

        On an oblique grid it holds the box's eight corners, so some voxels outside of the box, too.
        """
        corners = geometry.physical_to_index(np.array(list(product(bounds[0:2], bounds[2:4], bounds[4:6]))))
        first = np.ceil(np.round(corners.min(axis=0), 6)).astype(int)
        last = np.floor(np.round(corners.max(axis=0), 6)).astype(int)
        return cls(tuple(first.tolist()), tuple((last - first + 1).tolist()))

    def clipped_to(self, geometry: Geometry) -> Region:
        """The part of this region that lies on the grid; raises InputError if nothing of it does."""
        start = np.maximum(self.start_ijk, 0)
        end = np.minimum(np.add(self.start_ijk, self.size), geometry.size)
        if np.any(end <= start):
            raise InputError(
                f"The region of {self.size} voxels from voxel {self.start_ijk} on lies outside of the image "
                f"with {geometry.size} voxels: choose one that overlaps the image."
            )
        return Region(tuple(start.tolist()), tuple((end - start).tolist()))


@dataclass(frozen=True)
class SegmentOptions:
    """How to run a model; None means what the model card says (or, for batch_size, what suits the device)."""

    device: str = "auto"  # auto, cpu, cuda, cuda:N or mps
    precision: str = "auto"  # one of PRECISIONS
    overlap: float | None = None  # 0…0.9 of a patch
    labels: tuple[str, ...] | None = None  # names to keep; the others are dropped after all classes have competed
    region: Region | None = None  # only voxels in here are segmented
    batch_size: int | None = None  # patches that go through the network together
    postprocessing: bool = True  # what the card asks for: largest pieces, minimum volumes, holes; False leaves it all out
    uncertainty: bool = False  # also tell how sure the network is (Result.mean_entropy)

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise InputError(f"The precision is one of {', '.join(PRECISIONS)}, not '{self.precision}'.")
        if self.overlap is not None and not 0 <= self.overlap <= 0.9:
            raise InputError(f"The overlap is a share of a patch from 0 to 0.9, not {self.overlap}.")
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(f"The batch size is at least 1 patch, not {self.batch_size}.")
