"""A beating heart made of formulas: a labelled short-axis cine, so that the program can be tried without any patient's data.

It is a PHANTOM. Shapes, volumes and grey values are those of a textbook adult and of balanced steady-state cine images,
but no person was scanned; it shows that the program works, not how well a model works on people.

Coordinates inside are those of the short-axis image, in mm from the left ventricle's middle: x to the right of the
picture (the patient's left), y downwards (towards the feet), z from the apex to the base. Tissues are painted one over
the other; each is given by a signed distance (mm, negative inside), so that edges are soft as in a real scan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.gaussian_blur import gaussian_blur
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image, LabelMap
from MedSegDLLib.itk_files import write_with_itk
from MedSegDLLib.labels import Label, LabelTable

LEFT_VENTRICLE, MYOCARDIUM, RIGHT_VENTRICLE = 1, 2, 3
LABELS = LabelTable(
    (
        Label(LEFT_VENTRICLE, "Left ventricle", (216, 60, 60)),
        Label(MYOCARDIUM, "Left ventricular myocardium", (210, 170, 90)),
        Label(RIGHT_VENTRICLE, "Right ventricle", (70, 130, 210)),
    )
)
HEART_BEAT_S = 0.9
END_SYSTOLE = 0.36  # share of the beat

# Grey values before the coil's shading.
_LUNG, _MUSCLE, _LIVER, _SPLEEN, _FAT, _STOMACH = 16.0, 75.0, 95.0, 120.0, 300.0, 50.0
_WALL, _BLOOD, _RIGHT_BLOOD = 78.0, 265.0, 245.0
_HEART_BOX = (-95.0, 75.0), (-85.0, 75.0)  # x and y that the heart and its fat never leave
_EDGE_MM = 1.5  # width over which one tissue turns into the next
_LAYERS = 4  # thin layers that are averaged into one thick slice
_NOISE = 7.0


@dataclass(frozen=True)
class CinePhantom:
    """One Image (int16) and one LabelMap (uint8) for each time frame, what the values mean, and the frames' times."""

    images: tuple[Image, ...]
    labelmaps: tuple[LabelMap, ...]
    labels: LabelTable
    times_s: tuple[float, ...]


def cine_phantom(frames: int = 10, slices: int = 12, seed: int = 0) -> CinePhantom:
    """A labelled cine of `frames` time frames over one heart beat, frame 0 in end diastole.

    256x256 voxels of 1.4 mm and `slices` slices of 8 mm on an oblique grid. The left ventricle holds its papillary
    muscles and trabeculae, as contours drawn in practice do. The same seed gives the same phantom to the bit.
    """
    images, labelmaps = zip(*cine_frames(frames, slices, seed), strict=True)
    return CinePhantom(images, labelmaps, LABELS, frame_times_s(frames))


def cine_frames(frames: int, slices: int = 12, seed: int = 0) -> Iterator[tuple[Image, LabelMap]]:
    """What `cine_phantom` holds, one frame after the other as they are made; the chest before the first takes longest."""
    geometry = short_axis_geometry(slices)
    random = np.random.default_rng(seed)
    grid = _Grid.of(geometry)
    texture = _texture(random, grid)
    chest = _chest(grid, random, texture)
    shading = _coil_shading(grid)
    heart_box = grid.box(*_HEART_BOX)
    for frame, time_s in enumerate(frame_times_s(frames)):
        heart = _Heart(_contraction(time_s / HEART_BEAT_S))
        canvas = chest.copy()
        inside = _paint_heart(canvas[heart_box], grid.part(heart_box), heart, texture[heart_box])
        array = _as_scanned(canvas, shading, random)
        labels = np.zeros(geometry.shape_zyx, np.uint8)
        labels[heart_box] = _labels(inside)
        name = f"phantom_frame{frame:02d}"
        yield Image(array[None], geometry, name), LabelMap(labels, geometry, name)


def frame_times_s(frames: int) -> tuple[float, ...]:
    """When in the heart beat each frame is."""
    return tuple(HEART_BEAT_S * frame / frames for frame in range(frames))


