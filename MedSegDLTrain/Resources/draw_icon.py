"""Draws Icons/MedSegDLTrain.png: a case whose loss falls. After a change: python MedSegDLTrain/Resources/draw_icon.py"""

import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

SIZE = 128
SCALE = 8  # drawn larger and shrunk, which smooths the edges
BACKGROUND = (16, 24, 38, 255)
MUSCLE = (92, 104, 122, 255)
BLOOD = (196, 204, 214, 255)
SEGMENT = (226, 48, 60, 190)
OUTLINE = (255, 92, 92, 255)
AXES = (120, 134, 156, 255)
CURVE = (88, 206, 160, 255)


def disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, **style) -> None:
    """A circle around (x, y), in pixels of the finished icon."""
    draw.ellipse([SCALE * edge for edge in (x - radius, y - radius, x + radius, y + radius)], **style)


def draw_case() -> Image.Image:
    """The left ventricle in short axis, small, in the upper right corner, with its segment."""
    case = Image.new("RGBA", (SIZE * SCALE, SIZE * SCALE))
    draw = ImageDraw.Draw(case)
    disc(draw, 84, 43, 31, fill=MUSCLE)
    disc(draw, 84, 43, 18, fill=BLOOD)
    case = case.filter(ImageFilter.GaussianBlur(0.8 * SCALE))
    segment = Image.new("RGBA", case.size)
    disc(ImageDraw.Draw(segment), 84, 43, 18, fill=SEGMENT, outline=OUTLINE, width=3 * SCALE)
    case.alpha_composite(segment)
    return case


def draw_curve(draw: ImageDraw.ImageDraw) -> None:
    """Two axes, and a loss that falls fast, then slowly."""
    draw.line([SCALE * edge for edge in (18, 20, 18, 110, 112, 110)], fill=AXES, width=5 * SCALE, joint="curve")
    points = [(x * SCALE, SCALE * (102 - 72 * math.exp(-(x - 28) / 20))) for x in range(28, 112)]
    draw.line(points, fill=CURVE, width=8 * SCALE, joint="curve")
    for x, y in (points[0], points[-1]):
        disc(draw, x / SCALE, y / SCALE, 4, fill=CURVE)


def draw_icon() -> Image.Image:
    """The case and its curve on the same rounded dark tile as the other module's."""
    tile = Image.new("RGBA", (SIZE * SCALE, SIZE * SCALE))
    area = (2 * SCALE, 2 * SCALE, (SIZE - 2) * SCALE, (SIZE - 2) * SCALE)
    ImageDraw.Draw(tile).rounded_rectangle(area, radius=24 * SCALE, fill=BACKGROUND)
    tile.alpha_composite(draw_case())
    draw_curve(ImageDraw.Draw(tile))
    return tile.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    draw_icon().save(Path(__file__).parent / "Icons" / "MedSegDLTrain.png", optimize=True)