def write_cine(phantom: CinePhantom, path: Path) -> None:
    """The phantom's images as one 4D NIfTI file, its time step in the header; raises OutputError."""
    geometry = phantom.images[0].geometry
    step_s = phantom.times_s[1] if len(phantom.times_s) > 1 else HEART_BEAT_S
    volume = sitk.JoinSeries([sitk.GetImageFromArray(image.array[0]) for image in phantom.images], 0.0, step_s)
    volume.SetSpacing((*geometry.spacing, step_s))
    volume.SetOrigin((*geometry.origin, 0.0))
    direction = np.eye(4)
    direction[:3, :3] = geometry.axes
    volume.SetDirection(tuple(direction.ravel()))
    with written_beside(path) as beside:
        write_with_itk(volume, beside)


def short_axis_geometry(slices: int = 12) -> Geometry:
    """The phantom's double-oblique grid, as a scanner plans it: x to left-posterior, y to the feet, z from apex to base."""
    size, spacing = (256, 256, slices), (1.4, 1.4, 8.0)
    right = np.array([0.70, 0.66, 0.27]) / np.linalg.norm([0.70, 0.66, 0.27])
    down = np.array([0.02, 0.36, -0.93])
    down -= right * (down @ right)
    down /= np.linalg.norm(down)
    axes = np.stack([right, down, np.cross(right, down)], axis=1)
    heart = np.array([40.0, -25.0, 15.0])  # LPS mm of the left ventricle's middle
    origin = heart - axes @ ((np.array(size) - 1) / 2 * np.array(spacing))
    return Geometry(size, spacing, tuple(origin), tuple(axes.ravel()))


@dataclass(frozen=True)
class _Grid:
    """Coordinates in mm of the fine grid: x (1, 1, X), y (1, Y, 1), z (slices * _LAYERS, 1, 1)."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    spacing_zyx: tuple[float, float, float]

    @classmethod
    def of(cls, geometry: Geometry) -> _Grid:
        thickness = geometry.spacing[2] / _LAYERS
        spacing_zyx = (thickness, geometry.spacing[1], geometry.spacing[0])
        size_zyx = (geometry.size[2] * _LAYERS, geometry.size[1], geometry.size[0])
        z, y, x = np.ogrid[tuple(slice(0, n) for n in size_zyx)]
        z, y, x = (
            ((axis - (n - 1) / 2) * s).astype(np.float32) for axis, n, s in zip((z, y, x), size_zyx, spacing_zyx, strict=True)
        )
        return cls(x, y, z, spacing_zyx)

    @property
    def shape(self) -> tuple[int, int, int]:
        return np.broadcast_shapes(self.x.shape, self.y.shape, self.z.shape)

    def box(self, x: tuple[float, float], y: tuple[float, float]) -> tuple[slice, slice, slice]:
        """Where an array on this grid lies between two x and two y."""
        return slice(None), _between(self.y.ravel(), y), _between(self.x.ravel(), x)

    def part(self, box: tuple[slice, slice, slice]) -> _Grid:
        return _Grid(self.x[:, :, box[2]], self.y[:, box[1]], self.z[box[0]], self.spacing_zyx)


def _between(coordinates: np.ndarray, limits: tuple[float, float]) -> slice:
    return slice(*np.searchsorted(coordinates, limits).tolist())


def _texture(random: np.random.Generator, grid: _Grid, width_mm: float = 6.0) -> np.ndarray:
    """Smooth noise of mean 0 and standard deviation 1 with blobs of about `width_mm`."""
    noise = random.standard_normal(grid.shape, dtype=np.float32)
    noise = gaussian_blur(noise, [width_mm / spacing / 2 for spacing in grid.spacing_zyx], truncate=2.5)
    return noise / noise.std()


def _ellipse(x: np.ndarray, y: np.ndarray, half_x: float | np.ndarray, half_y: float | np.ndarray) -> np.ndarray:
    """About the signed distance in mm to an ellipse round (0, 0): exact on its axes for a circle."""
    return (np.hypot(x / half_x, y / half_y) - 1) * np.minimum(half_x, half_y)


def _paint(canvas: np.ndarray, distance: np.ndarray, value: float | np.ndarray) -> None:
    """Lay a tissue of grey `value` over the canvas where the signed distance is negative."""
    canvas += np.clip(0.5 - distance / _EDGE_MM, 0, 1) * (value - canvas)


def _chest(grid: _Grid, random: np.random.Generator, texture: np.ndarray) -> np.ndarray:
    """Everything that stands still: chest wall, lungs, liver, spleen, stomach, descending aorta."""
    canvas = np.zeros(grid.shape, np.float32)
    outline = _texture(random, grid, 40.0)
    torso = _torso(grid) - 3 * outline
    _paint(canvas, torso, _FAT * (1 + 0.06 * texture))
    _paint(canvas, torso + 11 + 3 * outline - 0.6 * texture, _MUSCLE * (1 + 0.15 * texture))
    inner = torso + 21 + 3 * outline - 0.8 * texture
    _paint(canvas, inner + 1.5, 0.7 * _FAT)
    _paint(canvas, inner + 4, _LUNG)
    _lung_vessels(canvas, grid, random, inner)
    _abdomen(canvas, grid, random, texture, inner)
    aorta = _ellipse(grid.x - 56 + 0.1 * grid.z, grid.y - 40, 10.5, 11)
    _paint(canvas, aorta - 5 - 2 * texture, _MUSCLE)
    _paint(canvas, aorta, _BLOOD * 0.9)
    return canvas


def _torso(grid: _Grid) -> np.ndarray:
    turn = np.deg2rad(-30)
    x, y = grid.x - 30, grid.y - 60 + 0.25 * grid.z
    return _ellipse(x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn), 178, 132)


def _lung_vessels(canvas: np.ndarray, grid: _Grid, random: np.random.Generator, inner: np.ndarray) -> None:
    for x, y, z, radius in zip(
        random.uniform(-60, 130, 90),
        random.uniform(-90, 60, 90),
        random.uniform(grid.z.min(), grid.z.max(), 90),
        random.uniform(1, 2.6, 90),
        strict=True,
    ):
        layers = _between(grid.z.ravel(), (z - 9, z + 9))
        box = (layers, *grid.box((x - 5, x + 5), (y - 10, y + 10))[1:])
        near = grid.part(box)
        vessel = _ellipse(near.x - x, near.y - y - 0.4 * (near.z - z), radius, radius)
        _paint(canvas[box], np.maximum(vessel, inner[box]), 0.5 * _BLOOD)


def _abdomen(canvas: np.ndarray, grid: _Grid, random: np.random.Generator, texture: np.ndarray, inner: np.ndarray) -> None:
    """What lies under the diaphragm, which rises towards the apex: liver, stomach, spleen and loops of bowel in fat."""
    diaphragm = 35 + 0.3 * grid.z + 0.0011 * (grid.x + 10) ** 2 - grid.y
    below = np.maximum(diaphragm, inner)
    _paint(canvas, below - 2, _MUSCLE)
    _paint(canvas, below, 0.8 * _FAT * (1 + 0.2 * texture))
    for _ in range(34):
        _bowel(canvas, grid, random, texture, below)
    liver = _ellipse(grid.x + 66, grid.y - 72 - 0.3 * grid.z, 84, 36) - 2 * texture
    _paint(canvas, np.maximum(liver, below), _LIVER * (1 + 0.05 * texture))
    spleen = _ellipse(grid.x - 88, grid.y - 92, 26, 36) - texture
    _paint(canvas, np.maximum(spleen, below), _SPLEEN)
    stomach = _ellipse(grid.x - 34, grid.y - 80 - 0.2 * grid.z, 24, 19) - 1.5 * texture
    _paint(canvas, np.maximum(stomach - 3, below), _MUSCLE)
    _paint(canvas, np.maximum(stomach, below), _STOMACH * (1 + 0.3 * texture))


def _bowel(canvas: np.ndarray, grid: _Grid, random: np.random.Generator, texture: np.ndarray, below: np.ndarray) -> None:
    x, y, drift = random.uniform(-90, 110), random.uniform(75, 175), np.clip(random.normal(0, 0.5), -1, 1)
    box = grid.box((x - 35, x + 35), (y - 85, y + 85))
    near, rough = grid.part(box), texture[box]
    bowel = _ellipse(near.x - x, near.y - y - drift * near.z, *random.uniform(8, 20, 2)) - 2 * rough
    _paint(canvas[box], np.maximum(bowel - 2, below[box]), 0.3 * _FAT)
    _paint(canvas[box], np.maximum(bowel, below[box]), random.uniform(0.5, 2.4) * _MUSCLE * (1 + 0.1 * rough))


def _contraction(share_of_beat: float) -> float:
    """0 in end diastole, 1 in end systole; a quick squeeze and a slower filling."""
    if share_of_beat < END_SYSTOLE:
        return float(np.sin(np.pi / 2 * share_of_beat / END_SYSTOLE) ** 2)
    filling = min((share_of_beat - END_SYSTOLE) / (0.92 - END_SYSTOLE), 1.0)
    return float(np.cos(np.pi / 2 * filling**0.8) ** 2)


@dataclass(frozen=True)
class _Heart:
    """Sizes in mm at one moment; `contraction` runs from 0 (end diastole) to 1 (end systole)."""

    contraction: float

    def _between(self, diastole: float, systole: float) -> float:
        return diastole + self.contraction * (systole - diastole)

    @property
    def base(self) -> float:
        """z of the mitral valve's plane, which moves towards the apex."""
        return self._between(38.0, 27.0)

    @property
    def apex(self) -> float:
        return -44.0

    @property
    def radius(self) -> float:
        return self._between(26.5, 18.5)

    @property
    def wall(self) -> float:
        return self._between(8.0, 12.0)

    @property
    def trabeculae(self) -> float:
        """Thickness of the spongy layer on the inside of the wall; like the papillary muscles it counts as ventricle."""
        return self._between(1.2, 2.2)

    @property
    def right_width(self) -> float:
        return self._between(30.0, 24.0)


def _half_ellipsoid(z: np.ndarray, apex: float, base: float) -> np.ndarray:
    """Radius, as a share of the largest, of a ventricle at height z: 0 at and below the apex, 1 shortly before the base."""
    along = np.clip((z - apex) / (base - apex), 0, 1)
    return np.sqrt(np.clip(1 - (1 - along) ** 2.2, 0, 1)) * (1 - 0.1 * np.clip(along - 0.75, 0, 1))


@dataclass(frozen=True)
class _Inside:
    """Signed distances of what is labelled, on the fine grid."""

    left: np.ndarray
    wall: np.ndarray
    right: np.ndarray


def _paint_heart(canvas: np.ndarray, grid: _Grid, heart: _Heart, texture: np.ndarray) -> _Inside:
    """Paint the heart over the canvas and return where its parts are."""
    x, y, z = grid.x - 0.06 * grid.z, grid.y + 0.04 * grid.z, grid.z
    angle = np.arctan2(y, x)
    round_ = np.hypot(x, y) / (1 + 0.04 * np.cos(2 * angle + 0.6) + 0.02 * np.cos(3 * angle))
    left = round_ - heart.radius * _half_ellipsoid(z, heart.apex, heart.base)
    left = np.maximum(left, np.maximum(z - heart.base, heart.apex - z))
    outer = round_ - (heart.radius + heart.wall) * _half_ellipsoid(z, heart.apex - heart.wall * 0.8, heart.base + 6)
    wall = np.maximum(outer, z - heart.base - 2)
    right = _right_ventricle(x, y, z, heart)
    atria = _atria(x, y, z, heart)
    whole = np.minimum(np.minimum(outer, right - 4), np.where(z > heart.base, atria - 3, np.inf))
    _paint(canvas, whole - 5 - 1.2 * texture, 0.6 * _FAT * (1 + 0.15 * texture))
    _paint(canvas, whole - 1.5, 0.6 * _MUSCLE)
    _paint(canvas, np.maximum(np.minimum(right - 2.5, atria - 2), 6 - z + heart.apex), _WALL)
    _paint(canvas, atria, _BLOOD * (0.95 + 0.03 * texture))
    _paint(canvas, right + 0.8 * texture, _RIGHT_BLOOD * (1 + 0.05 * texture))
    _paint(canvas, wall, _WALL * (1 + 0.06 * texture))
    _paint(canvas, left + heart.trabeculae * (1 + 0.6 * texture), _BLOOD * (1 + 0.05 * texture))
    _papillary_muscles(canvas, x, y, z, heart, left)
    return _Inside(left, np.maximum(wall, -left), np.maximum(right, -outer))


def _right_ventricle(x: np.ndarray, y: np.ndarray, z: np.ndarray, heart: _Heart) -> np.ndarray:
    """A crescent on the left of the picture: an ellipsoid of which the left ventricle covers the right part."""
    share = _half_ellipsoid(z, heart.apex + 10, heart.base)
    body = _ellipse(x + 20 + 10 * share, y + 3, np.maximum(heart.right_width * share, 0.1), np.maximum(37 * share, 0.1))
    return np.maximum(body, np.maximum(z - heart.base - 4, heart.apex + 10 - z))


def _atria(x: np.ndarray, y: np.ndarray, z: np.ndarray, heart: _Heart) -> np.ndarray:
    """Beyond the valves: left atrium, right atrium, aortic root and outflow of the right ventricle."""
    left = _ellipse(x - 12, y - 12, 26, 21)
    right = _ellipse(x + 44, y - 12, 25, 26)
    aorta = _ellipse(x + 10, y + 14, 14, 14)
    outflow = _ellipse(x + 24, y + 44, 18, 13)
    return np.maximum(np.minimum(np.minimum(left, right), np.minimum(aorta, outflow)), heart.base + 3 - z)


def _papillary_muscles(
    canvas: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray, heart: _Heart, left: np.ndarray
) -> None:
    """Two muscles that reach from the wall into the blood in the middle third; they count as left ventricle."""
    along = np.clip((z - heart.apex) / (heart.base - heart.apex), 0, 1)
    for angle, thickness in ((np.deg2rad(-38), 4.2), (np.deg2rad(112), 4.8)):
        reach = heart.radius * _half_ellipsoid(z, heart.apex, heart.base) - 4.5
        muscle = _ellipse(x - reach * np.cos(angle), y - reach * np.sin(angle), thickness, thickness)
        _paint(canvas, np.maximum(np.maximum(muscle, left), 30 * (np.abs(along - 0.42) - 0.26)), _WALL)


def _coil_shading(grid: _Grid) -> np.ndarray:
    """Sensitivity of surface coils: bright along the chest wall, darker in the depth."""
    return 0.8 + 1.4 * np.exp(np.minimum(_torso(grid), 0) / 24)


def _as_scanned(canvas: np.ndarray, shading: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Thin layers averaged into slices, blurred a little, with the noise of a magnitude image; int16 (Z, Y, X)."""
    signal = _slices(gaussian_blur(canvas * shading, (0, 0.6, 0.6)))
    real, imaginary = _NOISE * random.standard_normal((2, *signal.shape), dtype=np.float32)
    return np.rint(np.hypot(signal + real, imaginary)).astype(np.int16)


def _labels(inside: _Inside) -> np.ndarray:
    """A voxel has the label that fills more than half of it; uint8 (Z, Y, X)."""
    labels = np.zeros(_slices(inside.left).shape, np.uint8)
    for value, distance in (
        (RIGHT_VENTRICLE, inside.right),
        (MYOCARDIUM, inside.wall),
        (LEFT_VENTRICLE, inside.left),
    ):
        labels[_slices((distance < 0).astype(np.float32)) > 0.5] = value
    return labels


def _slices(layers: np.ndarray) -> np.ndarray:
    return layers.reshape(-1, _LAYERS, *layers.shape[1:]).mean(axis=1)
